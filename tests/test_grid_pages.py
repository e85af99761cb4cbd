"""The page of grids: its table is the models' own."""

from tests.conftest import ROOT
from tests.grid_pages import PATTERN, table


def test_the_table_of_models_and_grids_is_theirs() -> None:
    match = PATTERN.search((ROOT / "doc" / "grids.md").read_text())
    assert match is not None and match[2] == table(), "run `python -m tests.grid_pages`"

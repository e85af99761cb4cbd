import pytest

from tests.conftest import ROOT
from tests.dataset_pages import page, tables


@pytest.mark.parametrize("name", sorted(tables()))
def test_the_tables_of_the_pages_are_those_of_the_code(name: str) -> None:
    assert (ROOT / "doc" / f"{name}.md").read_text() == page(name, tables()[name]), "run python -m tests.dataset_pages"

"""The notebooks of doc/ run from their first cell to their last, and are kept with what they print."""

import json
from pathlib import Path

import pytest

from tests.notebook_files import FOLDER, run_alone, source_of

NAMES = sorted(p.name for p in FOLDER.glob("*.ipynb"))


def texts(cells: list[dict]) -> list[str]:
    return ["".join(o.get("text", [])) for cell in cells for o in cell.get("outputs", [])]


def test_there_are_the_three_that_the_site_names() -> None:
    assert NAMES == ["own_files.ipynb", "own_network.ipynb", "verify_others.ipynb"]


@pytest.mark.parametrize("name", NAMES)
def test_a_notebook_runs(name: str, tmp_path: Path) -> None:
    cells = run_alone(FOLDER / name, tmp_path)
    kept = json.loads((FOLDER / name).read_text())["cells"]
    assert [source_of(c) for c in cells] == [source_of(c) for c in kept]
    # the same cells say something; figures differ from machine to machine
    said, wanted = texts(cells), texts(kept)
    assert [bool(t) for t in said] == [bool(t) for t in wanted] and any(wanted)
    assert [len(t.splitlines()) for t in said] == [len(t.splitlines()) for t in wanted]


def test_a_cell_that_fails_is_told(tmp_path: Path) -> None:
    cells = [{"cell_type": "code", "source": ["x = 1\n"]}, {"cell_type": "code", "source": ["x / 0"]}]
    (tmp_path / "bad.ipynb").write_text(json.dumps({"cells": cells}))
    with pytest.raises(RuntimeError, match=r"bad\.ipynb: (.|\n)*cell 1(.|\n)*ZeroDivisionError"):
        run_alone(tmp_path / "bad.ipynb", tmp_path)

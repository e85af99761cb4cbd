from dataclasses import replace
from pathlib import Path

import pytest
from rich.table import Table

from py4cast.errors import SettingsError
from py4cast.workflows.catalogue import view
from py4cast.workflows.catalogue.catalogue import Catalogue, Item
from py4cast.workflows.catalogue.view import catalogue, register

FACTS = {"model": "unet", "strategy": "diff_ar", "dataset": "uk"}
STORE = Item("5" * 64, "dataset", "/data/store", {"variables": [], "files": 2, "period": None})
MADE = Item("f" * 64, "forecaster", "/runs/f.safetensors", FACTS, (("5" * 64, "trained on"),), "2020-01-01T00Z")
STEP = Item("e" * 64, "step", "/runs/s.onnx", FACTS, (("f" * 64, "exported from"),))
LOST = Item("c" * 64, "scores", "/runs/verify/scores.nc", FACTS, (("a" * 64, "scores of"),))


@pytest.fixture
def place(tmp_path: Path) -> str:
    held = Catalogue(tmp_path / "kept")
    for item, name, note in ((STORE, "data", "raw"), (MADE, "net", ""), (STEP, "step", ""), (LOST, "scores", "")):
        held.register(item, name, note)
    return str(tmp_path / "kept")


def rows_of(table: Table) -> list[list[str]]:
    columns = [[str(cell) for cell in column.cells] for column in table.columns]
    return [list(row) for row in zip(*columns, strict=True)]


@pytest.mark.parametrize(
    ("item", "folder", "name"),
    [
        (MADE, "", "unet_diff_ar"),
        (STEP, "", "unet_diff_ar_step"),
        (Item("1" * 64, "scores", "scores/run7/scores.nc", FACTS), "run7", "run7"),
        (Item("2" * 64, "dataset", "stores/uk", {}), "uk", "uk"),
    ],
)
def test_names_of_items_that_are_given_none(
    item: Item, folder: str, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if folder:
        (tmp_path / folder).mkdir()
        path = tmp_path / folder / "scores.nc" if item.kind == "scores" else tmp_path / folder
        if item.kind == "scores":
            path.touch()
        item = replace(item, path=str(path))
    monkeypatch.setattr(view, "item_of", lambda file: item)
    assert register(["x"], str(tmp_path / "kept"), None, "") == [f"{name}:1  {item.id[:12]}  {item.kind}"]
    assert register(["x"], str(tmp_path / "kept"), "another", "") == [f"{name}:1  {item.id[:12]}  {item.kind}"]


def test_all_files_are_looked_at_before_one_is_registered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def look(file: str) -> Item:
        if file == "bad":
            raise SettingsError("bad")
        return MADE

    monkeypatch.setattr(view, "item_of", look)
    with pytest.raises(SettingsError, match="bad"):
        register(["good", "bad"], str(tmp_path / "kept"), None, "")
    assert not (tmp_path / "kept").exists()


def test_the_list_has_a_row_per_item_of_a_kind(place: str) -> None:
    (whole,) = catalogue("list", None, place, None, "")
    assert whole.title == f"catalogue {place}/catalogue.sqlite"
    assert [r[0] for r in rows_of(whole)] == ["data:1", "net:1", "scores:1", "step:1"]
    ((net, *no_more),) = (rows_of(t) for t in catalogue("list", None, place, "forecaster", ""))
    assert net[:5] == ["net:1", "forecaster", "f" * 12, "uk", "2020-01-01T00Z"] and not no_more
    ((data,),) = (rows_of(t) for t in catalogue("list", None, place, "dataset", ""))
    assert data[3:5] == ["-", "-"] and data[6] == "raw"


def test_what_is_shown_leaves_out_what_is_empty(place: str) -> None:
    lines = catalogue("show", "data", place, None, "")
    assert lines[:3] == ["data:1  dataset", f"id          {'5' * 64}", "path        /data/store"]
    assert lines[3].startswith("registered  20") and lines[4:] == ["note        raw", "files       2"]
    shown = catalogue("show", "net:1", place, None, "")
    assert "made        2020-01-01T00Z" in shown and "model       unet" in shown
    assert not [line for line in shown if line.startswith(("note", "copy"))]


def test_the_lineage_runs_from_the_oldest_to_what_was_made_last(place: str) -> None:
    assert catalogue("lineage", "net", place, None, "") == [
        f"{' ' * 10}data:1  dataset  {'5' * 12}  trained on",
        f"*{' ' * 11}net:1  forecaster  {'f' * 12}",
        f"{' ' * 14}step:1  step  {'e' * 12}  exported from",
    ]
    assert catalogue("lineage", "scores", place, None, "")[0].split("  ")[-3:] == [
        "not in this catalogue", "a" * 12, "scores of",
    ]  # fmt: skip


def test_an_item_must_be_named_and_be_there(place: str) -> None:
    for what in ("show", "lineage", "fetch"):
        with pytest.raises(SettingsError, match=f"catalogue {what}: which item\\? `py4cast catalogue list` shows them"):
            catalogue(what, None, place, None, "")
    with pytest.raises(SettingsError, match="did you mean 'net'"):
        catalogue("show", "nett", place, None, "")
    with pytest.raises(SettingsError, match="data:1: the catalogue holds no copy of a dataset; it was at /data/store"):
        catalogue("fetch", "data", place, None, "out")


def test_without_a_place_the_catalogue_lies_in_the_root_folder(own_root: Path) -> None:
    (table,) = catalogue("list", None, None, None, "")
    assert table.title == f"catalogue {own_root}/catalogue/catalogue.sqlite" and (own_root / "catalogue").is_dir()

import json
import sqlite3
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path

import pytest

from py4cast.errors import DataError, SettingsError
from py4cast.workflows.catalogue.catalogue import Catalogue, Item
from py4cast.workflows.catalogue.register import item_of
from py4cast.workflows.catalogue.view import catalogue, register
from py4cast.workflows.export.run import Export, export
from tests import forecasters
from tests.command import py4cast
from tests.workflows.inspect.test_data import store

__all__ = ["store"]


@cache
def _made() -> tuple[bytes, bytes]:
    forecaster = forecasters.forecaster()
    forecaster.info.lineage = {"store": "d" * 64}
    with tempfile.TemporaryDirectory() as folder:
        paths = Path(folder) / "f.safetensors", Path(folder) / "s.onnx"
        forecaster.save(paths[0], git={"py4cast": {"commit": "abc123"}})
        export(Export(forecaster=str(paths[0]), output=str(paths[1]), num_steps=1))
        return paths[0].read_bytes(), paths[1].read_bytes()


def made(folder: Path) -> tuple[Path, Path]:
    """A Forecaster and the step exported from it, made once for all tests of a process."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = folder / "f.safetensors", folder / "s.onnx"
    for path, content in zip(paths, _made(), strict=True):
        path.write_bytes(content)
    return paths


def test_who_was_made_from_what(tmp_path: Path) -> None:
    forecaster, step = made(tmp_path / "run")
    place = str(tmp_path / "kept")
    lines = register([str(step), str(forecaster)], place, None, "first")
    assert [line.split()[0] for line in lines] == ["halfunet_scaled_ar_step:1", "halfunet_scaled_ar:1"]
    assert register([str(forecaster)], place, "again", "") == lines[1:], "known by its fingerprint"
    held = Catalogue(place)
    item = held.find("halfunet_scaled_ar")
    assert (
        item.facts["commit"] == "abc123"
        and item.facts["predicts"] == ["t2m", "u10", "v10", "tp"]
        and item.note == "first"
    )
    lineage = held.lineage(item)
    assert [(d, r, o.label if o else None) for d, r, _, o in lineage] == [
        (-1, "trained on", None), (1, "exported from", "halfunet_scaled_ar_step:1"),
    ]  # fmt: skip
    assert lineage[0][2] == "d" * 64
    ancestors = [(d, r) for d, r, _, _ in held.lineage(held.find("halfunet_scaled_ar_step:1"))]
    assert ancestors == [(-2, "trained on"), (-1, "exported from")]
    for file in (forecaster, step):
        content = file.read_bytes()
        file.unlink()
        (path,) = catalogue("fetch", item_label(held, file), place, None, str(tmp_path))
        assert Path(path).read_bytes() == content


def item_label(held: Catalogue, file: Path) -> str:
    return next(i.label for i in held.items() if i.path == str(file))


def test_names_count_their_versions(tmp_path: Path) -> None:
    held = Catalogue(tmp_path / "c.sqlite")
    for number in range(3):
        done = held.register(Item(f"{number}" * 64, "dataset", "/data/store", {}), "uk")
        assert done.label == f"uk:{number + 1}" and not done.copy
    assert held.find("uk").version == 3 and held.find("uk:2").id == "1" * 64 and held.find("000000").version == 1
    for text in ("kk", "uk:9", "99999999"):
        with pytest.raises(SettingsError, match="no item"):
            held.find(text)
    with pytest.raises(SettingsError, match="did you mean 'uk'"):
        held.find("ukk")
    with pytest.raises(SettingsError, match="holds no copy of a dataset"):
        held.fetch(held.find("uk"), tmp_path)
    with pytest.raises(SettingsError, match="--name"):
        held.register(Item("f" * 64, "dataset", "/x", {}), "../evil")


def test_two_processes_write_at_once(tmp_path: Path) -> None:
    code = """
import sys
from py4cast.workflows.catalogue.catalogue import Catalogue, Item
held = Catalogue(sys.argv[1])
for i in range(40):
    held.register(Item(f"{sys.argv[2]}-{i}", "dataset", "/x", {}, (("parent", "made from"),)), "shared")
"""
    running = [subprocess.Popen([sys.executable, "-c", code, str(tmp_path), who]) for who in "abc"]
    assert [p.wait() for p in running] == [0, 0, 0]
    items = Catalogue(tmp_path).items()
    assert sorted(i.version for i in items) == list(range(1, 121)), "no version twice, none lost"
    with sqlite3.connect(tmp_path / "catalogue.sqlite") as base:
        assert base.execute("SELECT COUNT(*) FROM edges").fetchone() == (120,)
    base.close()


def test_what_is_no_item_or_no_catalogue_is_named(tmp_path: Path) -> None:
    (tmp_path / "x.nc").write_bytes(b"nothing")
    (tmp_path / "folder").mkdir()
    for name, text in (("none", "no such file"), ("x.nc", "damaged"), ("folder", "expected a Forecaster")):
        with pytest.raises(DataError, match=text):
            item_of(tmp_path / name)
    (tmp_path / "bad.sqlite").write_bytes(b"not a database at all, but long enough to be read as one" * 20)
    with pytest.raises(DataError, match="no catalogue of py4cast"):
        Catalogue(tmp_path / "bad.sqlite")


def test_the_command_line(tmp_path: Path) -> None:
    forecaster, _ = made(tmp_path)
    place = ("--catalogue", str(tmp_path / "kept"))
    done = py4cast("register", str(forecaster), "--name", "uk", "--note", "of today", *place)
    assert done.returncode == 0 and done.stdout.startswith("uk:1  "), done.stderr
    for words, texts in (
        (("list",), ("uk:1", "forecaster", "of today")),
        (("show", "uk"), ("model       halfunet", "commit      abc123", "copy ")),
        (("lineage", "uk"), ("uk:1", "not in this catalogue", "trained on")),
        (("fetch", "uk", "--output", str(tmp_path / "back.safetensors")), ("back.safetensors",)),
    ):
        done = py4cast("catalogue", *words, *place)
        assert done.returncode == 0 and all(t in done.stdout for t in texts), done.stdout + done.stderr
    assert (tmp_path / "back.safetensors").read_bytes() == forecaster.read_bytes()
    failed = py4cast("catalogue", "show", "ukk", *place)
    assert failed.returncode == 2 and "did you mean" in failed.stderr and len(failed.stderr.splitlines()) == 1


def test_scores_and_stores_are_items(tmp_path: Path) -> None:
    from py4cast.formats.netcdf import write_arrays

    forecaster, _ = made(tmp_path / "run")
    document = {"forecaster": str(forecaster), "model": "halfunet", "num_forecasts": 4}
    write_arrays(tmp_path / "scores" / "scores.nc", {}, {}, {"py4cast": json.dumps(document)})
    item = item_of(tmp_path / "scores")
    assert item.kind == "scores" and item.parents == ((item_of(forecaster).id, "scores of"),)
    assert item.facts == {"model": "halfunet", "num_forecasts": 4}


def test_a_prepared_store_is_an_item(store: Path, tmp_path: Path) -> None:
    item = item_of(store)
    meta = json.loads((store / "py4cast.json").read_text())
    assert (item.kind, item.id, item.is_copied) == ("dataset", meta["digest"], False)
    assert item.facts["variables"] == ["t", "u"] and item.facts["files"] == 1
    assert item.parents == ((meta["inputs_digest"], "prepared from files"),)
    held = Catalogue(tmp_path / "kept").register(item, "store")
    assert held.label == "store:1" and not held.copy


def forged(path: Path, source: Path, **changes: object) -> Path:
    """A Forecaster's file whose header says something else, without a checksum of itself."""
    from safetensors import safe_open
    from safetensors.torch import save_file

    with safe_open(source, framework="pt") as file:
        header = json.loads(file.metadata()["py4cast"])
        tensors = {k: file.get_tensor(k) for k in file.keys()}  # noqa: SIM118
    header.pop("header_sha256")
    kept = (
        "model",
        "strategy",
        "model_settings",
        "strategy_settings",
        "num_input_steps",
        "info",
        "lineage",
        "format",
        "sha256",
    )
    document = {k: header[k] for k in kept} | changes
    save_file(tensors, path, metadata={"py4cast": json.dumps(document)})
    return path


@pytest.mark.parametrize("identity", ["../../../../pwn_aaaaaaaaaaaa", "/etc/passwd", ""])
def test_a_forged_fingerprint_never_becomes_a_path(tmp_path: Path, identity: str) -> None:
    file, _ = made(tmp_path / "run")
    bad = forged(tmp_path / "bad.safetensors", file, sha256=identity)
    before = {p for p in tmp_path.rglob("*") if "kept" not in p.parts}
    with pytest.raises(DataError, match="fail the checksum of the header"):
        register([str(bad)], str(tmp_path / "kept" / "deep"), None, "")
    held = Catalogue(tmp_path / "kept" / "deep")
    with pytest.raises(DataError, match="the fingerprint .*: expected letters, digits"):
        held.register(Item(identity, "forecaster", str(bad), {}, is_copied=True), "x")
    assert {p for p in tmp_path.rglob("*") if "kept" not in p.parts} == before
    assert [p.name for p in (tmp_path / "kept").rglob("*") if p.is_file()] == ["catalogue.sqlite"]


def test_no_item_takes_the_place_of_anothers_copy(tmp_path: Path) -> None:
    held, contents = Catalogue(tmp_path / "kept"), {}
    for last in "01":
        file = tmp_path / f"{last}.nc"
        file.write_bytes(last.encode())
        item = held.register(Item("a" * 63 + last, "scores", str(file), {}, is_copied=True), "x")
        contents[item.label] = last.encode()
    for label, content in contents.items():
        assert held.fetch(held.find(label), tmp_path / "out.nc").read_bytes() == content


def test_a_catalogue_that_points_elsewhere_is_refused(tmp_path: Path) -> None:
    held, file = Catalogue(tmp_path / "kept"), tmp_path / "a.nc"
    file.write_bytes(b"1")
    held.register(Item("a" * 64, "scores", str(file), {}, is_copied=True), "x")
    with sqlite3.connect(held.path) as base:
        base.execute("UPDATE items SET copy = 'files/../../a.nc'")
    base.close()
    with pytest.raises(DataError, match="the copy '../../a.nc': expected letters"):
        held.fetch(held.find("x"), tmp_path / "out.nc")
    assert not (tmp_path / "out.nc").exists()


def test_a_copy_that_has_changed_is_not_handed_out(tmp_path: Path) -> None:
    held, (path, _) = Catalogue(tmp_path / "catalogue"), made(tmp_path / "made")
    held.register(item_of(path), "uk")
    (copy,) = (tmp_path / "catalogue" / "files").glob("*.safetensors")
    copy.chmod(0o644)
    content = bytearray(copy.read_bytes())
    content[-100] ^= 0xFF
    copy.write_bytes(content)
    with pytest.raises(DataError, match=r"the catalogue's copy of uk:1 has changed"):
        held.fetch(held.find("uk"), tmp_path / "back.safetensors")
    assert not (tmp_path / "back.safetensors").exists()

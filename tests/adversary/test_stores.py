"""A store whose files are flipped, cut, swapped or lost gives its own values or names the file, never others."""

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

import py4cast.cubes.store.layout as layout
from py4cast.cubes.store.store import PreparedStore
from py4cast.datasets.gridded import Gridded
from py4cast.errors import DataError
from tests.cubes.store.test_store import prepare
from tests.weather_files import describe, wave_fields, write_netcdf

NAMES = ("t", "u")
# written while a store is built, of no use after
IDLE = ("lock", "journal.jsonl")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store of two variables, a fixed field and several blocks."""
    folder = tmp_path_factory.mktemp("store")
    fields, hill = wave_fields(), np.broadcast_to(np.add.outer(np.arange(12.0), np.arange(16.0)), (48, 12, 16))
    write_netcdf(
        folder / "in" / "a.nc", {"t": fields, "u": fields - 280, "orog": hill}, units={"u": "m s-1", "orog": "m"}
    )
    variables = {"t": {"units": "K"}, "u": {"role": "forcing"}, "orog": {"role": "static", "units": "m"}}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(layout, "_MAX_BLOCK", 16)
        document = describe(folder / "in", variables=variables, store=str(folder / "store"))
        return prepare(Gridded.settings_kls.from_dict(document)).path


def contents(path: Path) -> list[np.ndarray]:
    """All that training takes from a store."""
    store = PreparedStore(path)
    try:
        out = np.empty((2, store.axis.size, 12, 16), dtype=np.float32)
        store.read(NAMES, 0, store.axis.size, out)
        inside = np.arange(store.axis.size) < 21
        stats = [s[n][k] for s in store.statistics(inside) for n in NAMES for k in ("mean", "std", "min", "max")]
        statics = store.static_fields()
        return [
            out,
            np.array(stats),
            store.grid.latitude,
            store.grid.longitude,
            store.valid_mask(NAMES),
            statics["orog"],
        ]
    finally:
        store.close()


def attacked(whole: Path, attack: Callable[[Path], None]) -> None:
    """Contents are the same or refused by a file's name; `verify` tells it whenever they are refused."""
    expected, copy = contents(whole), whole.with_name("attacked")
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(whole, copy)
    attack(copy)
    try:
        values = contents(copy)
    except DataError as error:
        assert str(copy) in str(error)
        try:
            assert PreparedStore(copy).verify()
        except DataError as refusal:
            assert str(copy) in str(refusal)
        return
    for before, after in zip(expected, values, strict=True):
        np.testing.assert_array_equal(after, before)


def files_of(folder: Path) -> list[Path]:
    return sorted(p.relative_to(folder) for p in folder.rglob("*") if p.is_file() and p.name not in IDLE)


def test_untouched_it_is_whole(whole: Path) -> None:
    assert PreparedStore(whole).verify() == [] and len(files_of(whole)) > 30
    attacked(whole, lambda folder: None)


def test_a_lost_or_emptied_file_is_named(whole: Path) -> None:
    for place in files_of(whole):
        for damage in (Path.unlink, lambda p: p.write_bytes(b"")):
            attacked(whole, lambda folder, d=damage, p=place: d(folder / p))  # type: ignore[misc]
            copy = whole.with_name("attacked")
            try:
                assert any(str(copy / place) in p for p in PreparedStore(copy).verify()), place
            except DataError as error:
                assert str(copy) in str(error)


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
@given(st.data())
def test_a_flipped_bit_or_a_cut_end_is_told(whole: Path, data: st.DataObject) -> None:
    place = data.draw(st.sampled_from(files_of(whole)))
    at = data.draw(st.integers(0, (whole / place).stat().st_size - 1))
    bit = data.draw(st.integers(0, 8))

    def attack(folder: Path) -> None:
        content = bytearray((folder / place).read_bytes())
        if bit == 8:
            del content[at:]
        else:
            content[at] ^= 1 << bit
        (folder / place).write_bytes(content)

    attacked(whole, attack)
    copy = whole.with_name("attacked")
    try:
        assert PreparedStore(copy).verify(), f"bit {bit} of byte {at} of {place}"
    except DataError as error:
        assert str(copy) in str(error)


@example(("t/c/0/0/0", "u/c/0/0/0"))
@example(("t/c/0/0/0", "t/c/1/0/0"))
@example(("moments/c/0/0/0", "moments/c/1/0/0"))
@example(("moments/c/0/0/0", "difference_moments/c/0/0/0"))
@example(("checksums/c/0/0", "checksums/c/1/0"))
@example(("block_moments/c/0/0/0", "block_difference_moments/c/0/0/0"))
@example(("static_orog/c/0/0", "latitude/c/0"))
@example(("recipe.json", "manifest.json"))
@settings(max_examples=10, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
@given(st.sampled_from([("t/zarr.json", "u/zarr.json"), ("latitude/c/0", "longitude/c/0")]))
def test_files_that_changed_places_are_told(whole: Path, places: tuple[str, str]) -> None:
    def attack(folder: Path) -> None:
        first, second = (folder / p for p in places)
        content = first.read_bytes()
        first.write_bytes(second.read_bytes())
        second.write_bytes(content)

    attacked(whole, attack)
    assert PreparedStore(whole.with_name("attacked")).verify(), places

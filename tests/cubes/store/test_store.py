import shutil
from pathlib import Path

import google_crc32c
import numpy as np
import pytest
import xarray as xr
import zarr

from py4cast.atomic import write_json
from py4cast.cubes.store.store import MARKER, PreparedStore
from py4cast.datasets.gridded import Gridded
from py4cast.datasets.gridded_settings import GriddedSettings
from py4cast.datasets.preparing import prepare as prepare_store
from py4cast.errors import DataError
from py4cast.progress import Preparation
from tests.weather_files import describe, wave_fields, write_netcdf


class Quiet:
    def start(self, what: str, total: int) -> None:
        self.total = total

    def step(self, count: int = 1) -> None:
        pass


def prepare(settings: GriddedSettings, check_files: bool = True, append: bool = False) -> PreparedStore:
    """As the verb does it, in this process."""
    return prepare_store(settings, Preparation(Quiet(), append=append, check_files=check_files))


@pytest.fixture
def fields() -> np.ndarray:
    return wave_fields()


@pytest.fixture
def store(tmp_path: Path, fields: np.ndarray) -> PreparedStore:
    write_netcdf(tmp_path / "in" / "a.nc", {"t": fields, "u": fields - 280}, units={"u": "m s-1"})
    document = describe(
        tmp_path / "in", variables={"t": {"units": "K"}, "u": {"role": "forcing"}}, store=str(tmp_path / "store")
    )
    return prepare(Gridded.settings_kls.from_dict(document))


def test_reads_what_was_written(store: PreparedStore, fields: np.ndarray) -> None:
    out = np.empty((2, 7, 12, 16), dtype=np.float32)
    store.read(["u", "t"], 5, 12, out)
    np.testing.assert_array_equal(out[1], fields[5:12])
    np.testing.assert_array_equal(out[0], (fields - 280)[5:12])
    with pytest.raises(DataError, match="no variable 'tt'"):
        store.read(["tt"], 0, 1, out[:1, :1])


def test_xarray_and_zarr_open_it_unchanged(store: PreparedStore, fields: np.ndarray) -> None:
    with xr.open_dataset(store.path, engine="zarr") as data:
        np.testing.assert_array_equal(data["t"].values, fields)
        assert data["t"].attrs["units"] == "K" and data["time"].values[3] == np.datetime64("2020-01-01T03")
        assert data["latitude"].attrs["standard_name"] == "latitude" and data.attrs["Conventions"].startswith("CF")
    array = zarr.open_array(store.path / "t", mode="r")
    assert array.chunks == (1, 12, 16) and array.shards == (48, 12, 16) and np.isnan(array.fill_value)
    inner = [c["name"] for c in array.metadata.to_dict()["codecs"][0]["configuration"]["codecs"]]
    assert inner == ["bytes", "crc32c"], "uncompressed, with a checksum per chunk"


def test_statistics_are_numpys_over_the_training_period_alone(store: PreparedStore, fields: np.ndarray) -> None:
    inside = np.arange(48) < 24
    stats, differences = store.statistics(inside)
    train = fields[:24].astype(np.float64)
    assert (stats["t"]["mean"], stats["t"]["std"]) == pytest.approx((train.mean(), train.std()), rel=1e-12)
    assert (stats["t"]["min"], stats["t"]["max"]) == (train.min(), train.max())
    step = np.diff(train, axis=0)
    assert (differences["t"]["mean"], differences["t"]["std"]) == pytest.approx((step.mean(), step.std()), rel=1e-9)
    assert stats["t"]["count"] == train.size and differences["t"]["count"] == step.size, "each instant counted once"


@pytest.mark.parametrize("where", ["first chunk", "index"])
def test_a_flipped_bit_is_named(store: PreparedStore, where: str) -> None:
    path = store.path / "t" / "c" / "0" / "0" / "0"
    data = bytearray(path.read_bytes())
    data[100 if where == "first chunk" else len(data) - 50] ^= 4
    path.write_bytes(data)
    again = PreparedStore(store.path)
    with pytest.raises(DataError, match="damaged"):
        again.read(["t"], 0, 2, np.empty((1, 2, 12, 16), dtype=np.float32))
    assert again.verify()


def test_a_lost_shard_is_found_by_verify(store: PreparedStore) -> None:
    assert store.verify() == []
    (store.path / "t" / "c" / "0" / "0" / "0").unlink()
    assert "is lost" in PreparedStore(store.path).verify()[0]


def test_unfinished_and_foreign_folders_are_refused(store: PreparedStore, tmp_path: Path) -> None:
    meta = dict(store.meta)
    (store.path / MARKER).unlink()
    with pytest.raises(DataError, match="unfinished prepared store"):
        PreparedStore(store.path)
    with pytest.raises(DataError, match="no prepared store"):
        PreparedStore(tmp_path)
    write_json(store.path / MARKER, {**meta, "version": 99})
    with pytest.raises(DataError, match="store of version 99"):
        PreparedStore(store.path)


def test_grid_and_masks_come_back(store: PreparedStore) -> None:
    assert store.grid.fingerprint() == store.meta["grid"]["fingerprint"]
    assert store.valid_mask(["t"]).all() and store.available(["t", "u"]).all()


def test_survives_pickling_for_workers(store: PreparedStore, fields: np.ndarray) -> None:
    import copy

    out = np.empty((1, 1, 12, 16), dtype=np.float32)
    copy.copy(store).read(["t"], 3, 4, out)
    state = store.__getstate__()
    other = PreparedStore.__new__(PreparedStore)
    other.__setstate__(state)
    other.read(["t"], 3, 4, out)
    np.testing.assert_array_equal(out[0, 0], fields[3])
    store.close()


def test_a_store_of_before_the_checksums_is_read(store: PreparedStore, fields: np.ndarray) -> None:
    older = {k: v for k, v in store.meta.items() if k not in ("checksum", "files", "tables")}
    write_json(store.path / MARKER, {**older, "version": 2})
    shutil.rmtree(store.path / "checksums")
    again, out = PreparedStore(store.path), np.empty((1, 48, 12, 16), dtype=np.float32)
    again.read(["t"], 0, 48, out)
    np.testing.assert_array_equal(out[0], fields)
    assert again.verify() == [] and again.statistics(np.arange(48) < 24)[0]["t"]["count"] == 24 * 12 * 16


def test_its_checksums_are_those_beside_the_planes(store: PreparedStore, fields: np.ndarray) -> None:
    checksums = zarr.open_array(store.path / "checksums", mode="r")
    assert checksums.shape == (48, 2) and checksums.attrs["variables"] == ["t", "u"]
    expected = [google_crc32c.value(plane.tobytes()) for plane in fields]
    np.testing.assert_array_equal(checksums[:, 0], expected)


def test_a_mapped_block_gives_only_what_was_compared(store: PreparedStore, fields: np.ndarray) -> None:
    path = store.path / "t" / "c" / "0" / "0" / "0"
    data = bytearray(path.read_bytes())
    data[20 * (12 * 16 * 4 + 4) + 7] ^= 4
    path.write_bytes(data)
    again, out = PreparedStore(store.path), np.empty((2, 3, 12, 16), dtype=np.float32)
    for _ in range(2):
        again.read(["t", "u"], 5, 8, out)
        np.testing.assert_array_equal(out[0], fields[5:8])
        again.read(["t", "u"], 7, 10, out)
        np.testing.assert_array_equal(out[0], fields[7:10])
    assert again._maps.keys() == {0}, "two stretches of a block are enough to map it"
    for start in (18, 19, 20):
        with pytest.raises(DataError, match="t of .* is damaged"):
            again.read(["t", "u"], start, start + 3, out)
    window = np.empty((1, 3, 4, 5), dtype=np.float32)
    with pytest.raises(DataError, match="is damaged"):
        again.read_window(["t"], 19, 22, slice(0, 4), slice(2, 7), window)
    again.read_window(["t"], 21, 24, slice(0, 4), slice(2, 7), window)
    np.testing.assert_array_equal(window[0], fields[21:24, :4, 2:7])

from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from py4cast.errors import DataError
from py4cast.formats import open_reader
from py4cast.formats.zarr import ZarrReader, is_zarr, open_zarr

HOUR = np.timedelta64(3600, "s")


def fields() -> xr.Dataset:
    values = np.arange(2 * 2 * 3, dtype=np.float32).reshape(2, 2, 3)
    coords = {
        "prediction_timedelta": (np.array([0, 6]) * HOUR).astype("timedelta64[ns]"),
        "time": np.datetime64("2020-01-01", "ns"),
        "latitude": ("latitude", [50.0, 49.0], {"units": "degrees_north"}),
        "longitude": ("longitude", [0.0, 1.0, 2.0], {"units": "degrees_east"}),
    }
    return xr.Dataset({"t": (("prediction_timedelta", "latitude", "longitude"), values, {"units": "K"})}, coords)


def stored(path: Path, version: int, gathered: bool) -> Path:
    fields().to_zarr(path, zarr_format=version, consolidated=gathered)
    return path


@pytest.mark.parametrize("gathered", [False, True])
def test_stores_of_version_2_are_read_with_and_without_gathered_metadata(tmp_path: Path, gathered: bool) -> None:
    path = stored(tmp_path / "s.zarr", 2, gathered)
    assert (path / ".zmetadata").is_file() == gathered
    _check(path)


def test_stores_of_version_3_are_read(tmp_path: Path) -> None:
    _check(stored(tmp_path / "s.zarr", 3, False))


def _check(path: Path) -> None:
    assert is_zarr(path) and ZarrReader.fits(path, b"")
    with open_reader(path) as reader:
        assert isinstance(reader, ZarrReader)
        records = reader.records()
        assert [(r.init_time, r.lead_time) for r in records] == [
            (np.datetime64("2020-01-01", "s"), h * HOUR) for h in (0, 6)
        ]
        for i, record in enumerate(records):
            np.testing.assert_array_equal(reader.read(record), fields()["t"].values[i])


def test_gathered_metadata_are_believed(tmp_path: Path) -> None:
    path = stored(tmp_path / "s.zarr", 2, True)
    (path / "t" / ".zattrs").write_text("{}")
    with open_zarr(path) as data:
        assert data["t"].attrs["units"] == "K"


def test_a_folder_or_a_file_is_no_store(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "zarr.json").write_text("{}")
    assert not is_zarr(tmp_path / "folder") and not is_zarr(tmp_path / "zarr.json") and not is_zarr(tmp_path / "none")
    assert is_zarr(tmp_path)


def test_folders_that_hold_no_store_and_damaged_ones_are_named(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(DataError, match="folder: "):
        open_reader(tmp_path / "folder")
    path = stored(tmp_path / "s.zarr", 3, False)
    (path / "zarr.json").write_text('{"zarr_format": 3, ')
    with pytest.raises(DataError, match=r"s\.zarr: damaged, or not a Zarr store: "):
        open_reader(path)

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

from py4cast.errors import DataError
from py4cast.formats import Fields, writer_for
from py4cast.formats.normals import NormalsFile, is_normals
from py4cast.grid import Grid
from py4cast.variables import Variable
from tests import forecast_files as made
from tests.weather_files import wave_fields, write_netcdf

SIZES = {"dayofyear": 366, "hour": 4, "level": 2, "latitude": 2, "longitude": 3}
PLACES = {
    "latitude": ("latitude", [50.0, 49.0], {"units": "degrees_north"}),
    "longitude": ("longitude", [0.0, 1.0, 2.0], {"units": "degrees_east"}),
}
AXES = {"dayofyear": np.arange(1, 367), "hour": [0, 6, 12, 18], "level": ("level", [850.0, 500.0], {"units": "hPa"})}


def normals_of(path: Path, **dims: tuple[str, ...]) -> str:
    """A file whose variables are 1000 × day + 10 × hour + a tenth of the level's place, without those they lack."""
    part = {
        "dayofyear": 1000.0 * np.arange(1, 367), "hour": 10.0 * np.arange(0, 24, 6), "level": np.array([0.1, 0.2]),
        "latitude": np.array([0.0, 0.01]), "longitude": np.array([0.0, 0.001, 0.002]),
    }  # fmt: skip
    data = {}
    for name, along in dims.items():
        values = np.zeros([SIZES[d] for d in along])
        for axis, dim in enumerate(along):
            values += part[dim].reshape([-1 if i == axis else 1 for i in range(len(along))])
        data[name] = (along, values)
    used = {d for along in dims.values() for d in along}
    return made.write(
        path.parent, path.name, xr.Dataset(data, {**PLACES, **{k: v for k, v in AXES.items() if k in used}})
    )


def places() -> np.ndarray[Any, np.dtype[np.float64]]:
    return np.array([[0.0, 0.001, 0.002], [0.01, 0.011, 0.012]])


def at(text: str) -> np.datetime64:
    return np.datetime64(text, "s")


@pytest.fixture
def opened() -> Any:
    """Opens files of normals, and closes them in the end."""
    files: list[NormalsFile] = []

    def opening(path: str) -> NormalsFile:
        files.append(NormalsFile(Path(path)))
        return files[-1]

    yield opening
    for file in files:
        file.close()


Opening = Callable[[str], NormalsFile]


@pytest.mark.parametrize(
    ("dims", "day", "hour"),
    [
        (("dayofyear", "hour", "latitude", "longitude"), 1000, 10),
        (("hour", "longitude", "latitude", "dayofyear"), 1000, 10),
        (("dayofyear", "latitude", "longitude"), 1000, 0),
        (("longitude", "hour", "latitude"), 0, 10),
    ],
)
@pytest.mark.parametrize(
    ("time", "number", "clock"),
    [
        ("2019-01-01T00", 1, 0),
        ("2019-03-01T06", 60, 6),
        ("2020-02-29T18", 60, 18),
        ("2020-03-01T12", 61, 12),
        ("2019-12-31T18", 365, 18),
        ("1969-12-31T18", 365, 18),
    ],
)
def test_the_normal_is_that_of_the_day_and_the_hour(
    tmp_path: Path, opened: Opening, dims: tuple[str, ...], day: int, hour: int, time: str, number: int, clock: int
) -> None:
    normals = opened(normals_of(tmp_path / "n.nc", t2m=dims))
    normals.check(np.array([at(time)]))
    plane = normals.read(at(time), ["t2m"])
    assert plane.shape == (1, 2, 3) and plane.dtype == np.float32
    np.testing.assert_allclose(plane[0], day * number + hour * clock + places(), rtol=1e-6)


def test_levels_are_features_of_their_own(tmp_path: Path, opened: Opening) -> None:
    dims = ("hour", "level", "latitude", "longitude")
    normals = opened(normals_of(tmp_path / "n.nc", t=dims, u10=("hour", "latitude", "longitude")))
    assert normals.names == ["t_850_isobaricInhPa", "t_500_isobaricInhPa", "u10"]
    assert normals.grid is not None and normals.grid.shape == (2, 3)
    fields = normals.read(at("2020-01-01T12"), ["u10", "t_500_isobaricInhPa", "t_850_isobaricInhPa"])
    for field, level in zip(fields, (0.0, 0.2, 0.1), strict=True):
        np.testing.assert_allclose(field, 120 + level + places(), rtol=1e-6)


def test_fields_without_days_and_hours_are_left_out(tmp_path: Path, opened: Opening) -> None:
    path = normals_of(tmp_path / "n.nc", t2m=("hour", "latitude", "longitude"), z=("latitude", "longitude"))
    normals = opened(path)
    assert normals.names == ["t2m"] and normals.path == Path(path)
    with pytest.raises(DataError, match=r"n\.nc: no normals of 'z'.*t2m"):
        normals.read(at("2020-01-01T00"), ["z"])


def test_what_was_read_last_is_kept(tmp_path: Path, opened: Opening) -> None:
    daily = opened(normals_of(tmp_path / "days.nc", t2m=("dayofyear", "hour", "latitude", "longitude")))
    first = daily.read(at("2019-01-01T06"), ["t2m"])
    assert daily.read(at("2021-01-01T06:30"), ["t2m"]) is first, "the same day and hour of another year"
    assert daily.read(at("2019-01-02T06"), ["t2m"]) is not first
    hourly = opened(normals_of(tmp_path / "hours.nc", t2m=("hour", "latitude", "longitude")))
    assert hourly.read(at("2019-07-02T06"), ["t2m"]) is hourly.read(at("2019-01-01T06"), ["t2m"])


def test_no_more_is_kept_than_a_day_of_hours(tmp_path: Path, opened: Opening) -> None:
    normals = opened(normals_of(tmp_path / "n.nc", t2m=("dayofyear", "hour", "latitude", "longitude")))
    first = normals.read(at("2019-01-01T00"), ["t2m"])
    for hour in range(6, 24 * 6, 6):
        normals.read(at("2019-01-01T00") + np.timedelta64(hour, "h"), ["t2m"])
    assert normals.read(at("2019-01-01T00"), ["t2m"]) is first, "24 in all"
    normals.read(at("2019-01-07T00"), ["t2m"])
    assert normals.read(at("2019-01-01T00"), ["t2m"]) is not first


def test_days_and_hours_that_are_missing_are_named(tmp_path: Path, opened: Opening) -> None:
    path = normals_of(tmp_path / "n.nc", t2m=("dayofyear", "hour", "latitude", "longitude"))
    with xr.open_dataset(path) as data:
        few = made.write(tmp_path, "few.nc", data.sel(dayofyear=slice(1, 2), hour=[0, 12]).load())
    normals = opened(few)
    days = at("2020-01-01T00") + np.arange(2) * np.timedelta64(86400, "s")
    normals.check(np.concatenate([days, days + np.timedelta64(12 * 3600, "s")]))
    with pytest.raises(DataError, match=r"few\.nc: normals lack the hours of the day 6, 18, which the forecasts reach"):
        normals.check(days[0] + np.array([18, 6, 0, 6]) * made.HOUR)
    with pytest.raises(DataError, match=r"lack the days of the year 3, 4, 5, 6, 7, 8 and 2 more, which"):
        normals.check(days[0] + np.arange(10) * 24 * made.HOUR)


def test_a_file_is_one_of_normals_by_its_dimensions(tmp_path: Path) -> None:
    assert is_normals(Path(normals_of(tmp_path / "d.nc", t=("dayofyear", "latitude", "longitude"))))
    assert is_normals(Path(normals_of(tmp_path / "h.zarr", t=("hour", "latitude", "longitude"))))
    assert not is_normals(write_netcdf(tmp_path / "t.nc", {"t": wave_fields(2, (2, 3))}))
    assert not is_normals(_grib(tmp_path))


def _grib(folder: Path) -> Path:
    path, lead = folder / "t.grib2", np.timedelta64(3600, "s")
    grid, variable = Grid(np.arange(2.0), np.arange(3.0)), Variable(name="2t", units="K")
    writer_for(path).write(path, Fields(np.ones((1, 2, 3, 1), np.float32), [variable], grid, at("2020-01-01"), [lead]))
    return path


def test_what_holds_no_normals_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"t\.grib2: normals are read from NetCDF or Zarr"):
        NormalsFile(_grib(tmp_path))
    with pytest.raises(DataError, match=r"t\.nc: no field over dayofyear or hour"):
        NormalsFile(write_netcdf(tmp_path / "t.nc", {"t": wave_fields(2, (2, 3))}))

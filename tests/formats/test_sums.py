"""Sums over the step in NetCDF and Zarr: their bounds of time, as other tools read them, and none where nothing is a sum."""

from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from py4cast.cubes.files import open_fields
from py4cast.formats import Fields, writer_for
from py4cast.grid import Grid
from py4cast.variables import Variable

GRID = Grid(np.array([51.0, 50.0]), np.array([0.0, 1.0, 2.0]))
START, HOUR = np.datetime64("2020-01-01T00", "s"), np.timedelta64(3600, "s")
RAIN = Variable(name="tp", short_name="tp", units="kg m-2", standard_name="precipitation_amount", accumulated=True)
WIND = Variable(name="u10", short_name="10u", units="m s-1")


def written(path: Path, variables: list[Variable]) -> Path:
    values = np.arange(2 * 6 * len(variables), dtype=np.float32).reshape(2, *GRID.shape, len(variables))
    fields = Fields(values, variables, GRID, START, [3 * HOUR, 6 * HOUR])
    writer_for(path).write(path, fields)
    return path


@pytest.mark.parametrize("ending", [".nc", ".zarr"])
def test_sums_have_bounds(tmp_path: Path, ending: str) -> None:
    path = written(tmp_path / f"f{ending}", [RAIN, WIND])
    with xr.open_dataset(path, decode_timedelta=False, **({"engine": "zarr"} if ending == ".zarr" else {})) as data:
        assert data["tp"].attrs["cell_methods"] == "time: sum" and "cell_methods" not in data["u10"].attrs
        assert data["time"].attrs["bounds"] == "time_bnds" and data["time_bnds"].dims == ("time", "bnds")
        expected = START + np.array([[0, 3], [3, 6]]) * HOUR
        np.testing.assert_array_equal(data["time_bnds"].values, expected)
        np.testing.assert_array_equal(data["time"].values, expected[:, 1])
    assert open_fields([path]).names == ["tp", "u10"]


@pytest.mark.parametrize("ending", [".nc", ".zarr"])
def test_without_sums_there_are_none(tmp_path: Path, ending: str) -> None:
    path = written(tmp_path / f"f{ending}", [WIND])
    with xr.open_dataset(path, decode_timedelta=False, **({"engine": "zarr"} if ending == ".zarr" else {})) as data:
        assert "time_bnds" not in data.variables and "bounds" not in data["time"].attrs

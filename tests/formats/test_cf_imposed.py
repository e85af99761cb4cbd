from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from py4cast.cubes.files import open_fields
from py4cast.errors import DataError
from py4cast.formats import Fields, open_reader, writer_for
from py4cast.formats.base import Heading
from py4cast.grid import Grid
from py4cast.projection import inverse
from py4cast.variables import Variable

HOUR = np.timedelta64(3600, "s")
START = np.datetime64("2020-01-01T00", "s")
RECTANGLE = Grid(np.linspace(56.0, 50.5, 6), np.linspace(-6.0, 1.5, 8))
LAMBERT = {
    "grid_mapping_name": "lambert_conformal_conic", "standard_parallel": 45.0,
    "longitude_of_central_meridian": 5.0, "latitude_of_projection_origin": 45.0,
}  # fmt: skip
X, Y = np.arange(8) * 10_000.0, np.arange(6) * 10_000.0
MAP = Grid(*inverse(LAMBERT, *np.meshgrid(X, Y)), X, Y, LAMBERT)
POINTS = Grid.points(np.linspace(40.0, 50.0, 9), np.linspace(0.0, 9.0, 9), areas=np.full(9, 1e9))


def written(path: Path, grid: Grid, imposed: np.ndarray | None, start: np.datetime64 = START) -> Path:
    """A forecast of two lead times, whose values are its cells' numbers."""
    variable = Variable(
        name="t2m", standard_name="air_temperature", units="K", level=2.0, type_of_level="heightAboveGround"
    )
    values = np.arange(2 * grid.shape[0] * grid.shape[1], dtype=np.float32).reshape(2, *grid.shape, 1)
    heading = replace(Fields(values, [variable], grid, start, [HOUR, 2 * HOUR]).heading, imposed=imposed)
    assert isinstance(heading, Heading)
    with writer_for(str(path)).open(path, heading) as put:
        for step in values:
            put(step)
    return path


@pytest.mark.parametrize("ending", [".nc", ".zarr"])
@pytest.mark.parametrize("grid", [RECTANGLE, MAP, POINTS], ids=["rectangle", "map", "points"])
def test_files_say_which_cells_are_imposed(tmp_path: Path, grid: Grid, ending: str) -> None:
    imposed = np.zeros(grid.shape, dtype=bool)
    imposed[:, :2] = True
    path = written(tmp_path / f"f{ending}", grid, imposed)
    with open_reader(path) as reader:
        assert {r.short_name for r in reader.records()} == {"t2m"}, "the flag is no field"
        np.testing.assert_array_equal(reader.imposed, imposed)
    for cube in (
        open_fields([str(path)]),
        open_fields([str(path), str(written(tmp_path / f"g{ending}", grid, None, START + HOUR))]),
    ):
        np.testing.assert_array_equal(cube.imposed, imposed)
        assert cube.names == ["t2m"] and not cube.static_fields()
        cube.close()
    with xr.open_dataset(path) as data:
        assert data["t2m"].attrs["ancillary_variables"] == "imposed"
        flag = data["imposed"]
        assert flag.attrs["standard_name"] == "status_flag" and flag.attrs["flag_meanings"] == "forecast imposed"
        np.testing.assert_array_equal(flag.values.reshape(imposed.shape), imposed)
        assert list(np.ravel(flag.attrs["flag_values"])) == [0, 1]


@pytest.mark.parametrize("ending", [".nc", ".zarr"])
def test_files_without_a_border_have_no_flag(tmp_path: Path, ending: str) -> None:
    path = written(tmp_path / f"f{ending}", RECTANGLE, None)
    with open_reader(path) as reader:
        assert reader.imposed is None
    with xr.open_dataset(path) as data:
        assert "imposed" not in data.variables and "ancillary_variables" not in data["t2m"].attrs


def test_the_flag_of_another_program_is_read_in_its_own_order_and_numbers(tmp_path: Path) -> None:
    imposed = np.zeros(RECTANGLE.shape, dtype=bool)
    imposed[0] = True
    path = written(tmp_path / "f.nc", RECTANGLE, imposed)
    with xr.open_dataset(path) as data:
        turned = data.load().drop_vars("imposed")
    flag = np.where(imposed.T, 7, 3).astype("int8")
    attrs = {"standard_name": "status_flag", "flag_values": np.array([7, 3], "int8"), "flag_meanings": "imposed free"}
    turned["of_boundary"] = (("longitude", "latitude"), flag, attrs)
    turned.to_netcdf(tmp_path / "g.nc")
    with open_reader(tmp_path / "g.nc") as reader:
        np.testing.assert_array_equal(reader.imposed, imposed)
    turned["other"] = turned["of_boundary"]
    turned.to_netcdf(tmp_path / "h.nc")
    with pytest.raises(DataError, match="of_boundary and other both tell which cells are imposed"):
        open_reader(tmp_path / "h.nc")


def test_a_flag_of_quality_is_none_of_these(tmp_path: Path) -> None:
    path = written(tmp_path / "f.nc", RECTANGLE, None)
    with xr.open_dataset(path) as data:
        other = data.load()
    attrs = {"standard_name": "status_flag", "flag_values": np.array([0, 1], "int8"), "flag_meanings": "good bad"}
    other["quality"] = (("latitude", "longitude"), np.zeros(RECTANGLE.shape, "int8"), attrs)
    other.to_netcdf(tmp_path / "g.nc")
    with open_reader(tmp_path / "g.nc") as reader:
        assert reader.imposed is None and "quality" in {r.short_name for r in reader.records()}

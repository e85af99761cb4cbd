import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from numpy.typing import NDArray

from py4cast.cubes.files import open_fields
from py4cast.cubes.foreign.anemoi import AnemoiCube
from py4cast.errors import DataError
from py4cast.formats.reduced import octahedral
from py4cast.grid import EARTH_RADIUS, Grid
from py4cast.testing import check_cube
from tests.cubes.numbered import GRID, planes_of, value
from tests.loopback import served
from tests.weather_files import HOUR, START


def store(folder: Path, hours: list[int], members: int = 1, grid: Grid = GRID, **attributes: Any) -> Path:
    """A store of `t` and `u`, whose planes are 10·hour + member, in the layout of anemoi-datasets."""
    group = zarr.create_group(folder, zarr_format=2)
    data = np.array(
        [[[value(v, 10 * h + m, grid).ravel() for m in range(members)] for v in (0, 1)] for h in hours],
        dtype=np.float32,
    )
    group.create_array("data", data=data, chunks=(1, *data.shape[1:]))
    group.create_array("dates", data=START + np.array(hours) * HOUR)
    group.create_array("latitudes", data=grid.latitude_2d().ravel())
    group.create_array("longitudes", data=grid.longitude_2d().ravel())
    group.attrs.update({"variables": ["t", "u"], "dimensions": ["dates", "variables", "ensembles", "values"]})
    group.attrs.update(attributes)
    return folder


def test_a_chunk_of_all_variables_is_read_in_the_order_that_is_asked_for(tmp_path: Path) -> None:
    cube = AnemoiCube(store(tmp_path / "a", [0, 6, 12], field_shape=[3, 4]))
    assert cube.axis.is_series and cube.axis.step == 6 * HOUR and cube.grid.same_as(GRID)
    assert not cube.grid.is_projected
    expected = np.array([[value(v, 10 * h) for h in (6, 12)] for v in (1, 0)])
    np.testing.assert_array_equal(planes_of(cube, ["u", "t"], 1, 3), expected)
    np.testing.assert_array_equal(cube.plane_block("u", 1, 3), expected[0])
    check_cube(cube)


def test_dates_that_are_left_out_or_listed_as_missing_keep_their_place(tmp_path: Path) -> None:
    path = store(tmp_path / "a", [0, 1, 3, 4], missing_dates=["2020-01-01T01:00:00"])
    cube = AnemoiCube(path)
    assert cube.axis.size == 5 and cube.available(["t", "u"]).tolist() == [True, False, False, True, True]
    planes = planes_of(cube)
    np.testing.assert_array_equal(planes[:, [0, 3, 4]], [[value(v, 10 * h) for h in (0, 3, 4)] for v in (0, 1)])
    assert np.isnan(planes[:, 1:3]).all()
    np.testing.assert_array_equal(planes_of(cube, ["u"], 3, 5)[0], [value(1, 30), value(1, 40)])


def test_members_of_analyses_are_runs(tmp_path: Path) -> None:
    cube = AnemoiCube(store(tmp_path / "a", [0, 2, 3], members=2))
    assert cube.axis.shape == (4, 2, 1) and cube.axis.members == (0, 1)
    assert cube.available(["t"]).tolist() == [True, True, False, False, True, True, True, True]
    np.testing.assert_array_equal(planes_of(cube, ["u"], 4, 7)[0], [value(1, n) for n in (20, 21, 30)])


def test_what_is_told_of_variables_is_kept(tmp_path: Path) -> None:
    metadata = {
        "t": {"units": "m s**-1", "mars": {"param": "t", "levtype": "pl", "levelist": "850"}},
        "u": {"mars": {"param": "10u", "levtype": "sfc", "levelist": 3}},
    }
    t, u = AnemoiCube(store(tmp_path / "a", [0], variables_metadata=metadata)).variables
    assert (t.short_name, t.units, t.level, t.type_of_level, t.nan) == ("t", "m s-1", 850.0, "isobaricInhPa", "mask")
    assert (u.short_name, u.units, u.level, u.type_of_level) == ("10u", "", None, None)
    assert AnemoiCube(store(tmp_path / "b", [0])).variable("u").short_name == "u"


def test_rows_are_found_where_the_shape_is_not_told(tmp_path: Path) -> None:
    assert AnemoiCube(store(tmp_path / "a", [0])).grid.same_as(GRID)
    assert AnemoiCube(store(tmp_path / "b", [0], field_shape=[12])).grid.same_as(GRID)
    row = Grid(np.array([50.0]), np.arange(4.0))
    assert AnemoiCube(store(tmp_path / "c", [0], grid=row)).grid.same_as(row)


def test_cells_of_a_projection_keep_their_places(tmp_path: Path) -> None:
    lat, lon = np.add.outer([50.0, 51.0], [0.0, 0.1, 0.3]), np.add.outer([0.0, 0.2], [1.0, 2.0, 3.0])
    grid = Grid(lat, lon, projection={"grid_mapping_name": "unknown"})
    cube = AnemoiCube(store(tmp_path / "a", [0, 1], grid=grid, field_shape=[2, 3]))
    assert cube.grid.is_projected and cube.grid.same_as(grid)
    np.testing.assert_array_equal(planes_of(cube)[0, 1], value(0, 10, grid))


@pytest.mark.parametrize("n", [8, 16, 96])
def test_points_of_a_reduced_grid_are_read_as_they_are(tmp_path: Path, n: int) -> None:
    expected = octahedral(n)
    path = store(tmp_path / "a", [0, 1], grid=Grid(np.array([50.0]), np.arange(float(expected.shape[1])) / 1000))
    for name, values in (("latitudes", expected.latitude[0]), ("longitudes", expected.longitude[0])):
        zarr.open_array(path / name, mode="r+")[...] = values
    cube = AnemoiCube(path)
    assert cube.grid.same_as(expected) and cube.grid.rows == expected.rows and cube.grid.name == f"O{n}"
    assert cube.grid.cell_areas().sum() == pytest.approx(4 * np.pi * EARTH_RADIUS**2)
    assert planes_of(cube).shape[2:] == (1, expected.shape[1])


def test_other_points_have_the_cells_that_are_nearest_to_them(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    path = store(tmp_path / "a", [0], grid=Grid(np.array([50.0]), np.arange(300.0) / 10))
    z = rng.uniform(-1, 1, 300)
    for name, values in (("latitudes", np.rad2deg(np.arcsin(z))), ("longitudes", rng.uniform(0, 360, 300))):
        zarr.open_array(path / name, mode="r+")[...] = values
    grid = AnemoiCube(path).grid
    assert not grid.is_rectangular and grid.rows is None
    assert grid.cell_areas().sum() == pytest.approx(4 * np.pi * EARTH_RADIUS**2)
    zarr.open_array(path / "latitudes", mode="r+")[...] = 45 + 5 * z
    zarr.open_array(path / "longitudes", mode="r+")[...] = rng.uniform(0, 10, 300)
    region = AnemoiCube(path).grid
    assert 0.5e12 < region.cell_areas().sum() < 2e12, "about 780 by 1112 km, not the globe"


@pytest.mark.parametrize("hours", [[0, 2, 5], [2, 1, 0]])
def test_dates_that_are_not_even_are_refused(tmp_path: Path, hours: list[int]) -> None:
    with pytest.raises(DataError, match=r"a: its dates are not evenly spaced"):
        AnemoiCube(store(tmp_path / "a", hours))


def test_other_layouts_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="a: an Anemoi dataset of layout 'tabular'; gridded ones are read"):
        AnemoiCube(store(tmp_path / "a", [0], layout="tabular"))
    path = store(tmp_path / "b", [0])
    group = zarr.open_group(path, mode="r+")
    del group["data"]
    group.create_array("data", data=np.zeros((2, 3), dtype=np.float32))
    with pytest.raises(DataError, match="b: an Anemoi dataset of layout 'gridded'"):
        AnemoiCube(path)


def marks(path: Path, attributes: dict[str, Any] | str, name: str = ".zattrs") -> Path:
    path.mkdir(parents=True)
    (path / name).write_text(attributes if isinstance(attributes, str) else json.dumps(attributes))
    return path


def test_it_fits_by_the_attributes_of_either_version(tmp_path: Path) -> None:
    old = {"variables": ["t"], "dimensions": ["dates", "variables"]}
    assert AnemoiCube.fits(marks(tmp_path / "v2", old))
    assert AnemoiCube.fits(marks(tmp_path / "v3", {"attributes": old}, "zarr.json"))
    assert not AnemoiCube.fits(marks(tmp_path / "other", {"variables": ["t"], "dimensions": ["time"]}))
    assert not AnemoiCube.fits(marks(tmp_path / "broken", "{"))
    assert not AnemoiCube.fits(tmp_path / "nothing")
    described = marks(tmp_path / "described", {"variables_metadata": {}})
    assert not AnemoiCube.fits(described)
    (described / "data").mkdir()
    assert AnemoiCube.fits(described)


def test_planes_are_read_in_the_type_of_the_store(tmp_path: Path) -> None:
    path = store(tmp_path / "a", [0, 1])
    group = zarr.open_group(path, mode="r+")
    held: NDArray[np.float64] = np.asarray(group["data"], dtype=np.float64)
    del group["data"]
    group.create_array("data", data=held, chunks=(1, 2, 1, 12))
    np.testing.assert_array_equal(planes_of(AnemoiCube(path), ["u"])[0], [value(1, 0), value(1, 10)])


@pytest.mark.parametrize("what", ["no latitudes", "latitude 95", "a latitude that is none", "a place twice"])
def test_points_that_are_none_are_told(tmp_path: Path, what: str) -> None:
    grid = octahedral(6)
    row = Grid(np.array([50.0]), np.arange(360.0) / 1000)
    path = store(tmp_path / "a", [0, 6], grid=row)
    lat, lon = grid.latitude[0].copy(), grid.longitude[0].copy()
    if what == "a place twice":
        lat[5], lon[5] = lat[4], lon[4]
    elif what != "no latitudes":
        lat[0] = 95.0 if "95" in what else np.nan
    for name, values in (("latitudes", lat), ("longitudes", lon)):
        zarr.open_array(path / name, mode="r+")[...] = values
    if what == "no latitudes":
        shutil.rmtree(path / "latitudes")
    message = {
        "no latitudes": "cannot be opened as Anemoi: it has no 'latitudes'", "latitude 95": "latitude reaches 95, beyond 90 degrees",
        "a latitude that is none": "holds values that are not finite", "a place twice": "1 points stand twice, such as number 5",
    }[what]  # fmt: skip
    with pytest.raises(DataError, match=message):
        AnemoiCube(path)


def test_a_store_at_an_address_is_read_in_place(tmp_path: Path) -> None:
    local = AnemoiCube(store(tmp_path / "a.zarr", [0, 6, 12], field_shape=[3, 4]))
    with served(tmp_path) as (url, _):
        cube = open_fields([f"{url}/a.zarr"])
        assert type(cube).__name__ == "AnemoiCube" and cube.axis.times.tolist() == local.axis.times.tolist()
        np.testing.assert_array_equal(planes_of(cube), planes_of(local))

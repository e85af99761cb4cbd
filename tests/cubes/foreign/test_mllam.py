from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

from py4cast.axis import TimeAxis
from py4cast.cubes.foreign.mllam import MllamCube
from py4cast.errors import DataError
from py4cast.testing import check_cube
from tests.cubes.numbered import GRID, planes_of, value
from tests.weather_files import HOUR, START

# where each cell of the list lies in the plane `(lat, lon)`, rows from the south
ORDER = np.random.default_rng(0).permutation(12)
Y, X = np.array([1000.0, 3500.0, 6000.0]), np.array([0.0, 2500.0, 5000.0, 7500.0])


def cells(plane: np.ndarray) -> np.ndarray:
    return np.asarray(plane.reshape(*plane.shape[:-2], 12)[..., ORDER])


def dataset(count: int = 3, **changes: Any) -> xr.Dataset:
    """States `t`, `u`, a forcing `sun` and a fixed `orog`, with the cells in disorder and every dimension turned."""
    state = np.array([[cells(value(v, i)) for v in (0, 1)] for i in range(count)])
    lat, lon = np.meshgrid(GRID.latitude[::-1], GRID.longitude, indexing="ij")
    data: dict[str, Any] = {
        "state": (("grid_index", "state_feature", "time"), state.transpose(2, 1, 0)),
        "forcing": (
            ("time", "grid_index", "forcing_feature"),
            np.stack([cells(value(5, i)) for i in range(count)])[..., None],
        ),
        "static": (("grid_index", "static_feature"), cells(value(7, 0))[:, None]),
        "state_feature_units": ("state_feature", ["K", "m s**-1"]),
    }
    coords: dict[str, Any] = {
        "time": (START + np.arange(count) * HOUR).astype("datetime64[ns]"), "state_feature": ["t", "u"],
        "forcing_feature": ["sun"], "static_feature": ["orog"], "grid_index": np.arange(12),
        "x": ("grid_index", cells(np.broadcast_to(X, (3, 4)))), "y": ("grid_index", cells(np.repeat(Y[:, None], 4, 1))),
        "lat": ("grid_index", cells(lat)), "lon": ("grid_index", cells(lon)),
    }  # fmt: skip
    return xr.Dataset(data, coords).assign_coords(**changes)


def cube_of(folder: Path, data: xr.Dataset) -> MllamCube:
    data.to_zarr(folder, zarr_format=2, consolidated=True)
    return MllamCube(folder)


def test_cells_in_any_order_come_to_their_rows_and_columns(tmp_path: Path) -> None:
    cube = cube_of(tmp_path / "a.zarr", dataset())
    assert MllamCube.fits(tmp_path / "a.zarr") and not MllamCube.fits(tmp_path)
    expected = np.array([[value(v, i) for i in range(3)] for v in (0, 1, 5)])
    np.testing.assert_array_equal(planes_of(cube), expected)
    np.testing.assert_array_equal(planes_of(cube, ["sun", "u"], 1, 3), expected[[2, 1], 1:])
    np.testing.assert_array_equal(cube.static_fields()["orog"], value(7, 0))
    assert cube.axis.to_dict() == TimeAxis.series(START + np.arange(3) * HOUR).to_dict()
    check_cube(cube)
    cube.close()


def test_states_are_prognostic_and_forcings_given(tmp_path: Path) -> None:
    t, u, sun = cube_of(tmp_path / "a.zarr", dataset()).variables
    assert (t.name, t.role, t.units) == ("t", "prognostic", "K") and u.units == "m s-1"
    assert (sun.name, sun.role, sun.units, sun.nan) == ("sun", "forcing", "", "mask")


def test_the_grid_has_the_latitudes_of_the_cells_and_their_x_and_y(tmp_path: Path) -> None:
    grid = cube_of(tmp_path / "a.zarr", dataset()).grid
    assert grid.x is not None and grid.y is not None and (grid.x.tolist(), grid.y.tolist()) == (X.tolist(), Y.tolist())
    np.testing.assert_array_equal(grid.latitude[:, 0], [50.0, 51.0, 52.0])
    np.testing.assert_array_equal(grid.longitude[1], GRID.longitude)


def test_without_latitudes_x_and_y_are_degrees(tmp_path: Path) -> None:
    data = dataset()
    plain = data.drop_vars(["lat", "lon"]).assign_coords(
        x=("grid_index", data["lon"].values), y=("grid_index", data["lat"].values)
    )
    cube = cube_of(tmp_path / "a.zarr", plain)
    assert not cube.grid.is_projected and cube.grid.latitude.tolist() == [50.0, 51.0, 52.0]
    np.testing.assert_array_equal(planes_of(cube, ["t"], 2, 3)[0, 0], value(0, 2))


def test_states_alone_are_enough(tmp_path: Path) -> None:
    cube = cube_of(tmp_path / "a.zarr", dataset().drop_vars(["forcing", "static"]))
    assert cube.names == ["t", "u"] and cube.static_fields() == {}


def test_what_is_no_series_on_a_rectangle_is_refused(tmp_path: Path) -> None:
    data = dataset()
    with pytest.raises(DataError, match=r"a\.zarr: no x and y along grid_index; its cells are no rectangle"):
        cube_of(tmp_path / "a.zarr", data.drop_vars("x"))
    with pytest.raises(DataError, match=r"b\.zarr: 11 of 12 cells of a rectangle are there; it is read whole only"):
        cube_of(tmp_path / "b.zarr", data.isel(grid_index=slice(11)))
    uneven = (START + np.array([0, 1, 3]) * HOUR).astype("datetime64[ns]")
    with pytest.raises(DataError, match=r"c\.zarr: its times are not evenly spaced"):
        cube_of(tmp_path / "c.zarr", data.assign_coords(time=uneven))
    bare = data.drop_vars("time")
    with pytest.raises(DataError, match=r"d\.zarr: its time has no units such as 'hours since 2020-01-01'"):
        cube_of(tmp_path / "d.zarr", bare.assign_coords(time=np.arange(3)))
    odd = bare.assign_coords(time=("time", np.arange(3), {"units": "leagues since 2020-01-01"}))
    with pytest.raises(DataError, match=r"e\.zarr: time: .*leagues"):
        cube_of(tmp_path / "e.zarr", odd)


def test_two_of_one_name_members_and_times_that_fall_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"a\.zarr: two of its variables are called 't'"):
        cube_of(tmp_path / "a.zarr", dataset(forcing_feature=["t"]))
    with pytest.raises(DataError, match=r"b\.zarr: state has the dimension 'ensemble_member' too"):
        cube_of(tmp_path / "b.zarr", dataset().assign(state=dataset()["state"].expand_dims(ensemble_member=2)))
    with pytest.raises(DataError, match=r"c\.zarr: its times are not evenly spaced, each after the one before"):
        cube_of(tmp_path / "c.zarr", dataset().isel(time=slice(None, None, -1)))

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

from py4cast.cubes.foreign.cf import CfCube
from py4cast.errors import DataError
from py4cast.formats.reduced import octahedral
from py4cast.testing import check_cube
from tests.cubes.numbered import GRID, planes_of, value
from tests.forecast_files import write
from tests.weather_files import HOUR, START

PLACES: dict[str, Any] = {
    "lat": ("lat", GRID.latitude, {"units": "degrees_north"}),
    "lon": ("lon", GRID.longitude, {"units": "degrees_east"}),
}


def times(*hours: int) -> np.ndarray:
    return np.asarray((START + np.array(hours) * HOUR).astype("datetime64[ns]"))


def leads(*hours: int) -> np.ndarray:
    return np.asarray((np.array(hours) * HOUR).astype("timedelta64[ns]"))


def stack(*numbers: int) -> np.ndarray:
    return np.stack([value(0, n) for n in numbers])


def cube_of(folder: Path, name: str, data: dict[str, Any], **coords: Any) -> CfCube:
    return CfCube(Path(write(folder, name, xr.Dataset(data, {**PLACES, **coords}))))


SERIES = ("time", "lat", "lon")


def test_what_the_file_says_of_a_variable_is_kept(tmp_path: Path) -> None:
    attributes = {"units": "m s**-1", "standard_name": "eastward_wind", "GRIB_shortName": "10u"}
    cube = cube_of(
        tmp_path,
        "a.nc",
        {"u10": (SERIES, stack(0, 1), attributes), "n": (SERIES, np.ones((2, 3, 4), "i2"))},
        time=times(0, 1),
    )
    u10 = cube.variable("u10")
    assert (u10.short_name, u10.units, u10.standard_name, u10.nan) == ("10u", "m s-1", "eastward_wind", "mask")
    assert cube.variable("n").short_name == "n" and cube.grid.same_as(GRID)
    np.testing.assert_array_equal(planes_of(cube), [stack(0, 1), np.ones((2, 3, 4))])
    check_cube(cube)
    cube.close()


@pytest.mark.parametrize("order", [(3, 0, 2, 1), (3, 2, 1, 0)])
def test_times_in_any_order_are_read_in_theirs(tmp_path: Path, order: tuple[int, ...]) -> None:
    cube = cube_of(tmp_path, "a.nc", {"t": (SERIES, stack(*order))}, time=times(*(6 * i for i in order)))
    assert cube.times.tolist() == (START + np.arange(4) * 6 * HOUR).tolist()
    np.testing.assert_array_equal(planes_of(cube)[0], stack(0, 1, 2, 3))
    np.testing.assert_array_equal(planes_of(cube, None, 1, 3)[0], stack(1, 2))


def test_arrays_that_are_no_fields_are_left_out_and_fixed_ones_apart(tmp_path: Path) -> None:
    other = {"lat2": ("lat2", [1.0, 2.0], {"units": "degrees_north"})}
    cube = cube_of(
        tmp_path,
        "a.nc",
        {
            "orog": (("lat", "lon"), value(0, 7)),
            "t": (SERIES, stack(0, 1)),
            "flag": (SERIES, np.full((2, 3, 4), "x")),
            "mean": (("time",), np.zeros(2)),
            "rough": (("lat2", "lon"), np.zeros((2, 4))),
        },
        time=times(0, 1),
        **other,
    )
    assert cube.names == ["t"]
    fixed = cube.static_fields()
    assert set(fixed) == {"orog"} and fixed["orog"].dtype == np.float32
    np.testing.assert_array_equal(fixed["orog"], value(0, 7))


@pytest.mark.parametrize(
    ("dim", "attributes", "kind"),
    [
        ("level", {}, "isobaricInhPa"),
        ("lev", {"units": "hPa"}, "isobaricInhPa"),
        ("plev", {"units": "millibars"}, "isobaricInhPa"),
        ("height", {"units": "m"}, "heightAboveGround"),
        ("depth", {"axis": "Z"}, "depthBelowSea"),
        ("layer", {"axis": "Z"}, None),
    ],
)
def test_a_variable_with_levels_is_one_for_each(
    tmp_path: Path, dim: str, attributes: dict[str, str], kind: str | None
) -> None:
    values = np.stack([stack(0, 1), stack(10, 11)])
    cube = cube_of(
        tmp_path, "a.nc", {"c": ((dim, *SERIES), values, {"units": "1"})}, time=times(0, 1),
        **{dim: (dim, [20.0, 2.5], attributes)},
    )  # fmt: skip
    tail = f"_{kind}" if kind else ""
    assert cube.names == [f"c_20{tail}", f"c_2.5{tail}"]
    assert [(v.level, v.type_of_level, v.short_name) for v in cube.variables] == [(20.0, kind, "c"), (2.5, kind, "c")]
    np.testing.assert_array_equal(planes_of(cube), values)


def test_starts_members_and_lead_times_in_any_order_are_runs(tmp_path: Path) -> None:
    # number = 100·start + 10·member + lead, the later start first
    numbers = np.array([[[100 * s + 10 * m + n for s in (1, 0)] for m in range(3)] for n in range(2)])
    fields = np.stack([value(0, int(n)) for n in numbers.ravel()]).reshape(2, 3, 2, 3, 4)
    cube = cube_of(
        tmp_path, "a.nc", {"x": (("step", "number", "init_time", "lon", "lat"), fields.swapaxes(3, 4))},
        step=leads(6, 12), number=[4, 7, 9], init_time=times(24, 0),
    )  # fmt: skip
    assert cube.axis.shape == (2, 3, 2) and cube.axis.members == (4, 7, 9)
    expected = [100 * s + 10 * m + n for s in (0, 1) for m in range(3) for n in range(2)]
    np.testing.assert_array_equal(planes_of(cube)[0], stack(*expected))
    np.testing.assert_array_equal(planes_of(cube, None, 1, 8)[0], stack(*expected[1:8]))
    check_cube(cube)


def test_members_of_analyses_are_runs_of_one_instant(tmp_path: Path) -> None:
    values = np.stack([stack(0, 1), stack(10, 11)])
    cube = cube_of(tmp_path, "a.nc", {"x": (("member", *SERIES), values)}, time=times(0, 6), member=[0, 1])
    assert cube.axis.shape == (2, 2, 1) and cube.axis.lead_times.tolist() == [np.timedelta64(0, "s")]
    np.testing.assert_array_equal(planes_of(cube)[0], stack(0, 10, 1, 11))


def test_variables_of_a_folder_stand_in_the_order_of_their_names(tmp_path: Path) -> None:
    data = {name: (SERIES, stack(i, i + 1)) for i, name in enumerate("cab")}
    cube = cube_of(tmp_path, "a.zarr", data, time=times(0, 1))
    assert cube.names == ["a", "b", "c"]
    np.testing.assert_array_equal(planes_of(cube, ["c", "b"]), [stack(0, 1), stack(2, 3)])


def test_a_dimension_of_one_without_meaning_is_left_out(tmp_path: Path) -> None:
    cube = cube_of(tmp_path, "a.nc", {"x": (("time", "band", "lat", "lon"), stack(0, 1)[:, None])}, time=times(0, 1))
    np.testing.assert_array_equal(planes_of(cube)[0], stack(0, 1))
    with pytest.raises(DataError, match=r"b\.nc: x has a dimension 'band' that is neither time, level nor member"):
        cube_of(tmp_path, "b.nc", {"x": (("time", "band", "lat", "lon"), np.zeros((2, 2, 3, 4)))}, time=times(0, 1))


def test_uneven_times_and_lead_times_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"a\.nc: its times are not evenly spaced; prepare it through gridded"):
        cube_of(tmp_path, "a.nc", {"x": (SERIES, stack(0, 1, 2))}, time=times(0, 1, 3))
    dims = ("time", "step", "lat", "lon")
    with pytest.raises(DataError, match=r"b\.nc: its lead times are not evenly spaced"):
        cube_of(tmp_path, "b.nc", {"x": (dims, stack(0, 1, 2)[None])}, time=times(0), step=leads(0, 1, 3))


def test_a_file_without_series_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"a\.nc: holds no variable over time on a rectangular grid"):
        cube_of(tmp_path, "a.nc", {"orog": (("lat", "lon"), value(0, 0))})
    (tmp_path / "b.nc").write_bytes(b"GRIB" + bytes(60))
    with pytest.raises(DataError, match=r"b\.nc"):
        CfCube(tmp_path / "b.nc")


def test_it_fits_files_by_their_ending_and_zarr_folders(tmp_path: Path) -> None:
    for name in ("a.nc", "b.NC4", "c.txt"):
        (tmp_path / name).touch()
    (tmp_path / "d.nc").mkdir()
    (tmp_path / "e.zarr").mkdir()
    (tmp_path / "e.zarr" / "zarr.json").write_text("{}")
    assert [p.name for p in sorted(tmp_path.iterdir()) if CfCube.fits(p)] == ["a.nc", "b.NC4", "e.zarr"]


@pytest.mark.parametrize(
    "limits", [{"valid_range": np.array([0, 100], "i2")}, {"valid_min": np.int16(0), "valid_max": np.int16(100)}]
)
def test_what_the_file_calls_invalid_is_missing(tmp_path: Path, limits: dict[str, Any]) -> None:
    packed = np.arange(24, dtype=np.int16).reshape(2, 3, 4) * 5
    data = xr.Dataset({"t": (SERIES, packed, {"scale_factor": 0.5, **limits})}, {**PLACES, "time": times(0, 1)})
    data.to_netcdf(tmp_path / "a.nc")
    expected = np.where(packed <= 100, packed * np.float32(0.5), np.nan)
    np.testing.assert_array_equal(planes_of(CfCube(tmp_path / "a.nc"))[0], expected)


def test_variables_that_do_not_fit_the_first_are_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    fine = xr.DataArray(np.zeros((2, 6, 4)), dims=("time", "y2", "lon"), attrs={"units": "K"})
    data = {"t": (SERIES, stack(0, 1)), "fine": fine}
    coords = {"time": times(0, 1), "y2": ("y2", np.arange(6.0), {"units": "degrees_north"})}
    cube = cube_of(tmp_path, "a.nc", data, **coords)
    assert cube.names == ["t"] and "fine left out: on another grid or along other dimensions than t" in caplog.text


def test_points_along_one_dimension_are_read_as_they_are(tmp_path: Path) -> None:
    grid = octahedral(8)
    values = np.arange(3 * 544.0, dtype=np.float32).reshape(3, 544)
    cell = {
        "lat": ("cell", grid.latitude[0], {"units": "degrees_north"}),
        "lon": ("cell", grid.longitude[0], {"units": "degrees_east"}),
    }
    time = ("time", np.arange(3) * 6, {"units": "hours since 2020-01-01"})
    data = xr.Dataset({"t": (("time", "cell"), values), "lsm": (("cell",), values[0])}, {"time": time, **cell})
    data.to_netcdf(tmp_path / "a.nc")
    cube = CfCube(tmp_path / "a.nc")
    assert not cube.grid.is_rectangular and cube.grid.same_as(grid)
    out = np.empty((1, 2, 1, 544), dtype=np.float32)
    cube.read(["t"], 1, 3, out)
    np.testing.assert_array_equal(out[0, :, 0], values[1:])
    np.testing.assert_array_equal(cube.static_fields()["lsm"][0], values[0])


def test_a_path_through_time_is_no_grid(tmp_path: Path) -> None:
    track = {
        "lat": ("time", [50.0, 51.0, 52.0], {"units": "degrees_north"}),
        "lon": ("time", [0.0, 1.0, 2.0], {"units": "degrees_east"}),
    }
    time = ("time", np.arange(3) * 6, {"units": "hours since 2020-01-01"})
    xr.Dataset({"t": (("time",), np.zeros(3, dtype=np.float32))}, {"time": time, **track}).to_netcdf(tmp_path / "a.nc")
    with pytest.raises(DataError, match="holds no variable"):
        CfCube(tmp_path / "a.nc")

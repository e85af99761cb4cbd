"""One start told beside the fields is a forecast; two of a kind are refused; names that tell the level are left alone."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

from py4cast.cubes.files import open_fields
from py4cast.cubes.foreign.cf import CfCube
from py4cast.errors import DataError

START, HOUR = np.datetime64("2020-01-01T00", "ns"), np.timedelta64(1, "h").astype("timedelta64[ns]")
SPACE = {"lat": ("lat", [50.0, 49.0, 48.0], {"units": "degrees_north"}), "lon": ("lon", [0.0, 1.0], {"units": "degrees_east"})}  # fmt: skip


def write(path: Path, dims: tuple[str, ...], coords: dict[str, Any], name: str = "t") -> Path:
    sizes = {"lat": 3, "lon": 2} | {d: np.size(coords[d][1] if isinstance(coords[d], tuple) else coords[d]) for d in dims if d in coords}  # fmt: skip
    values = np.arange(np.prod([sizes[d] for d in dims])).reshape([sizes[d] for d in dims]).astype("f4")
    data = xr.Dataset({name: (dims, values, {"units": "K"})}, {**SPACE, **coords})
    data.to_zarr(path, zarr_format=3, consolidated=False) if path.suffix == ".zarr" else data.to_netcdf(path)
    return path


INIT = ((), START, {"standard_name": "forecast_reference_time"})


@pytest.mark.parametrize("suffix", [".nc", ".zarr"])
@pytest.mark.parametrize("is_lead", [False, True])
def test_one_start_beside_valid_times_or_lead_times_is_a_forecast(tmp_path: Path, suffix: str, is_lead: bool) -> None:
    leads = np.array([6, 12, 18]) * HOUR
    dim = "lead_time" if is_lead else "time"
    along = ("lead_time", leads) if is_lead else ("time", START + leads, {"standard_name": "time"})
    path = write(tmp_path / f"one{suffix}", (dim, "lat", "lon"), {dim: along, "init_time": INIT})
    cube = open_fields([path])
    assert not cube.axis.is_series and cube.axis.times[0] == START + 6 * HOUR
    assert cube.axis.lead_times.tolist() == leads.astype("timedelta64[s]").tolist()
    out = np.empty((1, 2, 3, 2), np.float32)
    cube.read(["t"], 1, 3, out)
    np.testing.assert_array_equal(out[0], np.arange(6, 18).reshape(2, 3, 2))


def test_analyses_that_tell_when_they_were_made_stay_a_series(tmp_path: Path) -> None:
    path = write(tmp_path / "a.nc", ("time", "lat", "lon"), {"time": ("time", START + np.arange(3) * HOUR, {"standard_name": "time"}), "init_time": INIT})  # fmt: skip
    assert open_fields([path]).axis.is_series


@pytest.mark.parametrize("lead", [0, 3])
def test_a_lead_time_that_stands_once_beside_starts_counts(tmp_path: Path, lead: int) -> None:
    # as cfgrib gives every file of one step: first guesses are no analyses of the time that they started from
    times = (
        "time",
        START + np.arange(3) * 6 * HOUR,
        {"standard_name": "time", "long_name": "initial time of forecast"},
    )
    path = write(tmp_path / "g.nc", ("time", "lat", "lon"), {"time": times, "step": ((), lead * HOUR)})
    axis = open_fields([path]).axis
    assert axis.is_series == (lead == 0)
    np.testing.assert_array_equal(axis.times, (START + (np.arange(3) * 6 + lead) * HOUR).astype("datetime64[s]"))


def test_lead_times_without_a_start_are_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "x.nc", ("lead_time", "lat", "lon"), {"lead_time": ("lead_time", np.arange(3) * HOUR)})
    with pytest.raises(DataError, match="t has lead times and no start"):
        CfCube(path)


@pytest.mark.parametrize(
    ("dims", "told"),
    [
        (("time", "ensemble", "member"), "t has two dimensions of members, 'ensemble' and 'member'; expected one"),
        (("time", "date"), "t has two dimensions of times, 'time' and 'date'; expected one"),
    ],
)
def test_two_dimensions_of_one_kind_are_refused(tmp_path: Path, dims: tuple[str, ...], told: str) -> None:
    values = {"time": START + np.arange(2) * HOUR, "date": START + np.arange(3) * HOUR, "ensemble": [0, 1], "member": [0, 1, 2]}  # fmt: skip
    path = write(tmp_path / "two.nc", (*dims, "lat", "lon"), {d: (d, values[d]) for d in dims})
    with pytest.raises(DataError, match=told):
        CfCube(path)


def test_of_two_dimensions_one_may_hold_a_single_value(tmp_path: Path) -> None:
    coords = {"time": ("time", START + np.arange(2) * HOUR), "ensemble": ("ensemble", [0]), "member": ("member", [3, 5])}  # fmt: skip
    cube = CfCube(write(tmp_path / "m.nc", ("time", "member", "ensemble", "lat", "lon"), coords))
    assert cube.axis.members == (3, 5)
    out = np.empty((1, 1, 3, 2), np.float32)
    cube.read(["t"], 1, 2, out)
    np.testing.assert_array_equal(out[0, 0], np.arange(6, 12).reshape(3, 2))


def test_a_level_or_a_start_that_stands_twice_is_refused(tmp_path: Path) -> None:
    time = ("time", START + np.arange(2) * HOUR)
    levels = {"time": time, "level": ("level", [850.0, 500.0, 850.0], {"units": "hPa"})}
    with pytest.raises(DataError, match="t_850_isobaricInhPa stands twice"):
        CfCube(write(tmp_path / "l.nc", ("time", "level", "lat", "lon"), levels))
    starts = ("init_time", START + np.array([0, 6, 0]) * HOUR, {"standard_name": "forecast_reference_time"})
    coords = {"init_time": starts, "lead_time": ("lead_time", np.arange(1, 3) * HOUR)}
    with pytest.raises(DataError, match="2020-01-01T00:00:00 stands twice along 'init_time'"):
        CfCube(write(tmp_path / "s.nc", ("init_time", "lead_time", "lat", "lon"), coords))


def test_a_name_that_tells_its_level_is_not_given_it_again(tmp_path: Path) -> None:
    paths = []
    for k in range(2):
        coords = {"time": ("time", START + (6 * k + np.array([6, 12])) * HOUR, {"standard_name": "time"}), "init_time": ((), START + 6 * k * HOUR, INIT[2])}  # fmt: skip
        path = write(tmp_path / f"run_{k}.nc", ("time", "lat", "lon"), coords, "t_850_isobaricInhPa")
        with xr.open_dataset(path) as data:
            data = data.load()
        data["t_850_isobaricInhPa"].attrs |= {"GRIB_level": 850.0, "GRIB_typeOfLevel": "isobaricInhPa"}
        data.to_netcdf(path)
        paths.append(path)
    assert [v.name for v in open_fields(paths).variables] == ["t_850_isobaricInhPa"]


def test_of_members_no_series_is_made(tmp_path: Path) -> None:
    coords = {"time": ("time", START + np.arange(2) * HOUR), "number": ("number", [0, 1])}
    path = write(tmp_path / "m.nc", ("time", "number", "lat", "lon"), coords)
    with pytest.raises(DataError, match="fields of the members 0, 1, where one of each is wanted; give files of one"):
        open_fields([path], series=True)


def test_a_level_that_is_told_beside_a_field_is_its_level(tmp_path: Path) -> None:
    path = write(tmp_path / "l.nc", ("time", "lat", "lon"), {"time": ("time", START + np.arange(3) * HOUR)})
    with xr.open_dataset(path) as data:
        data = data.load().assign_coords(level=((), 850.0, {"units": "hPa", "standard_name": "air_pressure"}))
    data["t"].encoding["coordinates"] = "level"
    data.to_netcdf(path)
    (variable,) = CfCube(path).variables
    assert (variable.level, variable.type_of_level) == (850.0, "isobaricInhPa")


def family_of(tmp_path: Path, suffix: str, **variables: tuple[tuple[str, ...], tuple[int, ...]]) -> CfCube:
    """A file of variables along these dimensions, of which there are two clocks and two sets of members."""
    coords = {
        "time": np.datetime64("2020-01-01", "ns") + np.arange(4) * np.timedelta64(6, "h"),
        "later": ("later", np.datetime64("2020-02-01", "ns") + np.arange(4) * np.timedelta64(1, "h"), {"standard_name": "time"}),
        "number": [0, 1],
        "others": ("others", [3, 4], {"standard_name": "realization"}),
        "latitude": ("latitude", np.arange(50.0, 44, -1), {"units": "degrees_north"}),
        "longitude": ("longitude", np.arange(5.0), {"units": "degrees_east"}),
    }  # fmt: skip
    data = {
        n: ((*dims, "latitude", "longitude"), np.zeros((*shape, 6, 5), "f4"), {"units": "K"})
        for n, (dims, shape) in variables.items()
    }
    used = {d for dims, _ in variables.values() for d in dims} | {"latitude", "longitude"}
    tmp_path.mkdir(exist_ok=True)
    path = tmp_path / f"a.{suffix}"
    dataset = xr.Dataset(data, {k: v for k, v in coords.items() if k in used})
    if suffix == "nc":
        dataset.to_netcdf(path)
    else:
        dataset.to_zarr(path, zarr_format=2, consolidated=False)
    return CfCube(path)


@pytest.mark.parametrize("suffix", ["nc", "zarr"])
def test_variables_of_another_clock_or_other_members_are_none_of_these_instants(tmp_path: Path, suffix: str) -> None:
    clocks = family_of(tmp_path / "1", suffix, b=(("later",), (4,)), c=(("time",), (4,)), a=(("time",), (4,)))
    assert sorted(clocks.names) == ["a", "c"] and clocks.axis.times[1] == np.datetime64("2020-01-01T06")
    members = family_of(
        tmp_path / "2", suffix, a=(("time", "others"), (4, 2)), b=(("time", "number"), (4, 2)), c=(("time", "number"), (4, 2))
    )  # fmt: skip
    assert sorted(members.names) == ["b", "c"] and members.axis.members == (0, 1)


@pytest.mark.parametrize("suffix", ["nc", "zarr"])
def test_of_as_many_variables_those_with_members_are_taken_whatever_the_format(tmp_path: Path, suffix: str) -> None:
    cube = family_of(tmp_path, suffix, t=(("time", "number"), (4, 2)), a=(("time",), (4,)), z=((), ()))
    assert cube.names == ["t"] and cube.axis.members == (0, 1)
    more = family_of(tmp_path / "2", suffix, t=(("time", "number"), (4, 2)), a=(("time",), (4,)), b=(("time",), (4,)))
    assert sorted(more.names) == ["a", "b"] and more.axis.is_series


@pytest.mark.parametrize(
    ("members", "told"),
    [([1, 1], "member 1 stands twice along 'number'"), ([0.5, 1.5], "the member 0.5 along 'number' is no number"),
     (["r1i1p1", "r2i1p1"], "the member 'r1i1p1' along 'number' is no number")],
)  # fmt: skip
def test_members_without_numbers_of_their_own_are_refused(tmp_path: Path, members: list[Any], told: str) -> None:
    dims = ("time", "number", "latitude", "longitude")
    data = xr.Dataset(
        {"t": (dims, np.zeros((2, 2, 6, 5), "f4"), {"units": "K"})},
        {
            "time": np.datetime64("2020-01-01", "ns") + np.arange(2) * np.timedelta64(6, "h"), "number": members,
            "latitude": ("latitude", np.arange(50.0, 44, -1), {"units": "degrees_north"}),
            "longitude": ("longitude", np.arange(5.0), {"units": "degrees_east"}),
        },
    )  # fmt: skip
    data.to_netcdf(tmp_path / "a.nc")
    with pytest.raises(DataError, match=told):
        CfCube(tmp_path / "a.nc")

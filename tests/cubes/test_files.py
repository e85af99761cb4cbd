from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

from py4cast.cubes.base import CubeABC
from py4cast.cubes.files import FieldFiles, open_fields
from py4cast.cubes.foreign.cf import CfCube
from py4cast.cubes.store.store import PreparedStore
from py4cast.datasets.gridded_settings import GriddedSettings
from py4cast.errors import DataError, SettingsError
from py4cast.testing import check_cube
from tests.cubes.numbered import GRID, planes_of, value
from tests.cubes.store.test_store import prepare
from tests.forecast_files import forecasts, write
from tests.weather_files import HOUR, START, describe, write_netcdf

DIMS = ("lat", "lon")


def part(folder: Path, name: str, start: int, leads: list[int], planes: dict[str, list[int]], **scalars: Any) -> Path:
    """A file of one forecast `(step, lat, lon)` from an hour; each variable's planes are numbered ones."""
    coords = {
        "lat": ("lat", GRID.latitude, {"units": "degrees_north"}),
        "lon": ("lon", GRID.longitude, {"units": "degrees_east"}),
        "step": ("step", (np.array(leads) * HOUR).astype("timedelta64[ns]")),
        "time": ((), (START + start * HOUR).astype("datetime64[ns]"), {"standard_name": "forecast_reference_time"}),
        **scalars,
    }
    data = {
        n: (("step", *DIMS), np.stack([value(0, i) for i in numbers]), {"units": "m"}) for n, numbers in planes.items()
    }
    return Path(write(folder, name, xr.Dataset(data, coords)))


def test_a_file_per_forecast_is_a_cube_of_all(tmp_path: Path) -> None:
    part(tmp_path, "b.nc", 12, [6, 12], {"x": [2, 3], "y": [12, 13]})
    part(tmp_path, "a.nc", 0, [6, 12], {"x": [0, 1], "y": [10, 11]})
    cube = open_fields([str(tmp_path / "*.nc")])
    assert isinstance(cube, FieldFiles) and not cube.axis.is_series and cube.axis.shape == (2, 2)
    assert cube.axis.init_times.tolist() == [START, START + 12 * HOUR]
    assert (cube.axis.lead_times / HOUR).tolist() == [6, 12] and cube.shape == (3, 4)
    np.testing.assert_array_equal(planes_of(cube, ["y"], 1, 4)[0], [value(0, i) for i in (11, 12, 13)])
    assert cube.variable("x").units == "m" and cube.variable("x").role == "diagnostic"
    check_cube(cube)
    cube.close()


def test_one_file_of_a_whole_period_is_opened_as_it_is(tmp_path: Path) -> None:
    path = write(tmp_path, "fc.nc", forecasts())
    assert isinstance(open_fields([path]), CfCube)
    assert isinstance(open_fields([tmp_path / "f*.nc"]), CfCube), "a pattern that one file matches too"


def test_a_prepared_store_is_opened_as_it_is(tmp_path: Path) -> None:
    write_netcdf(tmp_path / "in" / "a.nc", {"t": np.full((48, 3, 4), 280.0, np.float32)})
    store = prepare(GriddedSettings.from_dict(describe(tmp_path / "in", store=str(tmp_path / "store"))))
    assert isinstance(open_fields([store.path]), PreparedStore)


def test_of_forecasts_a_series_takes_the_shortest_lead_time(tmp_path: Path) -> None:
    part(tmp_path, "a.nc", 0, [0, 6, 12], {"x": [0, 1, 2]})
    part(tmp_path, "b.nc", 6, [0, 6, 12], {"x": [10, 11, 12]})
    cube = open_fields([str(tmp_path / "*.nc")], series=True)
    assert cube.axis.is_series and cube.times.tolist() == (START + np.arange(0, 19, 6) * HOUR).tolist()
    np.testing.assert_array_equal(planes_of(cube)[0], [value(0, i) for i in (0, 10, 11, 12)])
    check_cube(cube)


def test_a_lead_time_that_a_file_lacks_is_missing(tmp_path: Path) -> None:
    part(tmp_path, "a.nc", 0, [6, 12], {"x": [0, 1]})
    part(tmp_path, "b.nc", 12, [12], {"x": [2]})
    cube = open_fields([tmp_path / "a.nc", tmp_path / "b.nc"])
    assert cube.available(["x"]).tolist() == [True, True, False, True] and np.isnan(planes_of(cube)[0, 2]).all()
    np.testing.assert_array_equal(planes_of(cube)[0, 3], value(0, 2))


def test_members_in_files_of_their_own_are_an_ensemble(tmp_path: Path) -> None:
    for member in (2, 5):
        part(tmp_path, f"{member}.nc", 0, [0], {"x": [member]}, number=((), member))
    cube = open_fields([tmp_path / "*.nc"])
    assert cube.axis.members == (2, 5) and not cube.axis.is_series, "an ensemble of analyses is no series"
    np.testing.assert_array_equal(planes_of(cube)[0], [value(0, 2), value(0, 5)])


def test_a_control_is_no_member_and_takes_no_members_place(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """What member 5 lacks at +12 h is missing, and not that of the control."""
    part(tmp_path, "2.nc", 0, [6, 12], {"x": [2, 3]}, number=((), 2))
    part(tmp_path, "5.nc", 0, [6], {"x": [5]}, number=((), 5))
    part(tmp_path, "control.nc", 0, [6, 12], {"x": [8, 9]})
    cube = open_fields([tmp_path / "*.nc"])
    assert cube.axis.members == (2, 5)
    assert cube.available(["x"]).reshape(cube.axis.shape).tolist() == [[[True, True], [True, False]]]
    assert (
        "x: fields without the number of a member, such as a control or the mean, are left out beside the members 2, 5"
        in caplog.text
    )


def test_a_variable_without_members_is_no_ensemble_of_one_law(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    for member in (2, 5):
        part(tmp_path, f"{member}.nc", 0, [0], {"x": [member]}, number=((), member))
    part(tmp_path, "tp.nc", 0, [0], {"tp": [7]})
    cube = open_fields([tmp_path / "*.nc"])
    assert cube.names == ["x"] and "tp: left out, it has no members and others have" in caplog.text


def test_sums_since_the_start_become_sums_of_a_step(tmp_path: Path) -> None:
    path = part(tmp_path, "a.nc", 0, [3, 6, 9], {"tp": [2, 5, 6], "x": [2, 5, 6]})
    cube = open_fields([path], accumulated=["tp"])
    np.testing.assert_array_equal(planes_of(cube, ["tp"])[0], [value(0, 2), np.full((3, 4), 3), np.full((3, 4), 1)])
    np.testing.assert_array_equal(planes_of(cube, ["x"])[0], [value(0, i) for i in (2, 5, 6)])
    with pytest.raises(SettingsError, match=r"accumulated: no variable 'tpp' in the files; did you mean 'tp'"):
        open_fields([path], accumulated=["tpp"])


def levels(folder: Path, name: str, hours: int, **variables: list[int]) -> Path:
    """A file of analyses of variables on pressure levels, one time."""
    coords = {
        "time": ("time", [(START + hours * HOUR).astype("datetime64[ns]")]),
        "lat": ("lat", GRID.latitude, {"units": "degrees_north"}),
        "lon": ("lon", GRID.longitude, {"units": "degrees_east"}),
    }
    data, at = {}, dict[str, Any]()
    for variable, held in variables.items():
        dim = f"isobaricInhPa{len(held)}" if len(held) > 1 else ""
        middle = (dim,) if dim else ()
        planes = np.stack([value(0, level) for level in held] or [value(0, hours)])
        shape = (1, *((len(held),) if dim else ()), 3, 4)
        data[variable] = (("time", *middle, *DIMS), planes.reshape(shape), {"units": "1"})
        at |= {dim: (dim, held, {"axis": "Z", "units": "hPa"})} if dim else {}
    return Path(write(folder, name, xr.Dataset(data, {**coords, **at})))


def test_names_say_the_level_where_the_short_name_is_not_enough(tmp_path: Path) -> None:
    for hour in (0, 6):
        levels(tmp_path, f"{hour}.nc", hour, c=[500, 850], ps=[])
    cube = open_fields([tmp_path / "*.nc"])
    assert cube.names == ["c_500_isobaricInhPa", "c_850_isobaricInhPa", "ps"] and cube.axis.is_series
    assert (cube.variable("ps").level, cube.variable("c_850_isobaricInhPa").level) == (None, 850.0)
    np.testing.assert_array_equal(planes_of(cube, ["c_850_isobaricInhPa"])[0], [value(0, 850)] * 2)
    np.testing.assert_array_equal(planes_of(cube, ["ps"])[0], [value(0, 0), value(0, 6)])
    with pytest.raises(ValueError, match="no variable 'c'"):
        planes_of(cube, ["c"])


def test_a_changed_file_has_another_fingerprint(tmp_path: Path) -> None:
    def fingerprint() -> str:
        cube: CubeABC = open_fields([tmp_path / "*.nc"])
        cube.close()
        return cube.fingerprint

    for hour in (0, 6):
        levels(tmp_path, f"{hour}.nc", hour, ps=[])
    first = fingerprint()
    assert fingerprint() == first
    levels(tmp_path, "6.nc", 6, ps=[], x=[])
    assert fingerprint() != first


def test_nothing_to_open_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"a\.nc: no such file or store"):
        open_fields([tmp_path / "a.nc"])
    with pytest.raises(DataError, match=r"no file matches '.*/x%Y\*\.nc'"):
        open_fields([tmp_path / "x%Y*.nc"])
    (tmp_path / "plain").mkdir()
    with pytest.raises(DataError, match="plain: no store that is known"):
        open_fields([tmp_path / "plain"])


def test_fields_without_time_or_on_two_grids_are_refused(tmp_path: Path) -> None:
    coords = {
        "lat": ("lat", GRID.latitude, {"units": "degrees_north"}),
        "lon": ("lon", GRID.longitude, {"units": "degrees_east"}),
    }
    fixed = [write(tmp_path, f"{n}.nc", xr.Dataset({"z": (DIMS, value(0, 0))}, coords)) for n in "ab"]
    with pytest.raises(DataError, match=r"a\.nc, .*b\.nc: no field with a time"):
        open_fields(fixed)
    with pytest.raises(DataError, match=r"a\.nc: no field with a time"):
        open_fields([tmp_path / "a*.nc"])
    pair = [write_netcdf(tmp_path / f"{s}.nc", {"t": np.ones((1, 3, 4))}, south=s) for s in (40.0, 45.0)]
    with pytest.raises(DataError, match=r"grids differ between files: t in .*45\.0\.nc is on"):
        open_fields(pair)


def test_forecasts_keep_the_cf_names_of_their_variables(tmp_path: Path) -> None:
    path = part(tmp_path, "a.nc", 0, [6, 12], {"wd": [0, 1], "t2m": [2, 3]})
    with xr.open_dataset(path) as data:
        named = data.load()
    named["wd"].attrs.update(standard_name="wind_from_direction", units="degree")
    named["t2m"].attrs.update(standard_name="dew_point_temperature", units="K")
    write(tmp_path, "b.nc", named)
    cube = FieldFiles([tmp_path / "b.nc"])
    assert cube.variable("wd").cf_name == "wind_from_direction" and cube.variable("wd").turn == 360.0
    assert cube.variable("t2m").cf_name == "air_temperature", "a name that is known keeps its meaning"
    cube.close()

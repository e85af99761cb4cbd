from typing import Any

import numpy as np
import pytest

from py4cast.formats import Heading
from py4cast.formats.conventions import (
    dims_of,
    forecast_coordinates,
    grid_coordinates,
    shape_of,
    variable_attributes,
)
from py4cast.grid import Grid
from py4cast.variables import Variable

INIT = np.datetime64("1970-01-02T06", "s")
LEADS = [np.timedelta64(s, "s") for s in (1800, 21600)]
T2M = Variable(
    name="t2m",
    short_name="2t",
    units="K",
    level=2.0,
    type_of_level="heightAboveGround",
    standard_name="air_temperature",
)
MSL = Variable(name="msl", units="Pa")
LATLON = Grid(np.array([50.0, 49.0]), np.array([1.0, 2.0, 3.0]))
PLANE = Grid(
    np.array([[50.0, 50.1, 50.2], [49.0, 49.1, 49.2]]), np.array([[1.0, 2.0, 3.0], [1.1, 2.1, 3.1]]),
    np.array([0.0, 10.0, 20.0]), np.array([5.0, -5.0]), {"grid_mapping_name": "polar_stereographic", "k": 1.0},
)  # fmt: skip
STATIONS = Grid(np.array([[50.0, 51.0]]), np.array([[1.0, 2.0]]), areas=np.ones((1, 2)))


def heading(grid: Grid, **changes: Any) -> Heading:
    return Heading([T2M, MSL], grid, INIT, LEADS, **changes)


def at_stations(**changes: Any) -> Heading:
    return heading(STATIONS, stations=("a", "b"), **changes)


def test_axes_of_latitude_and_longitude_stand_for_themselves() -> None:
    dims, coordinates, mapping = grid_coordinates(LATLON)
    assert (dims, mapping, list(coordinates)) == (("latitude", "longitude"), None, ["latitude", "longitude"])
    for name, axis, units in (("latitude", "Y", "degrees_north"), ("longitude", "X", "degrees_east")):
        along, values, attributes = coordinates[name]
        assert along == name and attributes["axis"] == axis and attributes["units"] == units
        assert attributes["standard_name"] == name
        np.testing.assert_array_equal(values, getattr(LATLON, name))


def test_a_plane_has_metres_and_two_dimensional_places() -> None:
    dims, coordinates, mapping = grid_coordinates(PLANE)
    assert dims == ("y", "x") and mapping == {"grid_mapping_name": "polar_stereographic", "k": 1.0}
    assert mapping is not PLANE.projection
    for name in "xy":
        attributes = {"standard_name": f"projection_{name}_coordinate", "units": "m", "axis": name.upper()}
        assert coordinates[name][::2] == (name, attributes)
        np.testing.assert_array_equal(coordinates[name][1], getattr(PLANE, name))
    assert coordinates["latitude"][0] == coordinates["longitude"][0] == ("y", "x")
    assert "axis" not in coordinates["latitude"][2], "it lies along none"


def test_a_plane_without_metres_has_places_alone() -> None:
    grid = Grid(PLANE.latitude, PLANE.longitude, projection={"grid_mapping_name": "unknown"})
    assert list(grid_coordinates(grid)[1]) == ["latitude", "longitude"]


@pytest.mark.parametrize(
    ("of", "dims", "shape"),
    [
        (heading(LATLON), ("time", "latitude", "longitude"), (2, 2, 3)),
        (heading(PLANE), ("time", "y", "x"), (2, 2, 3)),
        (heading(PLANE, members=(0, 4, 5)), ("time", "member", "y", "x"), (2, 3, 2, 3)),
        (at_stations(), ("time", "station"), (2, 2)),
        (at_stations(members=(1,)), ("time", "member", "station"), (2, 1, 2)),
    ],
)
def test_dimensions_are_named_and_sized_in_one_order(
    of: Heading, dims: tuple[str, ...], shape: tuple[int, ...]
) -> None:
    assert (dims_of(of), shape_of(of)) == (dims, shape)


def test_times_are_counted_since_1970_and_lead_times_in_hours() -> None:
    coordinates = forecast_coordinates(heading(LATLON))
    lead, init, valid = (coordinates[n] for n in ("lead_time", "init_time", "time"))
    assert (lead[0], init[0], valid[0]) == (("time",), (), ("time",))
    assert lead[1].tolist() == [0.5, 6.0] and lead[2] == {
        "standard_name": "forecast_period",
        "long_name": "lead time",
        "units": "hours",
    }
    begin = 86400 + 6 * 3600
    assert init[1] == begin and valid[1].tolist() == [begin + 1800, begin + 21600]
    for _, values, attributes in (init, valid):
        assert attributes["units"] == "seconds since 1970-01-01" and values.dtype == np.int64
        assert attributes["calendar"] == "proleptic_gregorian"
    assert (init[2]["standard_name"], valid[2]["standard_name"]) == ("forecast_reference_time", "time")
    assert "member" not in coordinates


def test_members_keep_their_numbers() -> None:
    dims, values, attributes = forecast_coordinates(heading(LATLON, members=(7, 3)))["member"]
    assert dims == ("member",) and values.tolist() == [7, 3] and attributes["standard_name"] == "realization"


def test_stations_are_a_time_series_of_points() -> None:
    coordinates = forecast_coordinates(at_stations())
    for name, values in (("latitude", [50, 51]), ("longitude", [1, 2])):
        assert coordinates[name][0] == ("station",)
        np.testing.assert_array_equal(coordinates[name][1], values)
    dims, names, attributes = coordinates["station"]
    assert dims == ("station",) and names.tolist() == ["a", "b"] and attributes["cf_role"] == "timeseries_id"


@pytest.mark.parametrize(
    ("of", "beside"),
    [
        (heading(LATLON), {"init_time", "lead_time", "heightAboveGround_2"}),
        (heading(LATLON, members=(0,)), {"init_time", "lead_time", "heightAboveGround_2"}),
        (heading(PLANE), {"latitude", "longitude", "init_time", "lead_time", "heightAboveGround_2"}),
        (at_stations(), {"latitude", "longitude", "init_time", "lead_time", "heightAboveGround_2"}),
    ],
)
def test_coordinates_beside_the_dimensions_are_named(of: Heading, beside: set[str]) -> None:
    attributes = variable_attributes(T2M, of)
    assert set(attributes["coordinates"].split()) == beside
    assert ("grid_mapping" in attributes) == (of.grid is PLANE)


def test_a_variable_says_what_is_known_of_it() -> None:
    known = variable_attributes(T2M, heading(PLANE))
    known.pop("coordinates")
    assert known == {
        "units": "K", "long_name": "t2m", "standard_name": "air_temperature", "GRIB_level": 2.0,
        "GRIB_typeOfLevel": "heightAboveGround", "grid_mapping": "projection",
    }  # fmt: skip
    unknown = variable_attributes(MSL, heading(LATLON))
    unknown.pop("coordinates")
    assert unknown == {"units": "Pa", "long_name": "msl"}
    bare = variable_attributes(Variable(name="t", level=1.0), heading(LATLON))
    assert bare["GRIB_typeOfLevel"] == ""

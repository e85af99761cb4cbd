from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

from py4cast.errors import DataError
from py4cast.formats import open_reader
from py4cast.formats.cf import CfReader, kind_of
from py4cast.formats.cf_time import times_of

START = np.datetime64("2020-02-28T18", "s")
HOUR = np.timedelta64(3600, "s")
NORTH, EAST = {"units": "degrees_north"}, {"units": "degrees_east"}
RADIUS = 6_371_229.0
STEREOGRAPHIC = {
    "grid_mapping_name": "polar_stereographic", "latitude_of_projection_origin": 90.0,
    "straight_vertical_longitude_from_pole": 0.0, "scale_factor_at_projection_origin": 1.0, "proj4": "+proj=stere",
}  # fmt: skip


class Held(CfReader):
    """Reads a dataset that is in memory."""

    what = "dataset in memory"
    held: xr.Dataset

    def open(self, path: Path) -> xr.Dataset:
        return self.held


def reader_of(data: xr.Dataset) -> Held:
    kind: type[Held] = type("HeldNow", (Held,), {"held": data})
    return kind(Path("made.nc"))


def latlon(dims: tuple[str, ...] = ("lat", "lon"), sizes: dict[str, int] | None = None, **coords: Any) -> xr.Dataset:
    shape = [{"lat": 2, "lon": 3, **(sizes or {})}[d] for d in dims]
    values = np.arange(np.prod(shape), dtype=np.float32).reshape(shape)
    places = {"lat": ("lat", [50.0, 49.0], NORTH), "lon": ("lon", [0.0, 1.0, 2.0], EAST)}
    return xr.Dataset({"t": (dims, values, {"units": "K"})}, {**places, **coords})


def coordinate(name: str, values: Any, **attrs: Any) -> xr.DataArray:
    return xr.DataArray(values, dims=(name,), coords={name: (name, values, attrs)})[name]


@pytest.mark.parametrize(
    ("name", "values", "attrs", "kind"),
    [
        ("time", [START.astype("datetime64[ns]")], {}, "time"),
        ("init_time", [START.astype("datetime64[ns]")], {}, "init"),
        ("Reference_Time", [START.astype("datetime64[ns]")], {}, "init"),
        ("time", [START.astype("datetime64[ns]")], {"standard_name": "forecast_reference_time"}, "init"),
        ("prediction_timedelta", [HOUR.astype("timedelta64[ns]")], {}, "lead"),
        ("number", [1, 2], {}, "member"),
        ("m", [1, 2], {"standard_name": "realization"}, "member"),
        ("plev", [850.0], {}, "level"),
        ("lev", [1.0], {}, "level"),
        ("sigma", [1.0], {"axis": "Z"}, "level"),
        ("band", [1.0], {}, "other"),
    ],
)
def test_a_coordinate_is_known_by_its_type_its_standard_name_or_its_name(
    name: str, values: Any, attrs: dict[str, str], kind: str
) -> None:
    assert kind_of(coordinate(name, np.array(values), **attrs)) == kind


@pytest.mark.parametrize(
    ("at", "start", "hours"),
    [
        ({}, None, 0),
        ({"lead": HOUR}, None, 1),
        ({"time": START}, START, 0),
        ({"time": START, "lead": 6 * HOUR}, START, 6),
        ({"init": START}, START, 0),
        ({"init": START, "lead": 30 * HOUR}, START, 30),
        ({"init": START, "time": START + 9 * HOUR}, START, 9),
        ({"init": START, "time": START + 9 * HOUR, "lead": 9 * HOUR}, START, 9),
    ],
)
def test_two_of_start_lead_time_and_valid_time_give_the_third(
    at: dict[str, Any], start: np.datetime64 | None, hours: int
) -> None:
    assert times_of(at) == (start, hours * HOUR)


def test_every_start_lead_time_member_and_level_is_a_record_that_is_found_again() -> None:
    dims, sizes = ("lon", "number", "level", "lat", "step", "run"), {"number": 2, "level": 2, "step": 3, "run": 2}
    data = latlon(
        dims, sizes,
        number=[4, 7], level=("level", [850.0, 500.0], {"units": "mb"}),
        step=("step", (np.arange(3) * 6 * HOUR).astype("timedelta64[ns]")),
        forecast_reference_time=(
            "run", (START + np.arange(2) * 24 * HOUR).astype("datetime64[ns]"), {"standard_name": "forecast_reference_time"}
        ),
    )  # fmt: skip
    reader = reader_of(data)
    records = {(r.member, r.level, r.lead_time, r.init_time): r for r in reader.records()}
    assert len(records) == len(reader.records()) == 24
    for i, member in enumerate((4, 7)):
        for j, level in enumerate((850.0, 500.0)):
            for k in range(3):
                for m in range(2):
                    record = records[member, level, k * 6 * HOUR, START + m * 24 * HOUR]
                    expected = data["t"].values[:, i, j, :, k, m].T
                    np.testing.assert_array_equal(reader.read(record), expected)
                    assert (record.type_of_level, record.units, record.short_name) == ("isobaricInhPa", "K", "t")
    assert reader.read(records[4, 850.0, 0 * HOUR, START]).flags.c_contiguous


def test_scalar_times_and_members_hold_for_the_whole_file() -> None:
    data = latlon(time=START.astype("datetime64[ns]"), step=(6 * HOUR).astype("timedelta64[ns]"), number=3)
    (record,) = reader_of(data).records()
    assert (record.init_time, record.lead_time, record.valid_time) == (START, 6 * HOUR, START + 6 * HOUR)
    assert (record.member, record.level, record.type_of_level) == (3, None, None)


def test_a_dimension_without_meaning_is_counted() -> None:
    records = reader_of(latlon(("band", "lat", "lon"), {"band": 2})).records()
    assert [r.locator for r in records] == [("t", (("band", 0),)), ("t", (("band", 1),))]
    assert [r.init_time for r in records] == [None, None]


@pytest.mark.parametrize(
    ("name", "units", "kind"),
    [
        ("isobaric", "hPa", "isobaricInhPa"),
        ("lev", "millibars", "isobaricInhPa"),
        ("heightAboveGround", "m", "heightAboveGround"),
        ("depth", "m", "depthBelowSea"),
        ("lev", "1", None),
    ],
)
def test_levels_are_called_by_their_units_or_their_name(name: str, units: str, kind: str | None) -> None:
    reader = reader_of(latlon((name, "lat", "lon"), {name: 2}, **{name: (name, [10.0, 20.0], {"units": units})}))
    assert [(r.level, r.type_of_level) for r in reader.records()] == [(10.0, kind), (20.0, kind)]


def test_a_level_may_stand_in_the_attributes() -> None:
    data = latlon()
    data["t"].attrs |= {"GRIB_level": 2, "GRIB_typeOfLevel": "heightAboveGround", "GRIB_shortName": "2t"}
    data["t"].attrs["standard_name"] = "air_temperature"
    (record,) = reader_of(data).records()
    assert (record.level, record.type_of_level, record.standard_name) == (2.0, "heightAboveGround", "air_temperature")
    named = {"level": 2, "typeOfLevel": "heightAboveGround", "shortName": "2t"}
    assert record.keys == {"cf_name": "t", "GRIB_shortName": "2t", **named}


@pytest.mark.parametrize(
    ("lat", "lon"),
    [
        (("lat", {}), ("lon", {})),
        (("nav_lat", {}), ("nav_lon", {})),
        (("rows", {"standard_name": "latitude"}), ("columns", {"standard_name": "longitude"})),
        (("rows", {"units": "degree_north"}), ("columns", {"units": "degreesE"})),
        (("Y", {"units": "degree"}), ("X", {"units": "degree_east"})),
    ],
)
def test_rows_and_columns_are_known_by_what_they_say_or_how_they_are_called(
    lat: tuple[str, dict[str, str]], lon: tuple[str, dict[str, str]]
) -> None:
    values = np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
    coords = {lat[0]: (lat[0], [1.0, 2.0], lat[1]), lon[0]: (lon[0], [5.0, 6.0, 7.0], lon[1])}
    reader = reader_of(xr.Dataset({"t": ((lon[0], lat[0]), values.T)}, coords))
    (record,) = reader.records()
    grid = reader.grid(record)
    np.testing.assert_array_equal(grid.latitude, [1, 2])
    np.testing.assert_array_equal(grid.longitude, [5, 6, 7])
    np.testing.assert_array_equal(reader.read(record), values)
    assert reader.grid(record) is grid, "made once"


def test_a_name_is_not_believed_against_a_standard_name() -> None:
    data = latlon()
    data["lat"].attrs = {"standard_name": "grid_latitude", "units": "degrees"}
    with pytest.raises(DataError, match=r"made\.nc: holds no variable on a latitude-longitude or projected grid"):
        reader_of(data).records()


def test_what_is_no_number_or_lies_on_no_grid_is_left_out() -> None:
    data = latlon().assign(
        words=(("lat", "lon"), np.full((2, 3), "x")), profile=("lat", [1.0, 2.0]), when=((), START.astype("M8[ns]"))
    )
    assert [r.short_name for r in reader_of(data).records()] == ["t"]


def plane(units: str, scale: float, with_places: bool = False) -> xr.Dataset:
    """Three rows and two columns before the north pole; the first column on the meridian 0."""
    y, x = np.array([-3e6, -2e6, -1e6]), np.array([0.0, 1e6])
    coords: dict[str, Any] = {
        "yc": ("yc", y / scale, {"standard_name": "projection_y_coordinate", "units": units}),
        "xc": ("xc", x / scale, {"standard_name": "projection_x_coordinate", "units": units}),
    }
    if with_places:
        coords["latitude"] = (("yc", "xc"), 50 + np.arange(6.0).reshape(3, 2))
        coords["longitude"] = (("yc", "xc"), np.arange(6.0).reshape(3, 2))
    values = np.arange(6.0).reshape(3, 2)
    return xr.Dataset({"t": (("yc", "xc"), values, {"grid_mapping": "crs"}), "crs": ((), 0, STEREOGRAPHIC)}, coords)


@pytest.mark.parametrize(("units", "scale"), [("m", 1.0), ("km", 1000.0)])
def test_latitude_and_longitude_are_computed_from_the_grid_mapping(units: str, scale: float) -> None:
    reader = reader_of(plane(units, scale))
    grid = reader.grid(reader.records()[0])
    assert grid.x is not None and grid.y is not None
    np.testing.assert_allclose(grid.y, [-3e6, -2e6, -1e6])
    np.testing.assert_allclose(grid.x, [0, 1e6])
    # a sphere seen from the other pole: ρ = 2 a tan(45° − φ/2)
    distance = np.hypot(grid.x[None, :], grid.y[:, None])
    np.testing.assert_allclose(grid.latitude, 90 - 2 * np.rad2deg(np.arctan(distance / (2 * RADIUS))), atol=1e-9)
    east = np.rad2deg(np.arctan2(np.broadcast_to(grid.x, (3, 2)), -grid.y[:, None]))
    np.testing.assert_allclose(grid.longitude, east, atol=1e-9)
    assert dict(grid.projection) == {k: v for k, v in STEREOGRAPHIC.items() if k != "proj4"}


def test_latitude_and_longitude_of_the_file_are_taken_where_it_has_them() -> None:
    reader = reader_of(plane("m", 1.0, with_places=True))
    grid = reader.grid(reader.records()[0])
    np.testing.assert_array_equal(grid.latitude, 50 + np.arange(6.0).reshape(3, 2))
    assert grid.projection["grid_mapping_name"] == "polar_stereographic"


def test_two_dimensional_places_alone_make_a_grid_of_unknown_projection() -> None:
    places = np.arange(6.0).reshape(2, 3)
    coords = {"nav_lat": (("j", "i"), places), "nav_lon": (("j", "i"), 10 + places)}
    reader = reader_of(xr.Dataset({"t": (("i", "j"), np.arange(6.0).reshape(3, 2))}, coords))
    (record,) = reader.records()
    grid = reader.grid(record)
    assert dict(grid.projection) == {"grid_mapping_name": "unknown"}
    np.testing.assert_array_equal(grid.longitude, 10 + places)
    np.testing.assert_array_equal(reader.read(record), np.arange(6.0).reshape(3, 2).T)


def test_a_projection_that_is_not_told_is_refused() -> None:
    reader = reader_of(plane("m", 1.0).drop_vars("crs"))
    with pytest.raises(DataError, match=r"made\.nc: t along 'yc' and 'xc' has neither latitude and longitude nor"):
        reader.grid(reader.records()[0])


def test_a_field_that_is_not_there_any_more_is_named() -> None:
    reader = reader_of(latlon(("time", "lat", "lon"), {"time": 1}, time=[START.astype("datetime64[ns]")]))
    (record,) = reader.records()
    with pytest.raises(DataError, match=r"made\.nc: t of 2020-02-28T18:00:00 cannot be read: "):
        reader.read(replace(record, locator=("t", (("time", 1),))))


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (FileNotFoundError(), r"made\.nc: no such file"),
        (ValueError("bad\nworse"), r"made\.nc: damaged, or not a dataset in memory: bad$"),
        (RuntimeError(), r"made\.nc: damaged, or not a dataset in memory: RuntimeError$"),
    ],
)
def test_a_file_that_cannot_be_opened_is_named(error: Exception, message: str) -> None:
    class Broken(Held):
        def open(self, path: Path) -> xr.Dataset:
            raise error

    with pytest.raises(DataError, match=message):
        Broken(Path("made.nc"))


@pytest.mark.parametrize(
    ("name", "attrs", "value", "kind", "level"),
    [
        ("heightAboveGround", {"units": "m"}, 2.0, "heightAboveGround", 2.0),
        ("height", {"standard_name": "height", "units": "m"}, 10.0, "heightAboveGround", 10.0),
        ("plev", {"standard_name": "air_pressure", "units": "Pa"}, 85000.0, "isobaricInhPa", 850.0),
        ("isobaricInhPa", {"units": "hPa"}, 500.0, "isobaricInhPa", 500.0),
        ("depth", {"standard_name": "depth", "units": "m", "axis": "Z"}, 0.5, "depthBelowSea", 0.5),
    ],
)
def test_a_level_may_stand_once_as_a_coordinate_that_the_variable_names(
    name: str, attrs: dict[str, str], value: float, kind: str, level: float, tmp_path: Path
) -> None:
    data = latlon().assign_coords({name: ((), value, attrs)})
    data["u"] = (("lat", "lon"), np.zeros((2, 3), dtype=np.float32))
    data["t"].attrs["coordinates"] = name
    data["u"].attrs["coordinates"] = ""
    data = data.reset_coords(name)
    data.to_netcdf(tmp_path / "a.nc")
    records = {r.short_name: r for r in open_reader(tmp_path / "a.nc").records()}
    assert (records["t"].type_of_level, records["t"].level) == (kind, level)
    assert (records["u"].type_of_level, records["u"].level) == (None, None), (
        "xarray shows it everywhere, u does not name it"
    )

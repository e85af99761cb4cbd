"""CF conventions: coordinates and attributes of what py4cast writes, the same in NetCDF and Zarr."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from py4cast.formats import cf_imposed
from py4cast.formats.base import Heading
from py4cast.grid import Grid
from py4cast.variables import Variable

__all__ = [
    "BOUNDS",
    "CONVENTIONS",
    "MAPPING",
    "Coordinate",
    "dims_of",
    "forecast_coordinates",
    "grid_coordinates",
    "imposed_flag",
    "mapping_of",
    "names_in_file",
    "shape_of",
    "time_bounds",
    "variable_attributes",
]

CONVENTIONS = "CF-1.11"
MAPPING = "projection"
BOUNDS = ("time_bnds", "bnds")  # the variable of the bounds of time, and its second dimension
_SINCE = {"units": "seconds since 1970-01-01", "calendar": "proleptic_gregorian"}
# by GRIB's type of level: standard name, units, where it grows to; of the others a number and its type are told
_LEVELS = {
    "heightAboveGround": ("height", "m", "up"), "heightAboveSea": ("altitude", "m", "up"), "isobaricInhPa": ("air_pressure", "hPa", "down"),
    "isobaricInPa": ("air_pressure", "Pa", "down"), "depthBelowSea": ("depth", "m", "down"), "depthBelowLand": ("depth", "m", "down"),
    "theta": ("air_potential_temperature", "K", "up"), "potentialVorticity": ("ertel_potential_vorticity", "K m2 kg-1 s-1", "up"),
}  # fmt: skip
_FLAT = ("surface", "meanSea", "entireAtmosphere", "nominalTop", "cloudBase", "tropopause")
Coordinate = tuple[tuple[str, ...], NDArray[Any], Mapping[str, Any]]


def grid_coordinates(grid: Grid) -> tuple[tuple[str, str], dict[str, Any], dict[str, Any] | None]:
    """The names of the grid's dimensions, its CF coordinates, and its grid mapping's attributes."""
    north = {"standard_name": "latitude", "units": "degrees_north", "long_name": "latitude"}
    east = {"standard_name": "longitude", "units": "degrees_east", "long_name": "longitude"}
    if not grid.is_projected:
        coords: dict[str, Any] = {
            "latitude": ("latitude", grid.latitude, {**north, "axis": "Y"}),
            "longitude": ("longitude", grid.longitude, {**east, "axis": "X"}),
        }
        return ("latitude", "longitude"), coords, None
    coords = {"latitude": (("y", "x"), grid.latitude, north), "longitude": (("y", "x"), grid.longitude, east)}
    for name, values in (("x", grid.x), ("y", grid.y)):
        if values is not None:
            attrs = {"standard_name": f"projection_{name}_coordinate", "units": "m", "axis": name.upper()}
            coords[name] = (name, values, attrs)
    return ("y", "x"), coords, dict(grid.projection)


def _station_coordinates(heading: Heading) -> tuple[tuple[str, ...], dict[str, Any], None]:
    """Those of points, as CF's time series have them."""
    _, coordinates, _ = grid_coordinates(heading.grid)
    coords: dict[str, Any] = {
        name: ("station", np.ravel(coordinates[name][1]), coordinates[name][2]) for name in ("latitude", "longitude")
    }
    names = np.array(heading.stations, dtype=object)
    coords["station"] = ("station", names, {"long_name": "name of the station", "cf_role": "timeseries_id"})
    return ("station",), coords, None


def _cell_coordinates(grid: Grid) -> tuple[tuple[str, ...], dict[str, Any], None]:
    """Those of points that are a grid: one dimension of cells, with the areas of the cells."""
    _, coordinates, _ = grid_coordinates(grid)
    coords: dict[str, Any] = {
        name: ("cell", np.ravel(coordinates[name][1]), coordinates[name][2]) for name in ("latitude", "longitude")
    }
    size = {"standard_name": "cell_area", "long_name": "area of the cell", "units": "m2"}
    coords["cell_area"] = ("cell", np.ravel(grid.cell_areas()), size)
    return ("cell",), coords, None


def _places(heading: Heading) -> tuple[tuple[str, ...], dict[str, Any], dict[str, Any] | None]:
    """Names of the dimensions of the places of a forecast, their coordinates, and a grid mapping."""
    if heading.stations:
        return _station_coordinates(heading)
    return grid_coordinates(heading.grid) if heading.grid.is_rectangular else _cell_coordinates(heading.grid)


def mapping_of(heading: Heading) -> dict[str, Any] | None:
    """The grid mapping's attributes of a forecast; None where its places tell themselves."""
    return _places(heading)[2]


def _seconds(times: NDArray[np.datetime64]) -> NDArray[np.int64]:
    return times.astype("datetime64[s]").astype(np.int64)


def dims_of(heading: Heading) -> tuple[str, ...]:
    """Names of the dimensions of a forecast's variable."""
    return ("time", *(("member",) if heading.members else ()), *_places(heading)[0])


def shape_of(heading: Heading) -> tuple[int, ...]:
    """The sizes of the dimensions that `dims_of` names."""
    members = (len(heading.members),) if heading.members else ()
    points = len(heading.stations) or (0 if heading.grid.is_rectangular else heading.grid.shape[1])
    places = (points,) if points else heading.grid.shape
    return (len(heading.lead_times), *members, *places)


def forecast_coordinates(heading: Heading) -> dict[str, Coordinate]:
    """The coordinates of a forecast by name, `(dims, values, attributes)`: grid, init, lead and valid time, member.

    `time` is the time of validity, so that programs that know nothing of forecasts date the fields rightly.
    """
    _, coordinates, _ = _places(heading)
    coords: dict[str, Coordinate] = {
        name: (dims if isinstance(dims, tuple) else (dims,), np.asarray(values), attrs)
        for name, (dims, values, attrs) in coordinates.items()
    }
    leads = np.array(heading.lead_times, dtype="timedelta64[s]")
    init = np.asarray(heading.init_time, dtype="datetime64[s]")
    valid = {"standard_name": "time", "long_name": "time of validity", "axis": "T", **_SINCE}
    coords["time"] = (("time",), _seconds(init + leads), valid)
    hours = {"standard_name": "forecast_period", "long_name": "lead time", "units": "hours"}
    coords["lead_time"] = (("time",), leads / np.timedelta64(3600, "s"), hours)
    start = {"standard_name": "forecast_reference_time", "long_name": "start of the forecast", **_SINCE}
    coords["init_time"] = ((), _seconds(init), start)
    for variable in heading.variables:
        if (name := _level_name(variable)) is not None:
            coords[name] = ((), np.array(variable.level, dtype=np.float64), _level_attributes(variable))
    if heading.members:
        number = {"standard_name": "realization", "long_name": "member of the ensemble"}
        coords["member"] = (("member",), np.array(heading.members, dtype=np.int32), number)
    return coords


def time_bounds(heading: Heading) -> NDArray[np.int64] | None:
    """From when to when the sums of each lead time run, `(time, 2)` in the units of `time`; None where nothing is a sum."""
    if not any(variable.accumulated for variable in heading.variables):
        return None
    leads = np.array([heading.since, *heading.lead_times], dtype="timedelta64[s]")
    valid = _seconds(np.asarray(heading.init_time, dtype="datetime64[s]") + leads)
    return np.stack([valid[:-1], valid[1:]], axis=1)


def imposed_flag(heading: Heading) -> Coordinate | None:
    """Which cells are imposed, `(dims, values, attributes)`; None where none is."""
    if heading.imposed is None or not _has_flag(heading):
        return None
    dims = _places(heading)[0]
    values = heading.imposed.astype(np.int8)
    return dims, values if len(dims) == 2 else np.ravel(values), cf_imposed.ATTRIBUTES


def _has_flag(heading: Heading) -> bool:
    """Whether its file says which cells are imposed."""
    return heading.imposed is not None and not heading.stations


def _level_name(variable: Variable) -> str | None:
    """What the coordinate of a variable's level is called, such as `heightAboveGround_2`; None where it has none."""
    if variable.level is None or (variable.type_of_level in _FLAT and not variable.level):
        return None
    return f"{variable.type_of_level or 'level'}_{variable.level:g}".replace("-", "minus_").replace("+", "")


def _level_attributes(variable: Variable) -> dict[str, Any]:
    known = _LEVELS.get(variable.type_of_level or "")
    if known is None:
        return {"long_name": f"level ({variable.type_of_level or 'of no type'})", "units": "1", "axis": "Z"}
    standard_name, units, positive = known
    return {"standard_name": standard_name, "long_name": standard_name.replace("_", " "), "units": units, "positive": positive, "axis": "Z"}  # fmt: skip


def names_in_file(heading: Heading) -> list[str]:
    """What the variables are called in the file: their names, with `_field` behind where a coordinate has that name."""
    taken = {*forecast_coordinates(heading), *dims_of(heading), MAPPING, cf_imposed.NAME, *BOUNDS}
    return [f"{v.name}_field" if v.name in taken else v.name for v in heading.variables]


def variable_attributes(variable: Variable, heading: Heading) -> dict[str, Any]:
    """What a file says of a variable of a forecast."""
    # other tools find two-dimensional and scalar coordinates by this attribute alone
    dims, level = dims_of(heading), _level_name(variable)
    others = {_level_name(v) for v in heading.variables} - {level}
    beside = " ".join(
        n
        for n, (coordinate_dims, _, _) in forecast_coordinates(heading).items()
        if (coordinate_dims != (n,) or n not in dims) and n not in others
    )
    attrs: dict[str, Any] = {"long_name": variable.name, "coordinates": beside}
    if variable.units:  # empty units would say that it has no dimension
        attrs = {"units": variable.units, **attrs}
    if variable.standard_name:
        attrs["standard_name"] = variable.standard_name
    if variable.accumulated:
        attrs["cell_methods"] = "time: sum"  # over the step that ends then, as the bounds of time say
    if variable.level is not None:
        attrs |= {"GRIB_level": variable.level, "GRIB_typeOfLevel": variable.type_of_level or ""}
    if mapping_of(heading) is not None:
        attrs["grid_mapping"] = MAPPING
    if _has_flag(heading):
        attrs["ancillary_variables"] = cf_imposed.NAME
    return attrs

"""What the coordinates of a file under the CF conventions are, by standard name, units, axis, and then by their names."""

from collections.abc import Iterable

import numpy as np
import xarray as xr

from py4cast.errors import DataError
from py4cast.formats.cf_time import DURATIONS, is_reference

__all__ = ["LEVEL_TYPES", "is_latitude", "is_longitude", "kind_of", "level_type", "pressure_factor", "time_kind"]

_LATITUDE = (
    "latitude",
    "lat",
    "nav_lat",
    "xlat",
    "gphit",
    "lats",
    "latitudes",
    "clat",
    "vlat",
    "elat",
    "latcell",
    "latvertex",
    "latedge",
)
_LONGITUDE = (
    "longitude",
    "lon",
    "nav_lon",
    "xlong",
    "glamt",
    "lons",
    "longitudes",
    "clon",
    "vlon",
    "elon",
    "loncell",
    "lonvertex",
    "lonedge",
)
_NORTH = ("degrees_north", "degree_north", "degrees_N", "degreesN", "degree_N", "degreeN")
_EAST = ("degrees_east", "degree_east", "degrees_E", "degreesE", "degree_E", "degreeE")
LEVEL_TYPES = {
    "isobaricinhpa": "isobaricInhPa", "pressure_level": "isobaricInhPa", "plev": "isobaricInhPa", "pressure": "isobaricInhPa",
    "isobaric": "isobaricInhPa", "heightaboveground": "heightAboveGround", "height": "heightAboveGround", "depth": "depthBelowSea",
}  # fmt: skip
_LEVEL_NAMES = {
    "air_pressure": "isobaricInhPa", "height": "heightAboveGround", "altitude": "heightAboveSea", "depth": "depthBelowSea",
    "air_potential_temperature": "theta",
}  # fmt: skip
_PRESSURES = {"pa": 0.01, "pascal": 0.01, "pascals": 0.01, "hpa": 1.0, "mbar": 1.0, "mb": 1.0, "millibar": 1.0, "millibars": 1.0, "kpa": 10.0, "bar": 1000.0}  # fmt: skip
_MEMBERS = ("member", "number", "realization", "ensemble", "ens", "ensemble_member")
_STARTS = ("init_time", "reference_time", "forecast_reference_time", "analysis_time", "reftime")
_LEADS = (
    "step", "lead", "lead_time", "leadtime", "forecast_period", "prediction_timedelta", "forecast_hour", "fcst_hour", "tau",
)  # fmt: skip
_TIMES = ("time", "times", "valid_time", "xtime", "date", "datetime", "time_counter", "ocean_time")
# no pressure in the atmosphere [hPa] and no model level is larger
_MOST_HPA = 1200.0


def _is(array: xr.DataArray, standard_names: Iterable[str], names: Iterable[str], units: Iterable[str] = ()) -> bool:
    attrs = array.attrs
    if str(attrs.get("standard_name", "")) in standard_names or str(attrs.get("units", "")) in units:
        return True
    return "standard_name" not in attrs and str(array.name).lower() in names


def is_latitude(array: xr.DataArray) -> bool:
    """Whether it holds latitudes [degrees north]."""
    return _is(array, ("latitude",), _LATITUDE, _NORTH) or (
        array.ndim == 1 and str(array.name) == "Y" and "degree" in str(array.attrs.get("units"))
    )


def is_longitude(array: xr.DataArray) -> bool:
    """Whether it holds longitudes [degrees east]."""
    return _is(array, ("longitude",), _LONGITUDE, _EAST) or (
        array.ndim == 1 and str(array.name) == "X" and "degree" in str(array.attrs.get("units"))
    )


def time_kind(array: xr.DataArray) -> str | None:
    """What a coordinate says of time before it is decoded: time, init or lead; None where it says nothing."""
    name, standard = str(array.name).lower(), str(array.attrs.get("standard_name", ""))
    units = str(array.attrs.get("units", ""))
    is_start = standard == "forecast_reference_time" or name in _STARTS
    if array.dtype.kind in "SUO":
        return ("init" if is_start else "time") if name in (*_TIMES, *_STARTS) or standard == "time" else None
    if np.issubdtype(array.dtype, np.datetime64) or is_reference(units):
        return "init" if is_start else "time"
    if standard == "forecast_period" or name in _LEADS or "timedelta64" in str(array.attrs.get("dtype", "")):
        return "lead"
    if np.issubdtype(array.dtype, np.timedelta64):
        return "lead"
    if is_start:
        return "init"
    if name in _TIMES or standard == "time" or str(array.attrs.get("axis")) == "T":
        return "time"
    return "lead" if units.lower() in DURATIONS and units.lower().startswith(("hour", "day")) else None


def kind_of(array: xr.DataArray) -> str:
    """What a one-dimensional coordinate measures: time, init, lead, member, level or other."""
    name, standard = str(array.name).lower(), str(array.attrs.get("standard_name", ""))
    if np.issubdtype(array.dtype, np.datetime64):
        return time_kind(array) or "time"
    if np.issubdtype(array.dtype, np.timedelta64):
        return "lead"
    if name in _MEMBERS or standard == "realization":
        return "member"
    if array.dtype.kind not in "iuf":
        return "other"
    if name in LEVEL_TYPES or name in ("level", "lev", "z") or str(array.attrs.get("axis")) == "Z":
        return "level"
    is_pressure = str(array.attrs.get("units", "")).lower() in _PRESSURES or standard == "air_pressure"
    return "level" if is_pressure and array.ndim <= 1 else "other"


def pressure_factor(array: xr.DataArray) -> float | None:
    """What brings a level coordinate to hPa; None where it holds no pressures.

    A coordinate without units counts in Pa where it holds numbers that no pressure in hPa and no model level reaches.

    Raises:
        DataError: pressures that the atmosphere does not have.
    """
    units, name = str(array.attrs.get("units", "")).lower(), str(array.name).lower()
    is_named = LEVEL_TYPES.get(name) == "isobaricInhPa" or str(array.attrs.get("standard_name")) == "air_pressure"
    largest = float(np.max(np.abs(array.values), initial=0.0))
    if units in _PRESSURES:
        factor = _PRESSURES[units]
    elif units in ("", "1") and is_named:
        factor = 0.01 if largest > _MOST_HPA else 1.0
    elif units in ("", "1") and name in ("level", "lev") and largest > _MOST_HPA:
        factor = 0.01
    else:
        return None
    if not (np.isfinite(array.values).all() and largest * factor <= _MOST_HPA and float(array.values.min()) > 0):
        raise DataError(
            f"levels {array.name!r} [{units or 'no units'}] reach {largest:g}: no pressure of the atmosphere; expected more "
            f"than 0 and at most {_MOST_HPA / factor:g}"
        )
    return factor


def level_type(array: xr.DataArray) -> str | None:
    """What the levels of a coordinate are, in GRIB's words."""
    is_pressure = str(array.attrs.get("units")) in ("hPa", "millibars", "mbar", "mb")
    if is_pressure:
        return "isobaricInhPa"
    return LEVEL_TYPES.get(str(array.name).lower()) or _LEVEL_NAMES.get(str(array.attrs.get("standard_name")))

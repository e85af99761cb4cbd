"""A dataset under the CF conventions made plain: times decoded, places found, levels in hPa, no column twice.

What cannot be understood is kept with its reason, so that only who needs it is refused.
"""

import logging
from collections.abc import Hashable
from pathlib import Path

import numpy as np
import xarray as xr

from py4cast.edges import num_repeated_columns
from py4cast.errors import DataError
from py4cast.formats.cf_axes import is_longitude, kind_of, pressure_factor, time_kind
from py4cast.formats.cf_healpix import with_healpix
from py4cast.formats.cf_places import with_places
from py4cast.formats.cf_time import (
    Instants,
    TimeDescription,
    decode_durations,
    decode_instants,
    is_reference,
    parse_instants,
)

__all__ = ["plain"]

logger = logging.getLogger(__name__)
_TELL_TIMES = (
    'tell them by the setting time, such as {"units": "hours since 1900-01-01"} or {"from_name": "%Y%m%d%H.nc"}'
)


def plain(data: xr.Dataset, path: Path, described: TimeDescription | None) -> tuple[xr.Dataset, dict[Hashable, str]]:
    """The dataset, made plain, and why some of its coordinates cannot be understood, by their names.

    Args:
        data: with undecoded times.
        path: for messages.
        described: what its times mean, where it does not say so itself.

    Raises:
        DataError: latitudes that change with time, or a mesh whose tables are wrong.
    """
    problems: dict[Hashable, str] = {}
    data = _with_times(data, described or TimeDescription(), problems)
    data = with_places(with_healpix(data, path), path)
    data = _with_levels(data, problems)
    return _without_repeats(data, path), problems


def _with_times(data: xr.Dataset, described: TimeDescription, problems: dict[Hashable, str]) -> xr.Dataset:
    named = [n for n, a in data.variables.items() if n in data.coords or _tells_time(str(n), a)]
    data = data.set_coords(named)
    for name in list(data.coords):
        array = data.coords[name]
        kind = time_kind(array)
        if kind is None or (array.dtype.kind in "mM" and described.units is None):
            continue
        try:
            variable = _decoded(array, kind, described)
        except DataError as error:
            problems[name] = f"its time axis {name!r} cannot be read: {error}; {_TELL_TIMES}"
            continue
        data = data.drop_indexes(name) if name in data.xindexes else data
        data = data.assign_coords({name: variable})
    return data


def _tells_time(name: str, variable: xr.Variable) -> bool:
    """Whether a variable that is no coordinate holds the times of a dimension, such as WRF's `Times` and `XTIME`."""
    if variable.ndim > 1:
        return False
    if variable.dtype.kind in "SUO":
        return name.lower() in ("times", "time", "valid_time", "date") and variable.ndim == 1
    return is_reference(str(variable.attrs.get("units", "")))


def _decoded(array: xr.DataArray, kind: str, described: TimeDescription) -> xr.Variable:
    """A coordinate as instants or durations."""
    attrs = {k: v for k, v in array.attrs.items() if k not in ("units", "calendar", "dtype")}
    units = str(array.attrs.get("units", ""))
    if kind == "lead":
        units = described.lead_units or units
        if not units and array.dtype.kind != "m":
            raise DataError(f"lead times {_span(array)} without units; give time.lead_units, such as h")
        return xr.Variable(array.dims, decode_durations(array.values, units).astype("timedelta64[ns]"), attrs)
    if array.dtype.kind in "SUO":
        return xr.Variable(array.dims, _nanoseconds(parse_instants(array.values)), attrs)
    units = described.units or units
    calendar = described.calendar or str(array.attrs.get("calendar", "standard"))
    if not is_reference(units):
        raise DataError(f"numbers {_span(array)} {f'[{units}]' if units else 'without units'}, no count since a date")
    return xr.Variable(array.dims, _nanoseconds(decode_instants(array.values, units, calendar)), attrs)


def _nanoseconds(instants: Instants) -> Instants:
    """As xarray keeps them; seconds where years lie beyond what nanoseconds reach."""
    years = instants[~np.isnat(instants)].astype("datetime64[Y]").astype(int)
    is_near = years.size == 0 or (years.min() > 1678 - 1970 and years.max() < 2262 - 1970)
    return instants.astype("datetime64[ns]") if is_near else instants


def _span(array: xr.DataArray) -> str:
    return f"{np.min(array.values):g} to {np.max(array.values):g}" if array.size else "of no length"


def _with_levels(data: xr.Dataset, problems: dict[Hashable, str]) -> xr.Dataset:
    """Pressure levels in hPa."""
    for name in list(data.coords):
        array = data.coords[name]
        if array.ndim > 1 or array.dtype.kind not in "iuf" or kind_of(array) != "level":
            continue
        try:
            factor = pressure_factor(array)
        except DataError as error:
            problems[name] = str(error)
            continue
        if factor is None:
            continue
        # 92500 · 0.01 is 925.0000000000001
        values = np.round(array.values.astype(np.float64) * factor, 6)
        data = data.drop_indexes(name) if name in data.xindexes else data
        data = data.assign_coords({name: (array.dims, values, {**array.attrs, "units": "hPa"})})
    return data


def _without_repeats(data: xr.Dataset, path: Path) -> xr.Dataset:
    """Without the columns at the eastern side that are the first ones again."""
    for array in data.coords.values():
        if array.ndim != 1 or not is_longitude(array) or array.dtype.kind not in "iuf":
            continue
        count = num_repeated_columns(np.asarray(array.values, dtype=np.float64))
        if count:
            logger.warning(
                "%s: the last %d of %d longitudes are the first again, 360 degrees on (a cyclic column); left out",
                path, count, array.size,
            )  # fmt: skip
            data = data.isel({array.dims[0]: slice(0, array.size - count)})
    return data

"""Cells of GRIB on a map: in which order a message holds them, and where they lie.

The first value lies at the first grid point that the message tells; from there values run by rows or by columns, and
either way along each (WMO flag table 3.4, of edition 1 table 8).
"""

from pathlib import Path
from typing import Any, NamedTuple

import eccodes
import numpy as np
from numpy.typing import NDArray

from py4cast.errors import DataError
from py4cast.formats.grib_keys import get_key
from py4cast.grid import Grid
from py4cast.projection import forward, inverse

__all__ = ["Order", "map_grid"]


class Order(NamedTuple):
    """How the values of a message lie on its grid."""

    shape: tuple[int, int]
    is_by_column: bool
    alternates: bool
    runs_west: bool
    num_repeated: int

    def arrange(self, values: NDArray[Any]) -> NDArray[Any]:
        """The values as `(lat, lon)` with longitudes (or x) growing along the columns."""
        lines = values.reshape(self.shape[::-1] if self.is_by_column else self.shape)
        if self.alternates:
            lines = lines.copy()
            lines[1::2] = lines[1::2, ::-1]
        field = lines.T if self.is_by_column else lines
        field = field[:, ::-1] if self.runs_west else field
        return field[:, : field.shape[1] - self.num_repeated]


def map_grid(handle: int, kind: str, order: Order, path: Path) -> Grid:
    """The grid of a message on a map.

    Raises:
        DataError: an order of its values in which nobody tells where they lie.
    """
    runs_south = not get_key(handle, "jScansPositively", int)
    projection, steps = _projection(handle, kind, runs_south=runs_south)
    rows, columns = order.shape
    # ecCodes tells places as if no rows alternated, and as if maps ran east and north
    is_turned = order.runs_west or order.is_by_column
    if steps is not None and (is_turned or runs_south):
        first = [get_key(handle, f"{axis}OfFirstGridPointInDegrees", float) for axis in ("latitude", "longitude")]
        x0, y0 = (float(value) for value in forward(projection, *first))
        x = x0 + steps[0] * (np.arange(columns, dtype=np.float64) - (columns - 1 if order.runs_west else 0))
        y = y0 + steps[1] * np.arange(rows, dtype=np.float64)
        lat, lon = inverse(projection, *np.meshgrid(x, y))
        return Grid(lat, (lon + 180.0) % 360.0 - 180.0, x, y, projection)
    if is_turned and kind != "rotated_ll":
        raise DataError(
            f"{path}: on a grid of type {kind!r} values that run west, or by columns, have no known places; expected rows from west to east"
        )
    straight = order._replace(alternates=False)
    lat2 = straight.arrange(np.asarray(eccodes.codes_get_array(handle, "latitudes")))
    lon2 = straight.arrange(np.asarray(eccodes.codes_get_array(handle, "longitudes")))
    lon2 = np.asarray((lon2 + 180.0) % 360.0 - 180.0, dtype=np.float64)
    if steps is None:
        return Grid(lat2, lon2, None, None, projection)
    x0, y0 = (float(value) for value in forward(projection, float(lat2[0, 0]), float(lon2[0, 0])))
    x, y = (np.arange(n, dtype=np.float64) * step for n, step in zip((columns, rows), steps, strict=True))
    return Grid(lat2, lon2, x + x0, y + y0, projection)


def _projection(handle: int, kind: str, *, runs_south: bool) -> tuple[dict[str, Any], tuple[float, float] | None]:
    """CF grid-mapping attributes and the signed steps along x and y [m]."""
    radius = get_key(handle, "radius", float) or 6_367_470.0
    sign = -1.0 if runs_south else 1.0
    steps = (get_key(handle, "DxInMetres", float), get_key(handle, "DyInMetres", float))
    if kind == "lambert":
        return {
            "grid_mapping_name": "lambert_conformal_conic",
            "standard_parallel": [
                get_key(handle, "Latin1InDegrees", float),
                get_key(handle, "Latin2InDegrees", float),
            ],
            "longitude_of_central_meridian": get_key(handle, "LoVInDegrees", float),
            "latitude_of_projection_origin": get_key(handle, "LaDInDegrees", float)
            or get_key(handle, "Latin1InDegrees", float),
            "earth_radius": radius,
        }, (steps[0], sign * steps[1])
    if kind == "polar_stereographic":
        south = bool(get_key(handle, "projectionCentreFlag", int))
        return {
            "grid_mapping_name": "polar_stereographic",
            "straight_vertical_longitude_from_pole": get_key(handle, "orientationOfTheGridInDegrees", float),
            "latitude_of_projection_origin": -90.0 if south else 90.0,
            "standard_parallel": get_key(handle, "LaDInDegrees", float) or 60.0,
            "earth_radius": radius,
        }, (steps[0], sign * steps[1])
    return {"grid_mapping_name": str(kind)}, None

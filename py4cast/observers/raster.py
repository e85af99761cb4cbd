"""Fields of points as pictures: every pixel shows the nearest point, none is left blank between them."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from py4cast.grid import EARTH_RADIUS, Grid
from py4cast.observers.kept import KeptByGrid
from py4cast.over_points import pixels, sides_of

__all__ = ["as_rectangle", "is_north_up", "rectangle_of"]

_FINENESS = 1.5  # pixels per mean distance between points
_MOST_COLUMNS = 1440
_FAR = 3.0  # mean distances beyond which a pixel shows no point
_KEPT: KeptByGrid[tuple[Grid, NDArray[np.int64]]] = KeptByGrid(4)


def rectangle_of(grid: Grid) -> Grid:
    """The grid of the picture: the grid itself, or latitudes and longitudes that cover its points."""
    return grid if grid.is_rectangular else _raster(grid)[0]


def as_rectangle(grid: Grid, field: NDArray[Any]) -> NDArray[Any]:
    """A field on `rectangle_of(grid)`, `(lat, lon)`: as it is, or of points `(1, ngrid)` the nearest one; NaN far from all."""
    if grid.is_rectangular:
        return field
    _, places = _raster(grid)
    values = np.append(np.asarray(field, dtype=np.float32).ravel(), np.float32(np.nan))
    return np.asarray(values[places])


def _raster(grid: Grid) -> tuple[Grid, NDArray[np.int64]]:
    """The picture's grid, and for every pixel the number of its point, or one past the last."""
    return _KEPT.of(grid, _made)


def _made(grid: Grid) -> tuple[Grid, NDArray[np.int64]]:
    from scipy.spatial import cKDTree

    distance = grid.spacing()[0]
    south, north, west, east = sides = sides_of(grid)
    degrees = float(np.rad2deg(distance / EARTH_RADIUS)) / _FINENESS
    shrink = 1.0 if sides.is_global else max(0.1, float(np.cos(np.deg2rad((south + north) / 2))))
    columns = int(np.clip(np.ceil((east - west) * shrink / degrees), 2, _MOST_COLUMNS))
    rows = int(np.clip(np.ceil((north - south) / degrees), 2, _MOST_COLUMNS))
    picture = pixels(sides, rows, columns)
    chord, places = cKDTree(grid.xyz()[0]).query(picture.xyz().reshape(-1, 3))
    is_far = chord > _FAR * distance / EARTH_RADIUS
    return picture, np.where(is_far, grid.shape[1], places).reshape(picture.shape)


def is_north_up(grid: Grid) -> bool:
    """Whether the first row lies in the north."""
    latitude = grid.latitude_2d()
    return bool(latitude[0].mean() >= latitude[-1].mean())

"""Fields of points as pictures: every pixel shows the nearest point, none is left blank between them."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from py4cast.grid import EARTH_RADIUS, Grid
from py4cast.observers.kept import KeptByGrid
from py4cast.over_points import pixels, sides_of

__all__ = ["as_rectangle", "is_north_up", "rectangle_of"]

_FINENESS = 1.5  # pixels per mean distance between points
_FEWEST_COLUMNS, _MOST_COLUMNS = 240, 1440
_NEIGHBOURS = 6
# times that the widest stand as far from each other as the closest, from which on these tell the pixels
_STRETCHED = 3.0
_FAR = 3.0  # distances beyond which a pixel shows no point
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

    tree = cKDTree(grid.xyz()[0])
    reach: Any = grid.spacing()[0]
    distance, widths = reach, EARTH_RADIUS * _widths(tree)
    fine, coarse = np.quantile(widths, [0.05, 0.95])
    if coarse > _STRETCHED * fine:
        # the mean would show a few of the points that stand close, and leave gaps between the others
        distance, reach = min(float(fine), distance), np.maximum(widths, coarse / 2)
    south, north, west, east = sides = sides_of(grid)
    shrink = 1.0 if sides.is_global else max(0.1, float(np.cos(np.deg2rad((south + north) / 2))))
    wide, high = (east - west) * shrink, north - south
    # of a few stations most would share a pixel with another one, and be nowhere to be seen
    degrees = min(float(np.rad2deg(distance / EARTH_RADIUS)) / _FINENESS, max(wide, high) / _FEWEST_COLUMNS)
    degrees = max(degrees, wide / _MOST_COLUMNS, high / _MOST_COLUMNS)
    columns, rows = (int(np.clip(np.ceil(size / degrees), 2, _MOST_COLUMNS)) for size in (wide, high))
    picture = pixels(sides, rows, columns)
    chord, places = tree.query(picture.xyz().reshape(-1, 3))
    is_far = chord > _FAR * np.broadcast_to(reach, widths.shape)[places] / EARTH_RADIUS
    return picture, np.where(is_far, grid.shape[1], places).reshape(picture.shape)


def _widths(tree: Any) -> NDArray[np.float64]:
    """How wide the surroundings of each point are that are its own, by how far its sixth neighbour stands: r·√(π/6)."""
    count = min(_NEIGHBOURS, tree.n - 1)
    return np.asarray(tree.query(tree.data, k=[count + 1])[0][:, 0] * np.sqrt(np.pi / max(count, 1)))


def is_north_up(grid: Grid) -> bool:
    """Whether the first row lies in the north."""
    latitude = grid.latitude_2d()
    return bool(latitude[0].mean() >= latitude[-1].mean())

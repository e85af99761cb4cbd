"""Points as a page holds them: each once, in an order in which neighbours stand together, and which pixel shows which."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from py4cast.grid import Grid
from py4cast.observers.raster import as_rectangle

__all__ = ["Cells", "cells_of"]

_BITS = 12


class Cells(NamedTuple):
    """The points of a grid.

    Args:
        order: their numbers along a curve that fills the map.
        places: of every pixel, `(lat, lon)`, the place of its point in that order; one past the last where none is near.
    """

    order: NDArray[np.int64]
    places: NDArray[np.int64]

    def planes(self) -> NDArray[np.uint8]:
        """The places as three bytes each, the least first, `(3, lat, lon)`."""
        return np.stack([(self.places >> shift) & 255 for shift in (0, 8, 16)]).astype(np.uint8)


def cells_of(grid: Grid, flips: bool) -> Cells:
    """The points of a grid that is no rectangle.

    Args:
        grid: of points.
        flips: whether the picture is turned upside down.
    """
    count = grid.latitude.size
    order = np.argsort(
        _along_curve(grid.longitude.ravel() % 360.0 / 360.0, (grid.latitude.ravel() + 90.0) / 180.0), kind="stable"
    )
    rank = np.empty(count, np.float64)
    rank[order] = np.arange(count)
    # numbers pass for a field, whose pixels without a point are missing
    numbers = as_rectangle(grid, np.arange(count, dtype=np.float32)[None])
    held = np.isfinite(numbers)
    places = np.full(numbers.shape, count, np.int64)
    places[held] = rank[numbers[held].astype(np.int64)].astype(np.int64)
    return Cells(order, places[::-1] if flips else places)


def _along_curve(x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.int64]:
    """How far along Hilbert's curve through the unit square places lie (D. Hilbert, 1891, doi 10.1007/BF01199431)."""
    side = 1 << _BITS
    a, b = (np.clip((v * side).astype(np.int64), 0, side - 1) for v in (x, y))
    distance = np.zeros(a.size, np.int64)
    half = side >> 1
    while half:
        right, up = (a & half > 0).astype(np.int64), (b & half > 0).astype(np.int64)
        distance += half * half * ((3 * right) ^ up)
        # a quarter is turned so that its curve begins where the one before ends
        flip = (up == 0) & (right == 1)
        a, b = np.where(flip, side - 1 - a, a), np.where(flip, side - 1 - b, b)
        a, b = np.where(up == 0, b, a), np.where(up == 0, a, b)
        half >>= 1
    return distance

"""Coastlines on a grid, from a small file that comes with the package: nothing is fetched.

Data: Natural Earth 1:50 million, see `coast.md`.
"""

import functools
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from py4cast.grid import Grid
from py4cast.observers.kept import KeptByGrid
from py4cast.projection import forward

__all__ = ["coastlines", "joined", "world_lines"]

_PER_DEGREE = 90
Line = NDArray[np.float64]


@functools.lru_cache(maxsize=1)
def world_lines() -> tuple[Line, ...]:
    """Longitude and latitude of every line, `(points, 2)` [degrees]."""
    with np.load(Path(__file__).with_name("coast.npz")) as data:
        steps, lengths = data["steps"].astype(np.int64), data["lengths"]
    lines = np.split(steps, np.cumsum(lengths)[:-1])
    return tuple(np.cumsum(line, axis=0) / _PER_DEGREE for line in lines)


def joined(lines: Sequence[Line]) -> list[Line]:
    """The lines as one with gaps of NaN, which is drawn at once; none where there is none."""
    if not lines:
        return []
    gap = np.full((1, 2), np.nan)
    return [np.concatenate([part for line in lines for part in (line, gap)][:-1])]


_KEPT: KeptByGrid[list[Line]] = KeptByGrid(8)


def coastlines(grid: Grid) -> list[Line]:
    """The coasts within a grid as fractional places `(column, row)` of its cells, `(points, 2)` each.

    Empty for a projection of which nothing but the places of the cells is known.
    """
    return _KEPT.of(grid, _coastlines)


def _coastlines(grid: Grid) -> list[Line]:
    lat, lon = grid.latitude_2d(), grid.longitude_2d()
    margin = 2.0
    south, north = float(lat.min()) - margin, float(lat.max()) + margin
    is_global = grid.is_periodic or float(np.ptp(lon)) > 300
    middle = 0.0 if is_global else _middle(lon)
    width = 180.0 if is_global else float(np.abs((lon - middle + 180) % 360 - 180).max()) + margin
    lines: list[Line] = []
    for line in world_lines():
        near = (line[:, 1] > south) & (line[:, 1] < north)
        near &= np.abs((line[:, 0] - middle + 180) % 360 - 180) <= width
        if not near.any():
            continue
        places = _places(grid, line)
        if places is None:
            return []
        # the map closes Antarctica along its lower side, which is no coast
        places[line[:, 1] < -89] = np.nan
        lines += _inside(places, grid.shape)
    return lines


def _middle(lon: NDArray[np.float64]) -> float:
    """The mean longitude, whichever turn it is counted in."""
    angles = np.deg2rad(lon)
    return float(np.rad2deg(np.arctan2(np.sin(angles).mean(), np.cos(angles).mean())))


def _places(grid: Grid, line: Line) -> Line | None:
    """Columns and rows of points."""
    if not grid.is_projected:
        axis = np.unwrap(grid.longitude, period=360.0)
        middle = (axis[0] + axis[-1]) / 2
        lon = middle + (line[:, 0] - middle + 180.0) % 360.0 - 180.0
        return np.stack([_fraction(axis, lon), _fraction(grid.latitude, line[:, 1])], axis=1)
    if grid.x is None or grid.y is None or grid.projection.get("grid_mapping_name") == "unknown":
        return None
    try:
        x, y = forward(grid.projection, line[:, 1], line[:, 0])
    except Exception:
        return None  # a projection that is not known here has no coast; its fields are drawn all the same
    return np.stack([_fraction(grid.x, np.asarray(x)), _fraction(grid.y, np.asarray(y))], axis=1)


def _fraction(axis: NDArray[np.float64], values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Fractional index on an axis of nearly even spacing."""
    sign = 1.0 if axis[-1] >= axis[0] else -1.0
    inside = np.interp(values * sign, axis * sign, np.arange(axis.size, dtype=np.float64))
    step = (axis[-1] - axis[0]) / max(1, axis.size - 1) or 1.0
    below, above = values * sign < axis[0] * sign, values * sign > axis[-1] * sign
    inside = np.where(below, (values - axis[0]) / step, inside)
    return np.asarray(np.where(above, axis.size - 1 + (values - axis[-1]) / step, inside))


def _inside(places: Line, shape: tuple[int, int]) -> list[Line]:
    """The parts of a line on the grid; a jump across it (the date line) parts it too."""
    rows, columns = shape
    held = np.isfinite(places).all(1)
    held &= (places[:, 0] > -0.5) & (places[:, 0] < columns - 0.5) & (places[:, 1] > -0.5) & (places[:, 1] < rows - 0.5)
    jumps = np.abs(np.diff(places, axis=0)).max(1, initial=0.0) > max(4.0, 0.25 * columns)
    breaks = np.flatnonzero((np.diff(held.astype(np.int8)) != 0) | jumps) + 1
    parts = zip(np.split(places, breaks), np.split(held, breaks), strict=True)
    return [part for part, is_in in parts if is_in[0] and len(part) > 1]

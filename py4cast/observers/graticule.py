"""Lines of equal latitude and longitude on a grid, for its pictures."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from py4cast.grid import Grid
from py4cast.observers.coast import _inside as inside
from py4cast.observers.coast import _places as places_on

__all__ = ["Meridian", "graticule"]

_STEPS = (1.0, 2.0, 5.0, 10.0, 15.0, 30.0, 60.0)
_LINES = 6.0
_POINTS, _STRAIGHT = 361, 33  # of a line; on latitude and longitude they are straight


class Meridian(NamedTuple):
    """A line of equal longitude or latitude.

    Args:
        label: such as `60°N`, `15°W`.
        parts: fractional places `(column, row)` of its points on the grid.
        is_meridian: whether it is a line of equal longitude.
    """

    label: str
    parts: list[NDArray[np.float64]]
    is_meridian: bool = True


def _step(extent: float) -> float:
    """A round number of degrees that leaves some six lines over an extent."""
    return next((s for s in _STEPS if extent / s <= _LINES), _STEPS[-1])


def graticule(grid: Grid) -> list[Meridian]:
    """The lines that cross a grid; none for a projection of which only the places of the cells are known."""
    lat, lon = grid.latitude_2d(), grid.longitude_2d()
    middle = float(np.rad2deg(np.angle(np.exp(1j * np.deg2rad(lon)).mean())))
    beside = (lon - middle + 180) % 360 - 180
    wide = grid.is_periodic or float(np.ptp(beside)) > 300
    west, east = (-180.0, 180.0) if wide else (middle + float(beside.min()), middle + float(beside.max()))
    south, north = float(lat.min()), float(lat.max())
    count = _POINTS if grid.is_projected else _STRAIGHT
    lines: list[Meridian] = []
    # round a pole all meridians meet on the map
    step = 30.0 if wide and grid.is_projected else _step(east - west)
    for value in np.arange(np.ceil(west / step), np.floor(east / step) + 1) * step:
        if wide and value >= 180.0:
            continue
        points = np.stack([np.full(count, value), np.linspace(south, min(north, 89.5), count)], axis=1)
        lines += _line(grid, points, _label(float(value), "EW"))
    step = _step(north - south)
    for value in np.arange(np.ceil(south / step), np.floor(north / step) + 1) * step:
        points = np.stack([np.linspace(west, east, count), np.full(count, value)], axis=1)
        lines += [line._replace(is_meridian=False) for line in _line(grid, points, _label(float(value), "NS"))]
    return lines


def _label(value: float, letters: str) -> str:
    turned = (value + 180.0) % 360.0 - 180.0 if letters == "EW" else value
    return f"{abs(turned):g}°{letters[0] if turned > 0 else letters[1] if turned < 0 else ''}"


def _line(grid: Grid, points: NDArray[np.float64], label: str) -> list[Meridian]:
    places = places_on(grid, points)
    parts = [] if places is None else inside(places, grid.shape)
    return [Meridian(label, parts)] if parts else []

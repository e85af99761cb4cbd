"""Rectangles of latitudes and longitudes that lie over points."""

from typing import NamedTuple

import numpy as np

from py4cast.grid import Grid

__all__ = ["Sides", "pixels", "sides_of"]


class Sides(NamedTuple):
    """The limits of some points [degrees]; `east` lies east of `west`, whichever meridian is between them."""

    south: float
    north: float
    west: float
    east: float

    @property
    def is_global(self) -> bool:
        """Whether they go round the globe."""
        return self.east - self.west >= 360.0


def sides_of(points: Grid) -> Sides:
    """The limits of points; those of the globe where they reach round most of it."""
    lat, lon = points.latitude_2d().ravel(), points.longitude_2d().ravel()
    middle = float(np.rad2deg(np.angle(np.exp(1j * np.deg2rad(lon)).mean())))
    beside = (lon - middle + 180.0) % 360.0 - 180.0
    if float(np.ptp(beside)) > 300.0:
        return Sides(-90.0, 90.0, -180.0, 180.0)
    return Sides(float(lat.min()), float(lat.max()), middle + float(beside.min()), middle + float(beside.max()))


def pixels(sides: Sides, rows: int, columns: int) -> Grid:
    """So many rows, from north to south, and columns of equal cells that fill what lies within the sides."""
    return Grid(
        sides.north - (np.arange(rows) + 0.5) * (sides.north - sides.south) / rows,
        sides.west + (np.arange(columns) + 0.5) * (sides.east - sides.west) / columns,
    )

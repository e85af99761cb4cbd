"""Vectors on grids: components turned from the axes of one grid to those of another, and brought there.

The components (u, v) of a wind are written as one vector of space, V = u·e₁ + v·e₂, with the unit vectors e₁ and e₂ of
their axes at each cell; V is brought to the other grid, and u' = V·e₁', v' = V·e₂' are read off there. So nothing is lost
at the poles, where east turns from cell to cell.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from py4cast.grid import Grid
from py4cast.regrid import Regridder
from py4cast.variables import Axes, Variable

__all__ = ["VectorTurn", "frame", "mate_of"]

Plane = NDArray[np.float32]
Frame = tuple[NDArray[np.float64], NDArray[np.float64]]
_MATES = {"eastward": "northward", "northward": "eastward", "x_": "y_", "y_": "x_"}


def mate_of(variable: Variable, others: Sequence[Variable]) -> tuple[Variable, bool] | None:
    """The other component of a vector, at the same level, and whether the variable is the first one; None where it is not there."""
    name = variable.cf_name
    part = next((p for p in _MATES if p in name), None)
    if not variable.axes or part is None:
        return None
    wanted = name.replace(part, _MATES[part])
    for other in others:
        if other.cf_name == wanted and (other.level, other.type_of_level) == (variable.level, variable.type_of_level):
            return other, part in ("eastward", "x_")
    return None


def frame(grid: Grid, axes: Axes) -> Frame:
    """The unit vectors e₁ and e₂ of the axes at every cell, `(lat, lon, 3)`: east and north, or x and y of the grid."""
    lat, lon = np.deg2rad(grid.latitude_2d()), np.deg2rad(grid.longitude_2d())
    up = np.stack([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)], -1)
    if axes != "grid" or not (grid.is_projected and grid.is_rectangular):
        east = np.stack([-np.sin(lon), np.cos(lon), np.zeros_like(lon)], -1)
        return east, np.cross(up, east)
    along = np.gradient(up, axis=1, edge_order=2 if up.shape[1] > 2 else 1)
    if grid.x is not None and grid.x[-1] < grid.x[0]:
        along = -along
    along -= (along * up).sum(-1, keepdims=True) * up
    first = along / np.linalg.norm(along, axis=-1, keepdims=True)
    return first, np.cross(up, first)


class VectorTurn:
    """Creates what turns components from the axes of a source to those of a target.

    Args:
        source: grid of the components.
        source_axes: along which they run.
        target: grid that is wanted.
        target_axes: along which they should run there.
        regridder: from the one grid to the other; None where they are the same.
    """

    def __init__(
        self, source: Grid, source_axes: Axes, target: Grid, target_axes: Axes, regridder: Regridder | None = None
    ) -> None:
        self._from, self._to = frame(source, source_axes), frame(target, target_axes)
        self._regridder = regridder

    def __call__(self, u: Plane, v: Plane) -> tuple[Plane, Plane]:
        """The components there, `(lat, lon)` each; NaN where either is missing."""
        space = u[..., None] * self._from[0] + v[..., None] * self._from[1]
        if self._regridder is not None:
            parts = [self._regridder(np.ascontiguousarray(space[..., i], dtype=np.float32)) for i in range(3)]
            space = np.stack(parts, -1)
        first, second = ((space * axis).sum(-1).astype(np.float32) for axis in self._to)
        return first, second

"""Cell order: the same cells in two orders, such as rows from the south on, columns from another meridian on, points sorted anew."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from py4cast.grid import Grid

__all__ = ["CellOrder", "order_of"]

_TOLERANCE = 1e-4  # [degrees], as of grids that are the same
_AS_IS, _BACKWARD = slice(None), slice(None, None, -1)
_Part = slice | NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class CellOrder:
    """Where the cells of one grid stand in another of the same cells.

    Args:
        rows: of the other grid, in the order of the first.
        columns: likewise.
    """

    rows: _Part = field(default_factory=lambda: _AS_IS)
    columns: _Part = field(default_factory=lambda: _AS_IS)

    @property
    def is_same(self) -> bool:
        """Whether nothing changes its place."""
        return all(isinstance(part, slice) and part == _AS_IS for part in (self.rows, self.columns))

    def __call__(self, values: NDArray[Any]) -> NDArray[Any]:
        """Fields `(..., lat, lon)` of the other grid in the order of the first; a view where only sides change."""
        return values if self.is_same else values[..., self.rows, :][..., self.columns]


def order_of(grid: Grid, target: Grid) -> CellOrder | None:
    """The order in which the cells of a grid are those of another, to 1e-4 degrees; None where the cells are others.

    Rows and columns of latitudes and longitudes may stand in any order, the rows of a map may run either way, and points may
    stand in any order where no two are at one place.
    """
    if grid.same_as(target):
        return CellOrder()
    if grid.kind != target.kind or grid.shape != target.shape:
        return None
    if not grid.is_rectangular:
        return _of_points(grid, target)
    if grid.is_projected:
        # components along the axes of a grid change their sign with the way that its columns run
        is_flipped = grid.rows_columns(_BACKWARD, _AS_IS).same_as(target)
        return CellOrder(_BACKWARD, _AS_IS) if is_flipped else None
    rows = _order_along(grid.latitude, target.latitude)
    # counted from just before the target's first column, so that no column stands at the seam
    first = float(target.longitude[0]) - 10 * _TOLERANCE
    columns = _order_along((grid.longitude - first) % 360.0, (target.longitude - first) % 360.0)
    return None if rows is None or columns is None else CellOrder(rows, columns)


def _order_along(held: NDArray[np.float64], wanted: NDArray[np.float64]) -> _Part | None:
    index = np.empty(wanted.size, dtype=np.int64)
    index[np.argsort(wanted, kind="stable")] = np.argsort(held, kind="stable")
    if np.abs(held[index] - wanted).max() > _TOLERANCE:
        return None
    steps = np.diff(index)
    if (steps == 1).all():
        return _AS_IS
    return _BACKWARD if (steps == -1).all() else index


def _of_points(grid: Grid, target: Grid) -> CellOrder | None:
    from scipy.spatial import KDTree

    distance, index = KDTree(grid.xyz()[0]).query(target.xyz()[0])
    if distance.max() > np.deg2rad(_TOLERANCE) or np.unique(index).size < index.size:
        return None
    return CellOrder(_AS_IS, np.asarray(index, dtype=np.int64))

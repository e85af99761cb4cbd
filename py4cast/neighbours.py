"""Neighbours: differences between cells at a distance and means over boxes of cells, what shows whether members hang together.

A score per cell does not see the joint law of a field: white noise and a field that moves as a whole may have the same law in
every cell. Differences δ_d x = x(i + d) − x(i) and means over k × k cells tell them apart. On rectangles both are along rows and
columns; on points pairs are those of the (d²)-th nearest neighbour, and boxes are groups of k² points next to each other.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import final

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from scipy.spatial import cKDTree
from torch import Tensor, nn

from py4cast.errors import SettingsError
from py4cast.grid import Grid

__all__ = ["DifferenceView", "NeighbourView", "differences_of", "groups_of", "means_of"]


class NeighbourView(nn.Module, ABC):
    """Abstract view of a field in which neighbouring cells are combined.

    Args:
        weights: of the cells, `(lat, lon)`; those of the view are made of them.
    """

    weights: Tensor

    @abstractmethod
    def forward(self, x: Tensor) -> Tensor:
        """The view `(…, rows, columns, features)` of fields `(…, lat, lon, features)`."""

    @abstractmethod
    def counted(self, counted: Tensor) -> Tensor:
        """Where a view counts, `(…, rows, columns, features)`, from where cells count."""


class DifferenceView(NeighbourView):
    """Abstract differences between the two cells of pairs, b − a."""

    @abstractmethod
    def ends(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The fields at both cells of every pair, `(…, rows, columns, features)` each."""

    def forward(self, x: Tensor) -> Tensor:
        here, there = self.ends(x)
        return there - here

    @final
    def counted(self, counted: Tensor) -> Tensor:
        here, there = self.ends(counted)
        return here & there


class _Shifted(DifferenceView):
    """δ x = x(i + d) − x(i) along rows or columns of a rectangle."""

    def __init__(self, weights: Tensor, dim: int, distance: int, is_periodic: bool) -> None:
        super().__init__()
        self._dim, self._distance, self._is_periodic = dim, distance, is_periodic
        here, there = self._pair(weights, dim)
        self.register_buffer("weights", (here * there).sqrt(), persistent=False)

    def _pair(self, x: Tensor, dim: int) -> tuple[Tensor, Tensor]:
        if self._is_periodic:
            return x, x.roll(-self._distance, dim)
        count = x.shape[dim] - self._distance
        return x.narrow(dim, 0, count), x.narrow(dim, self._distance, count)

    def ends(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return self._pair(x, self._dim - 3)


class _Paired(DifferenceView):
    """δ x = x(j) − x(i) over pairs of points."""

    first: Tensor
    second: Tensor

    def __init__(self, weights: Tensor, first: NDArray[np.int64], second: NDArray[np.int64]) -> None:
        super().__init__()
        self.register_buffer("first", torch.from_numpy(first), persistent=False)
        self.register_buffer("second", torch.from_numpy(second), persistent=False)
        pair = weights[..., self.first] * weights[..., self.second]
        self.register_buffer("weights", pair.sqrt(), persistent=False)

    def ends(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return x.index_select(-2, self.first), x.index_select(-2, self.second)


class _Boxes(NeighbourView):
    """Means over k × k cells of a rectangle, side by side; rows and columns that are left over are left out."""

    cells: Tensor

    def __init__(self, weights: Tensor, size: tuple[int, int]) -> None:
        super().__init__()
        self._size = size
        self.register_buffer("cells", weights, persistent=False)
        self.register_buffer("weights", self._sum(weights[..., None])[..., 0], persistent=False)

    def _sum(self, x: Tensor) -> Tensor:
        lead, (rows, columns, features) = x.shape[:-3], x.shape[-3:]
        planes = x.reshape(-1, rows, columns, features).movedim(-1, 1)
        summed = F.avg_pool2d(planes, self._size) * float(self._size[0] * self._size[1])
        return summed.movedim(1, -1).reshape(*lead, *summed.shape[-2:], features)

    def forward(self, x: Tensor) -> Tensor:
        least = torch.finfo(x.dtype).tiny
        return self._sum(x * self.cells.to(x.dtype)[..., None]) / self.weights.to(x.dtype).clamp_min(least)[..., None]

    def counted(self, counted: Tensor) -> Tensor:
        # a box of which a part lacks is another box
        return self._sum((~counted).float()) == 0


class _Groups(NeighbourView):
    """Means over groups of points."""

    cells: Tensor
    group: Tensor

    def __init__(self, weights: Tensor, group: NDArray[np.int64]) -> None:
        super().__init__()
        self._count = int(group.max()) + 1
        self.register_buffer("cells", weights, persistent=False)
        self.register_buffer("group", torch.from_numpy(group), persistent=False)
        self.register_buffer("weights", self._sum(weights[..., None])[..., 0], persistent=False)

    def _sum(self, x: Tensor) -> Tensor:
        out = x.new_zeros(*x.shape[:-2], self._count, x.shape[-1])
        return out.index_add(-2, self.group, x)

    def forward(self, x: Tensor) -> Tensor:
        least = torch.finfo(x.dtype).tiny
        return self._sum(x * self.cells.to(x.dtype)[..., None]) / self.weights.to(x.dtype).clamp_min(least)[..., None]

    def counted(self, counted: Tensor) -> Tensor:
        return self._sum((~counted).float()) == 0


def differences_of(grid: Grid, weights: Tensor, distances: Sequence[int]) -> list[DifferenceView]:
    """Differences at so many cells; distances that are wider than half of the grid are left out.

    Args:
        grid: of the fields.
        weights: of the cells, `(lat, lon)`.
        distances: [cells].

    Raises:
        SettingsError: no distance fits.
    """
    points = grid.xyz().reshape(-1, 3)
    views: list[DifferenceView] = []
    for distance in distances:
        if grid.is_rectangular:
            views += [
                _Shifted(weights, dim, distance, grid.periodicity[dim])
                for dim in (0, 1)
                if 2 * distance < grid.shape[dim]
            ]
        elif distance**2 < grid.shape[1]:
            _, nearest = cKDTree(points).query(points, [distance**2 + 1])
            first = np.arange(grid.shape[1])
            second = nearest[:, 0]
            apart = first != second
            views.append(_Paired(weights, first[apart], second[apart]))
    if not views:
        raise SettingsError(f"distances {list(distances)}: a grid of {grid.describe()} has no cells so far apart")
    return views


def means_of(grid: Grid, weights: Tensor, sizes: Sequence[int]) -> list[NeighbourView]:
    """Means over k × k cells, or over groups of k² points; sizes of fewer than two boxes are left out.

    Args:
        grid: of the fields.
        weights: of the cells, `(lat, lon)`.
        sizes: k [cells].

    Raises:
        SettingsError: no size fits.
    """
    points = grid.xyz().reshape(-1, 3)
    views: list[NeighbourView] = []
    for size in sizes:
        if grid.is_rectangular:
            sides = (min(size, grid.shape[0]), min(size, grid.shape[1]))
            if (grid.shape[0] // sides[0]) * (grid.shape[1] // sides[1]) > 1:
                views.append(_Boxes(weights, sides))
        elif 2 * size**2 <= grid.shape[1]:
            views.append(_Groups(weights, groups_of(points, size**2)))
    if not views:
        raise SettingsError(f"sizes {list(sizes)}: a grid of {grid.describe()} has no two boxes of so many cells")
    return views


def groups_of(points: NDArray[np.float64], size: int) -> NDArray[np.int64]:
    """Number of the group of each point, of about `size` neighbours: halves along the widest axis, and halves of these.

    Args:
        points: `(n, axes)`.
        size: of a group [points].
    """
    group = np.zeros(len(points), dtype=np.int64)
    parts, count = [np.arange(len(points))], 0
    while parts:
        part = parts.pop()
        if part.size < 2 * size:
            group[part] = count
            count += 1
            continue
        axis = int(np.ptp(points[part], axis=0).argmax())
        # whole groups on either side
        half = size * (part.size // size // 2)
        order = part[np.argsort(points[part, axis], kind="stable")]
        parts += [order[half:], order[:half]]
    return group

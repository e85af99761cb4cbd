"""Points brought to rows and columns, for scores that need neighbours."""

from functools import cached_property
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor

from py4cast.errors import SettingsError
from py4cast.grid import Grid
from py4cast.over_points import pixels, sides_of
from py4cast.regrid import Regridder

__all__ = ["Raster"]

_FEWEST = 2  # rows, and columns


class Raster:
    """Creates the latitude–longitude grid over points, and the linear map to it.

    Args:
        points: where the fields are.
        degrees: spacing of rows and columns; the nearest that fills the sides of the points evenly.

    Attributes:
        grid: the rows and columns.

    Raises:
        SettingsError: points that do not reach over two rows and columns.
    """

    def __init__(self, points: Grid, degrees: float) -> None:
        sides = sides_of(points)
        rows, columns = (
            int(np.rint((high - low) / degrees)) for low, high in ((sides.south, sides.north), (sides.west, sides.east))
        )
        if min(rows, columns) < _FEWEST:
            raise SettingsError(
                f"scores.raster {degrees:g}: makes {rows} x {columns} cells of the grid {points.describe()}; expected a finer one"
            )
        self.grid = pixels(sides, rows, columns)
        self._shape, self._regridder = points.shape, Regridder(points, self.grid, "linear")
        self._device = torch.device("cpu")

    def to(self, device: torch.device) -> Self:
        """The same with its weights on a device."""
        self._device = device
        self.__dict__.pop("_matrix", None)
        return self

    @cached_property
    def _matrix(self) -> Tensor:
        cells: Any = self._regridder.matrix.tocoo()
        places = torch.from_numpy(np.stack([cells.row, cells.col]).astype(np.int64))
        values = torch.from_numpy(cells.data)
        return torch.sparse_coo_tensor(places, values, cells.shape, check_invariants=False).coalesce().to(self._device)

    @cached_property
    def covered(self) -> Tensor:
        """Whether each cell lies on the points' grid, `(lat, lon)`."""
        return torch.from_numpy(self._regridder.covered)

    def __call__(self, field: Tensor) -> Tensor:
        """Fields of points `(..., 1, ngrid, features)` on the rows and columns, `(..., lat, lon, features)`; 0 beyond them."""
        leading, features = field.shape[:-3], field.shape[-1]
        flat = field.reshape(-1, self._shape[1], features).movedim(1, 0).flatten(1)
        cells = (self._matrix.to(flat.dtype) @ flat).reshape(self._matrix.shape[0], -1, features).movedim(0, 1)
        made = cells.reshape(*leading, *self.grid.shape, features)
        return torch.where(self.covered.to(made.device)[..., None], made, 0.0)

    def counted(self, mask: Tensor) -> Tensor:
        """Cells that are made of counted points alone, `(lat, lon, features)`."""
        return self((~mask).float()) <= 0

    def weights(self, weights: Tensor) -> Tensor:
        """Weights of the cells by their area, `(lat, lon)`: 0 beyond the points, and where one that is not scored reaches."""
        is_scored = self.counted((weights > 0).unsqueeze(-1)).squeeze(-1) & self.covered.to(weights.device)
        return torch.from_numpy(self.grid.area_weights().copy()).to(weights) * is_scored

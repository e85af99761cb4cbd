"""Tiles: networks whose view is a few cells wide, on the rows of a rank with so many more around them."""

from typing import Any

import torch
from torch import Tensor, nn

from py4cast.errors import SettingsError
from py4cast.models.split.group import ModelGroup
from py4cast.models.split.part import PartABC

__all__ = ["TilePart"]


class TilePart(PartABC):
    """Creates a rank's part of a network that sees `halo` rows around a cell: no rank waits for another within the network.

    Rows of the halo are computed twice, which costs less than it takes to exchange them after every layer.

    Args:
        model: from `(batch, lat, lon, features)` to the same.
        group: the ranks.
        rows: of the grid.
        halo: rows that a cell's result depends on, on either side.
        is_periodic: whether the last row is the neighbour of the first.

    Raises:
        SettingsError: fewer rows than ranks.
    """

    def __init__(self, model: nn.Module, group: ModelGroup, rows: int, halo: int, is_periodic: bool) -> None:
        if rows < group.size:
            raise SettingsError(f"--distributed domain: {rows} rows for {group.size} ranks; expected a row for each")
        self._model, self._group, self._rows = model, group, rows
        first, last = group.band(rows)
        self._mine = torch.arange(first, last)
        around = torch.arange(first - halo, last + halo)
        # a tile that ends where the grid does is padded by the network as the grid is
        self._seen = around % rows if is_periodic else around[(around >= 0) & (around < rows)]
        self._before = halo if is_periodic else first - int(self._seen[0])

    def __call__(self, x: Tensor, *terms: Any, **further: Any) -> Tensor:
        y = self._model(self._group.taken(x, self._seen.to(x.device), 1), *terms, **further)
        y = y[:, self._before : self._before + self._mine.numel()]
        return self._group.joined(y, self._mine.to(x.device), self._rows, 1)

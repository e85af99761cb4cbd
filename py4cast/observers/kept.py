"""KeptByGrid: what is worked out of a grid once, for the few grids that are drawn."""

from collections import OrderedDict
from collections.abc import Callable
from typing import TypeVar

from py4cast.grid import Grid

__all__ = ["KeptByGrid"]

T = TypeVar("T")


class KeptByGrid(OrderedDict[str, T]):
    """Creates an empty store of at most `most` results, by the fingerprint of their grid; the oldest leaves first."""

    def __init__(self, most: int) -> None:
        super().__init__()
        self._most = most

    def of(self, grid: Grid, make: Callable[[Grid], T]) -> T:
        """The result for a grid, made where it is not kept."""
        key = grid.fingerprint()
        if key not in self:
            self[key] = make(grid)
            while len(self) > self._most:
                self.popitem(last=False)
        return self[key]

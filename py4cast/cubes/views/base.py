"""The contract of views: cubes on one other cube, which say what they change and leave the rest to it."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from py4cast.cubes.base import CubeABC, Planes
from py4cast.cubes.kept import KeptCube
from py4cast.grid import Grid

__all__ = ["ViewCube"]


class ViewCube(KeptCube):
    """Abstract view of a cube; grid, instants and variables are the source's where a view does not set its own."""

    def __init__(self, source: CubeABC) -> None:
        self.source = source
        self.variables, self.axis = source.variables, source.axis

    @property
    def grid(self) -> Grid:
        return self.source.grid

    @property
    def shape(self) -> tuple[int, int]:
        return self.grid.shape

    def available(self, names: Sequence[str]) -> NDArray[np.bool_]:
        return self.source.available(names)

    def static_fields(self) -> dict[str, Planes]:
        return self.source.static_fields()

    def close(self) -> None:
        self.source.close()

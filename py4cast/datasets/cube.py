"""Cubes: where the planes of a series lie, in memory or in a prepared store."""

from abc import ABC, abstractmethod
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from py4cast.errors import nearest

__all__ = ["CubeABC", "MemoryCube"]


class CubeABC(ABC):
    """Abstract series of planes `(lat, lon)` per variable and evenly spaced instant."""

    names: Sequence[str]
    times: NDArray[np.datetime64]
    shape: tuple[int, int]

    @abstractmethod
    def read(self, names: Sequence[str], start: int, stop: int, out: NDArray[np.float32]) -> None:
        """Reads the instants `start` to `stop` (excluded) of some variables into `out`, `(variable, time, lat, lon)`.

        What is missing becomes NaN.
        """

    @abstractmethod
    def available(self, names: Sequence[str]) -> NDArray[np.bool_]:
        """Whether all of these variables are there at each instant, `(time,)`."""


class MemoryCube(CubeABC):
    """Creates a cube on an array `(variable, time, lat, lon)`."""

    def __init__(self, names: Sequence[str], times: NDArray[np.datetime64], values: NDArray[np.float32]) -> None:
        self.names, self.times, self._values = list(names), times, values
        self.shape = (values.shape[2], values.shape[3])

    def available(self, names: Sequence[str]) -> NDArray[np.bool_]:
        rows = [list(self.names).index(name) for name in names]
        return np.asarray(~np.isnan(self._values[rows]).all(axis=(2, 3)).any(axis=0))

    def read(self, names: Sequence[str], start: int, stop: int, out: NDArray[np.float32]) -> None:
        for row, name in enumerate(names):
            if name not in self.names:
                raise ValueError(f"no variable {name!r}{nearest(name, self.names)}")
            out[row] = self._values[list(self.names).index(name), start:stop]

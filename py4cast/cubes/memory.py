"""MemoryCube: planes in memory."""

import hashlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from py4cast.axis import TimeAxis
from py4cast.cubes.base import CubeABC, Planes, pairs_of
from py4cast.errors import nearest
from py4cast.grid import Grid
from py4cast.statistics import MOMENTS, Stats, merge_moments, moments
from py4cast.variables import Variable

__all__ = ["MemoryCube"]


class MemoryCube(CubeABC):
    """Creates a cube on an array `(variable, time, lat, lon)`."""

    def __init__(self, variables: Sequence[Variable], axis: TimeAxis, grid: Grid, values: Planes) -> None:
        self.variables, self.axis, self._grid, self._values = list(variables), axis, grid, values
        self._rows = {v.name: row for row, v in enumerate(variables)}

    @property
    def grid(self) -> Grid:
        return self._grid

    @property
    def fingerprint(self) -> str:
        return hashlib.sha256(self._values.tobytes()).hexdigest()

    def available(self, names: Sequence[str]) -> NDArray[np.bool_]:
        rows = [self._row(name) for name in names]
        return np.asarray(~np.isnan(self._values[rows]).all(axis=(2, 3)).any(axis=0))

    def _row(self, name: str) -> int:
        if name not in self._rows:
            raise ValueError(f"no variable {name!r}{nearest(name, self.names)}")
        return self._rows[name]

    def read(self, names: Sequence[str], start: int, stop: int, out: Planes) -> None:
        for row, name in enumerate(names):
            out[row] = self._values[self._row(name), start:stop]

    def statistics(self, inside: NDArray[np.bool_], names: Sequence[str] | None = None) -> tuple[Stats, Stats]:
        chosen = list(names or self.names)
        pairs = np.flatnonzero(pairs_of(self.axis, inside))
        fields, differences = np.empty((len(chosen), len(MOMENTS))), np.empty((len(chosen), len(MOMENTS)))
        for row, name in enumerate(chosen):
            plane = self._values[self._row(name)]
            fields[row] = merge_moments(moments(plane[inside]))
            differences[row] = merge_moments(moments(plane[pairs].astype(np.float64) - plane[pairs - 1]))
        return Stats.from_moments(chosen, fields), Stats.from_moments(chosen, differences)

    def valid_mask(self, names: Sequence[str]) -> NDArray[np.bool_]:
        rows = [self._row(name) for name in names]
        return np.asarray(np.isfinite(self._values[rows]).any(axis=1).all(axis=0))

"""Cubes: where the planes of a series, or of many forecasts, lie: in memory, in a prepared store, in a foreign one.

A cube is named planes `(lat, lon)` over a TimeAxis on one grid. Whatever it is, a dataset reads it the same way,
and it answers for its statistics: a store has them on disk, another cube makes them in one pass and keeps them.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from py4cast.datasets.axis import TimeAxis
from py4cast.errors import nearest
from py4cast.grid import Grid
from py4cast.statistics import MOMENTS, Stats, merge_moments, moments
from py4cast.variables import Variable

__all__ = ["CubeABC", "MemoryCube", "pairs_of"]

Planes = NDArray[np.float32]


def pairs_of(axis: TimeAxis, inside: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Whether an instant and the one before it in its run are both inside, `(time,)`."""
    pairs = inside.copy()
    pairs[1:] &= inside[:-1]
    return np.asarray(pairs & ~axis.is_first)


class CubeABC(ABC):
    """Abstract cube.

    Attributes:
        variables: what it holds; roles are the dataset's to give.
        axis: its instants.
    """

    variables: Sequence[Variable]
    axis: TimeAxis

    @property
    def names(self) -> list[str]:
        """Names of the variables."""
        return [v.name for v in self.variables]

    @property
    def times(self) -> NDArray[np.datetime64]:
        """Valid time of every instant, `(time,)`."""
        return self.axis.times

    @property
    @abstractmethod
    def grid(self) -> Grid:
        """Where the cells are."""

    @property
    def shape(self) -> tuple[int, int]:
        """`(lat, lon)`."""
        return self.grid.shape

    @property
    def disk_block(self) -> int | None:
        """Instants that lie together on the disk, where memory cannot hold all of them; None where order is free."""
        return None

    @property
    @abstractmethod
    def fingerprint(self) -> str:
        """Changes with the values."""

    @abstractmethod
    def read(self, names: Sequence[str], start: int, stop: int, out: Planes) -> None:
        """Reads the instants `start` to `stop` (excluded) of some variables into `out`, `(variable, time, lat, lon)`.

        What is missing becomes NaN.
        """

    @abstractmethod
    def available(self, names: Sequence[str]) -> NDArray[np.bool_]:
        """Whether all of these variables are there at each instant, `(time,)`."""

    def read_window(
        self, names: Sequence[str], start: int, stop: int, rows: slice, columns: slice, out: Planes
    ) -> None:
        """Reads some rows and columns alone; `out` is `(variable, time, rows, columns)`."""
        whole = np.empty((len(names), stop - start, *self.shape), dtype=np.float32)
        self.read(names, start, stop, whole)
        np.copyto(out, whole[:, :, rows, columns])

    def static_fields(self) -> dict[str, Planes]:
        """Fixed fields by name, `(lat, lon)`."""
        return {}

    def statistics(self, inside: NDArray[np.bool_], names: Sequence[str] | None = None) -> tuple[Stats, Stats]:
        """Statistics of the fields, and of their one-step differences, over the instants `inside`, `(time,)`.

        A difference counts when both of its instants are inside and in one run; all in physical units.
        """
        from py4cast.datasets.moments import KeptMoments

        chosen = list(names or self.names)
        kept = KeptMoments(self, chosen)
        fields = merge_moments(kept.fields[inside])
        differences = merge_moments(kept.differences[pairs_of(self.axis, inside)])
        return Stats.from_moments(chosen, fields), Stats.from_moments(chosen, differences)

    def valid_mask(self, names: Sequence[str]) -> NDArray[np.bool_]:
        """True where every one of these variables ever holds data, `(lat, lon)`."""
        from py4cast.datasets.moments import KeptMoments

        return np.asarray((KeptMoments(self, list(names)).counts > 0).all(axis=0))

    def variable(self, name: str) -> Variable:
        """The variable of this name; ValueError when there is none."""
        for variable in self.variables:
            if variable.name == name:
                return variable
        raise ValueError(f"no variable {name!r}{nearest(name, self.names)}")

    def close(self) -> None:
        """Closes what is open."""


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
        import hashlib

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

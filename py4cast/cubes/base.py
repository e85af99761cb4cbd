"""Cubes: where the planes of a series, or of many forecasts, lie: in memory, in a prepared store, in a foreign one.

A cube is named planes `(lat, lon)` over a TimeAxis on one grid. Whatever it is, a dataset reads it the same way,
and it answers for its statistics: a store has them on disk, a cube in memory makes them anew, another makes them in
one pass and keeps them (`KeptCube`).
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from py4cast.axis import TimeAxis
from py4cast.errors import nearest
from py4cast.grid import Grid
from py4cast.statistics import Stats
from py4cast.variables import Variable

__all__ = ["CubeABC", "Planes", "pairs_of"]

Planes = NDArray[np.float32]


def pairs_of(axis: TimeAxis, inside: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Whether an instant and the one before it in its run are both inside, `(time,)`."""
    pairs = inside.copy()
    pairs[1:] &= inside[:-1]
    return np.asarray(pairs & ~axis.is_first)


class CubeABC(ABC):
    """Abstract cube of named planes over the instants of an axis, on one grid.

    Attributes:
        variables: what it holds; roles are the dataset's to give.
        axis: its instants.
        spans: how long the sums of a variable run, by name, where the source says so; several where they grow from the start on.
    """

    variables: Sequence[Variable]
    axis: TimeAxis
    spans: Mapping[str, frozenset[np.timedelta64]] = MappingProxyType({})

    @property
    def names(self) -> list[str]:
        """The names of its variables, in order."""
        return [v.name for v in self.variables]

    @property
    def times(self) -> NDArray[np.datetime64]:
        """Valid time of every instant, `(time,)`."""
        return self.axis.times

    @property
    @abstractmethod
    def grid(self) -> Grid:
        """Where the cells of its planes are."""

    @property
    def imposed(self) -> NDArray[np.bool_] | None:
        """Cells whose values were imposed, not forecast, `(lat, lon)`; None where it does not say."""
        return None

    @property
    def shape(self) -> tuple[int, int]:
        """The shape of a plane, `(lat, lon)`."""
        return self.grid.shape

    @property
    def disk_block(self) -> int | None:
        """Instants that lie together on the disk, where memory cannot hold all of them; None where order is free."""
        return None

    @property
    @abstractmethod
    def fingerprint(self) -> str:
        """A text that changes with the values, and with nothing else."""

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

    @abstractmethod
    def statistics(self, inside: NDArray[np.bool_], names: Sequence[str] | None = None) -> tuple[Stats, Stats]:
        """Statistics of the fields, and of their one-step differences, over the instants `inside`, `(time,)`.

        A difference counts when both of its instants are inside and in one run; all in physical units.
        """

    @abstractmethod
    def valid_mask(self, names: Sequence[str]) -> NDArray[np.bool_]:
        """True where every one of these variables ever holds data, `(lat, lon)`."""

    def variable(self, name: str) -> Variable:
        """The variable of this name; ValueError when there is none."""
        for variable in self.variables:
            if variable.name == name:
                return variable
        raise ValueError(f"no variable {name!r}{nearest(name, self.names)}")

    def close(self) -> None:
        """Closes the files that are open, if any."""

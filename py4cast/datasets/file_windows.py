"""FileWindows: the instants around one start after another, read from the files themselves; no store is made."""

import numpy as np
from numpy.typing import NDArray

from py4cast.axis import TimeAxis
from py4cast.cubes.memory import MemoryCube
from py4cast.grid import Grid
from py4cast.planes.reader import PlaneReader

__all__ = ["FileWindows"]


class FileWindows:
    """Creates what reads the instants around any start; those that the window before held are not read again.

    Args:
        planes: reader of the variables; its files are closed after each window.
        grid: of the planes.
    """

    def __init__(self, planes: PlaneReader, grid: Grid) -> None:
        self._planes, self._grid = planes, grid
        self._kept: dict[np.datetime64, NDArray[np.float32]] = {}

    def cube(self, times: NDArray[np.datetime64]) -> MemoryCube:
        """The planes of some instants of a series in memory; NaN where a file lacks one.

        Raises:
            DataError: a field that is NaN where that is forbidden, or out of its physical range.
        """
        stored, axis = self._planes.stored, TimeAxis.series(times)
        values = np.full((len(stored), times.size, *self._planes.shape), np.nan, dtype=np.float32)
        try:
            for column, time in enumerate(axis.times):
                if time in self._kept:
                    values[:, column] = self._kept[time]
                    continue
                for row, variable in enumerate(stored):
                    plane = self._planes.read(variable.name, axis.instant(column))
                    if plane is not None:
                        values[row, column] = plane
        finally:
            self._planes.close()
        self._kept = {time: values[:, column] for column, time in enumerate(axis.times)}
        return MemoryCube(stored, axis, self._grid, values)

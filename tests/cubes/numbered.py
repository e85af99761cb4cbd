"""Cubes in memory whose values tell where they stand: variable, instant, row and column."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from py4cast.axis import TimeAxis
from py4cast.cubes.base import CubeABC, Planes
from py4cast.cubes.kept import KeptCube
from py4cast.cubes.memory import MemoryCube
from py4cast.grid import Grid
from py4cast.variables import Variable
from tests.weather_files import HOUR, START

GRID = Grid(np.array([52.0, 51.0, 50.0]), np.array([0.0, 1.0, 2.0, 3.0]))


def value(variable: int, instant: int, grid: Grid = GRID) -> NDArray[np.float32]:
    """The plane of a variable at an instant, exact in float32: 1000·variable + instant + row/4 + column/32."""
    rows, columns = np.indices(grid.shape)
    return np.asarray(1000.0 * variable + instant + rows / 4 + columns / 32, dtype=np.float32)


def hours(first: int, count: int, step: int = 1) -> TimeAxis:
    return TimeAxis.series(START + (first + step * np.arange(count)) * HOUR)


def forecasts(starts: Sequence[int], leads: Sequence[int], members: Sequence[int] = ()) -> TimeAxis:
    """The axis of these starts and lead times, in hours."""
    return TimeAxis.forecasts(START + np.array(starts) * HOUR, np.array(leads) * HOUR, members)


def numbered(
    axis: TimeAxis, names: str = "t", grid: Grid = GRID, units: str = "K", first: int = 0, fixed: bool = False
) -> MemoryCube:
    """A cube of variables of one letter; `first` is the number of its first instant."""
    values = np.array([[value(v, first + i, grid) for i in range(axis.size)] for v in range(len(names))])
    return (WithFixed if fixed else MemoryCube)([Variable(name=n, units=units) for n in names], axis, grid, values)


class WithFixed(KeptCube, MemoryCube):
    """A cube with one fixed field and statistics that are kept, and a count of how often it was closed."""

    closings = 0

    def static_fields(self) -> dict[str, Planes]:
        return {"orog": value(9, 0, self.grid)}

    def close(self) -> None:
        self.closings += 1


def planes_of(cube: CubeABC, names: Sequence[str] | None = None, start: int = 0, stop: int | None = None) -> Planes:
    """What a cube reads, `(variable, time, lat, lon)`."""
    chosen = list(names or cube.names)
    end = cube.axis.size if stop is None else stop
    planes = np.full((len(chosen), end - start, *cube.shape), -9.0, dtype=np.float32)
    cube.read(chosen, start, end, planes)
    return planes

"""Splits: what the splits of one cube share. CubePart: the cells of it that are read."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from py4cast.cubes.base import CubeABC
from py4cast.cubes.driver import Driver
from py4cast.dataset_info import DatasetInfo
from py4cast.datasets.forcings import ComputedForcings
from py4cast.datasets.loader import Window
from py4cast.errors import SettingsError

__all__ = ["CubePart", "Splits"]


@dataclass(frozen=True, slots=True)
class Splits:
    """What the splits of one cube share.

    Args:
        cube: where the planes lie.
        info: what they are.
        computed: forcings that are made.
        drivers: further sources by key: `boundary`, and the inputs that the settings name.
        held: first and last instant of the data, where the cube holds a part of them.
    """

    cube: CubeABC
    info: DatasetInfo
    computed: ComputedForcings
    drivers: Mapping[str, Driver] = field(default_factory=dict)
    held: tuple[np.datetime64, np.datetime64] | None = None

    @property
    def span(self) -> str:
        """From when to when there are data."""
        first, last = self.held or (self.cube.times.min(), self.cube.times.max())
        return f"{first} to {last}"


class CubePart:
    """Creates the rows and columns of a cube that are read; None for all.

    Raises:
        SettingsError: a window that leaves the grid, or that has steps.
    """

    def __init__(self, cube: CubeABC, window: Window | None) -> None:
        self._cube, self._window = cube, window
        self.shape = cube.shape
        if window is None:
            return
        for what, part, size in (("rows", window[0], cube.shape[0]), ("columns", window[1], cube.shape[1])):
            if (
                part.step not in (None, 1)
                or not 0 <= (part.start or 0) < (size if part.stop is None else part.stop) <= size
            ):
                raise SettingsError(f"window: {what} {part} of a grid of {cube.shape[0]} x {cube.shape[1]} cells")
        rows, columns = (len(range(size)[part]) for part, size in zip(window, cube.shape, strict=True))
        self.shape = rows, columns

    def read(self, names: Sequence[str], start: int, stop: int, out: NDArray[np.float32]) -> None:
        """Reads instants into `out`, `(variable, time, rows, columns)`."""
        if self._window is None:
            self._cube.read(names, start, stop, out)
        else:
            self._cube.read_window(names, start, stop, *self._window, out)

    def fill(self, computed: ComputedForcings, valid: NDArray[np.datetime64], out: NDArray[np.float32]) -> None:
        """Computes forcings into `out`, `(name, time, rows, columns)`."""
        if self._window is None:
            computed.fill(valid, out)
        else:
            rows, columns = self._window
            np.copyto(out, computed.compute(valid)[:, :, rows, columns])

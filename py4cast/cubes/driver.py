"""Driver: a second source beside the data: a driving model's border values, or further inputs on another grid.

Its fields are wanted at the valid times of a forecast that starts at `init_time`. A series of analyses gives them as
they are; of forecasts the freshest one that started no later is taken, as in operations. Between its instants
values are linear in time.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from py4cast.cubes.base import CubeABC, Planes
from py4cast.errors import DataError, nearest
from py4cast.timeline import later, show_duration

__all__ = ["Driver"]

Times = NDArray[np.datetime64]
_ZERO = np.timedelta64(0, "s")


class Driver:
    """Creates a driver on a cube.

    Args:
        cube: its fields, already on the grid that they are wanted on.
        names: which of them, in order.
        latency: how long after its start a forecast can be used.
        at_start: whether every step sees the fields of `init_time`, as observations are known, in place of those of its own time.

    Raises:
        DataError: the cube lacks one of the names.
    """

    def __init__(
        self, cube: CubeABC, names: Sequence[str], latency: np.timedelta64 = _ZERO, at_start: bool = False
    ) -> None:
        self.cube, self.names, self._latency, self.at_start = cube, list(names), latency, at_start
        for name in names:
            if name not in cube.names:
                raise DataError(f"the driving data lack {name!r}{nearest(name, cube.names)}")
        self.shape = cube.shape
        self._there = cube.available(names)

    def _run(self, init_time: np.datetime64) -> tuple[int, int]:
        """First and last (excluded) instant of the run to take."""
        axis = self.cube.axis
        if axis.is_series:
            return 0, axis.size
        index = int(np.searchsorted(axis.init_times, init_time - self._latency, side="right")) - 1
        if index < 0:
            return 0, 0
        start = index * axis.num_members * axis.length
        return start, start + axis.length

    def _around(self, init_time: np.datetime64, valid: Times) -> tuple[NDArray[np.int64], NDArray[np.float64]] | None:
        """The instants before each valid time, and how far it lies towards the next; None where there are none."""
        if self.at_start:
            valid = np.full_like(valid, init_time)
        start, stop = self._run(init_time)
        times = self.cube.times[start:stop]
        if not times.size or (valid.size and (valid[0] < times[0] or valid[-1] > times[-1])):
            return None
        low = np.searchsorted(times, valid, side="right") - 1
        gap = np.where(
            low + 1 < times.size, times[np.minimum(low + 1, times.size - 1)] - times[low], np.timedelta64(1, "s")
        )
        share = (valid - times[low]) / gap
        needed = np.unique(np.concatenate([low, np.where(share > 0, low + 1, low)]))
        if not self._there[start + needed].all():
            return None
        return start + low, share

    def covers(self, init_times: Times, num_steps: int, step: np.timedelta64) -> NDArray[np.bool_]:
        """Whether it has all that forecasts from these starts need, `(n,)`."""
        steps = np.arange(1, num_steps + 1)
        return np.array([self._around(t, later(t, steps, step)) is not None for t in init_times], dtype=bool)

    def require(self, key: str, init_time: np.datetime64, valid: Times) -> None:
        """Refuses a forecast for which it lacks something; DataError says what it holds."""
        if self._around(init_time, valid) is None:
            valid = np.full_like(valid, init_time) if self.at_start else valid
            times = self.cube.times
            held = f"{times.min()} to {times.max()} every {show_duration(self.cube.axis.step)}"
            raise DataError(
                f"forecast from {init_time}: {key} lacks {', '.join(self.names)} up to {valid[-1]}; it holds {held}"
            )

    def read(self, init_time: np.datetime64, valid: Times, out: Planes) -> None:
        """The fields at the valid times into `out`, `(names, timestep, lat, lon)`; NaN where there are none."""
        if self.at_start and valid.size > 1:
            self.read(init_time, valid[:1], out[:, :1])
            out[:, 1:] = out[:, :1]
            return
        around = self._around(init_time, valid)
        if around is None:
            out[:] = np.nan
            return
        indices, share = around
        if not share.any() and (np.diff(indices) == 1).all():
            self.cube.read(self.names, int(indices[0]), int(indices[-1]) + 1, out)
            return
        pair = np.empty((len(self.names), 2, *self.shape), dtype=np.float32)
        for i, (index, part) in enumerate(zip(indices.tolist(), share.tolist(), strict=True)):
            count = 2 if part > 0 else 1
            self.cube.read(self.names, index, index + count, pair[:, :count])
            out[:, i] = pair[:, 0] if count == 1 else pair[:, 0] * (1 - part) + pair[:, 1] * part

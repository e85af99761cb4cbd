"""Which windows of a cube are samples: those whose every instant is there, in the period and in one run."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from py4cast.axis import TimeAxis
from py4cast.cubes.base import CubeABC
from py4cast.errors import DataError
from py4cast.timeline import Period, duration, is_on, show_duration

__all__ = ["init_indices", "require_samples", "what_lacks"]


def init_indices(
    axis: TimeAxis,
    states: NDArray[np.bool_],
    others: NDArray[np.bool_],
    period: Period,
    num_input_steps: int,
    num_pred_steps: int,
) -> NDArray[np.int64]:
    """Indices i of the last past state of every sample: all it needs is available, in the period and in one run.

    That is the states of instants i−n+1 … i+k, and the diagnostics and forcings of i+1 … i+k.

    Args:
        axis: the instants.
        states: whether all prognostic fields of an instant are there, `(time,)`.
        others: whether all diagnostic and forcing fields are, `(time,)`.
        period: the split's.
        num_input_steps: past states n.
        num_pred_steps: predicted steps k.
    """
    inside = axis.inside(period)
    first, last = num_input_steps - 1, axis.size - num_pred_steps
    if last <= first:
        return np.zeros(0, dtype=np.int64)
    candidates = np.arange(first, last)
    runs = axis.runs
    one_run = runs[candidates - num_input_steps + 1] == runs[candidates + num_pred_steps]
    whole = _all_in(states & inside, candidates - num_input_steps + 1, num_input_steps + num_pred_steps)
    inits = candidates[one_run & whole & _all_in(others & inside, candidates + 1, num_pred_steps)]
    if period.init_step is not None and inits.size and axis.is_series:
        is_due = is_on(axis.times[inits], period.first, duration(period.init_step))
        inits = inits[is_due]
    return np.asarray(inits, dtype=np.int64)


def _all_in(flags: NDArray[np.bool_], starts: NDArray[np.int64], length: int) -> NDArray[np.bool_]:
    """Whether all of `length` neighbours are true, from each start."""
    total = np.concatenate([[0], np.cumsum(flags)])
    return np.asarray(total[starts + length] - total[starts] == length)


def require_samples(
    inits: NDArray[np.int64],
    split: str,
    axis: TimeAxis,
    available: NDArray[np.bool_],
    period: Period,
    length: int,
) -> None:
    """Refuses a split without samples, saying why.

    Raises:
        DataError: names the split, its period, how many instants it holds and how many are needed in a row.
    """
    if inits.size:
        return
    held = int((available & axis.inside(period)).sum())
    if not held:
        have = axis.times[available] if axis.is_series else axis.init_times
        what = "the data hold" if axis.is_series else "the forecasts start from"
        span = f"{what} {have[0]} to {have[-1]}" if have.size else "the data hold nothing"
        raise DataError(f"period {split} ({period.start} to {period.end}) holds no data; {span}")
    if axis.length == 1:
        raise DataError(
            f"period {split} ({period.start} to {period.end}) holds {held} starts of one lead time each, of which no forecast can be "
            f"learned; choose one of the members, if they are analyses"
        )
    step = show_duration(axis.step)
    raise DataError(
        f"period {split} ({period.start} to {period.end}) holds {held} instants of {step}, no {length} of them in a row; "
        f"{length} are needed (input steps + predicted steps); ask for fewer steps or a longer period"
    )


def what_lacks(cube: CubeABC, names: Sequence[str], instants: NDArray[np.int64], index: int, is_before: bool) -> str:
    """Which of some variables are missing, and when, in words.

    Args:
        cube: that lacks them.
        names: of which one or more are missing.
        instants: at which they are; where there are none, the run of `index` does not reach so far.
        index: an instant of the run.
        is_before: whether it is its begin that is too late.
    """
    axis = cube.axis
    if instants.size:
        first = int(instants[0])
        return f"{', '.join(n for n in names if not cube.available([n])[first])} missing {cube.times[first]}"
    begin, end = cube.times[index // axis.length * axis.length], cube.times[axis.run_end(index) - 1]
    return f"{', '.join(names)} missing " + (f"before {begin}" if is_before else f"after {end}")

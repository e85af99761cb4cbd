"""The frames of a page: the lead times of one forecast, or the times of a series, and which instants of a cube they show."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from py4cast.axis import TimeAxis
from py4cast.cubes.base import CubeABC
from py4cast.errors import SettingsError
from py4cast.observers.titles import of_case, shown_time
from py4cast.timeline import instant
from py4cast.workflows.chosen import chosen_start, chosen_steps, instants_of
from py4cast.workflows.counterpart import held_at

__all__ = ["Moment", "chosen_moments", "counterparts", "moments_of"]

_HOUR = np.timedelta64(3600, "s")
_OF_FORECASTS = "--init_time and --lead_times are of forecasts; the files hold a series"


class Moment(NamedTuple):
    """One frame of a page.

    Args:
        title: with its start, lead time and valid time.
        valid: the time that it is of.
        lead: hours since the start; None in a series.
        instants: of the cube, one per member.
    """

    title: str
    valid: np.datetime64
    lead: float | None
    instants: tuple[int, ...]

    @property
    def start(self) -> np.datetime64 | None:
        """The start of its forecast; None in a series."""
        return None if self.lead is None else self.valid - np.timedelta64(round(3600 * self.lead), "s")


def moments_of(cube: CubeABC, init_time: str | None = None, lead_times: Sequence[str] = ()) -> list[Moment]:
    """All frames of the files, or those of some lead times, in the order of time.

    Raises:
        SettingsError: several starts and none chosen, or times that are not there.
    """
    if cube.axis.is_series:
        if init_time is not None or lead_times:
            raise SettingsError(_OF_FORECASTS)
        return _of_series(cube.axis)
    return sorted(_of_forecast(cube, init_time, lead_times), key=lambda moment: moment.valid)


def chosen_moments(
    cube: CubeABC, init_time: str | None, lead_times: Sequence[str], times: Sequence[str]
) -> list[Moment]:
    """The frames that are asked for, in that order; all where none is.

    Raises:
        SettingsError: several starts and none chosen, times that are not there, or those of a series asked of a forecast.
    """
    axis = cube.axis
    if not axis.is_series:
        if times:
            raise SettingsError("--times: of a series; the files hold forecasts: give --init_time and --lead_times")
        return _of_forecast(cube, init_time, lead_times)
    if init_time is not None or lead_times:
        raise SettingsError(f"{_OF_FORECASTS}: give --times")
    moments = _of_series(axis)
    by_time = {moment.valid: moment for moment in moments}
    asked = [instant(t) for t in times]
    for time in asked:
        if time not in by_time:
            raise SettingsError(f"--times {time}: not in the files, which hold {axis.times[0]} to {axis.times[-1]}")
    return [by_time[time] for time in asked] or moments


def _of_series(axis: TimeAxis) -> list[Moment]:
    return [Moment(shown_time(t), t, None, (i,)) for i, t in enumerate(axis.times.astype("datetime64[s]"))]


def _of_forecast(cube: CubeABC, init_time: str | None, lead_times: Sequence[str]) -> list[Moment]:
    """The lead times of one start, with the members that it has: files of several starts may hold others of each."""
    axis = cube.axis
    start = chosen_start(axis.init_times.astype("datetime64[s]"), init_time)
    held = np.any([cube.available([name]) for name in cube.names], axis=0)
    of_steps = np.array([instants_of(axis, start, step) for step in range(axis.length)])
    is_held = held[of_steps]
    members, steps = np.flatnonzero(is_held.any(axis=0)), chosen_steps(axis, lead_times)
    for step in steps:
        if not is_held[step].any():
            has = ", ".join(f"{lead / _HOUR:g}" for lead in axis.lead_times[is_held.any(axis=1)][:12])
            raise SettingsError(f"--lead_times {axis.lead_times[step] / _HOUR:g}h: not in the forecast from {start}, which holds {has} ... h")  # fmt: skip
    moments = []
    for step in steps or np.flatnonzero(is_held.any(axis=1)).tolist():
        valid = np.datetime64(axis.times[of_steps[step, 0]], "s")
        title = of_case(start, axis.lead_times[step])
        moments.append(Moment(title, valid, float((valid - start) / _HOUR), tuple(of_steps[step, members].tolist())))
    return moments


def counterparts(moments: Sequence[Moment], other: CubeABC) -> list[tuple[int, ...]]:
    """The instants of another cube that each frame is held against, by valid time; empty where it has none.

    Of several forecasts that are valid then, the one of the same start, else the latest one.
    """
    return held_at(other.axis, [(moment.valid, moment.start) for moment in moments])

"""The frames of a page: the lead times of one forecast, or the times of a series, and which instants of a cube they show."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from py4cast.cubes.base import CubeABC
from py4cast.errors import SettingsError
from py4cast.observers.titles import of_case, shown_time
from py4cast.timeline import duration
from py4cast.workflows.chosen import chosen_start

__all__ = ["Moment", "counterparts", "moments_of"]

_HOUR = np.timedelta64(3600, "s")


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


def moments_of(cube: CubeABC, init_time: str | None = None, lead_times: Sequence[str] = ()) -> list[Moment]:
    """All frames of the files, or those of some lead times.

    Raises:
        SettingsError: several starts and none chosen, or times that are not there.
    """
    axis = cube.axis
    if axis.is_series:
        if init_time is not None or lead_times:
            raise SettingsError("--init_time and --lead_times are of forecasts; the files hold a series")
        return [Moment(shown_time(t), t, None, (i,)) for i, t in enumerate(axis.times.astype("datetime64[s]"))]
    starts = axis.init_times.astype("datetime64[s]")
    start = chosen_start(starts, init_time)
    asked = [duration(t) for t in lead_times]
    for lead in asked:
        if lead not in axis.lead_times:
            held = ", ".join(f"{t / _HOUR:g}" for t in axis.lead_times[:12])
            raise SettingsError(f"--lead_times {lead / _HOUR:g}h: not in the files, which hold {held} ... h")
    first = int(np.flatnonzero(starts == start)[0]) * axis.num_members * axis.length
    moments = []
    for step, lead in enumerate(axis.lead_times):
        if asked and lead not in asked:
            continue
        instants = tuple(first + m * axis.length + step for m in range(axis.num_members))
        valid = np.datetime64(axis.times[instants[0]], "s")
        hours = float((valid - start) / _HOUR)
        moments.append(Moment(of_case(start, lead), valid, hours, instants))
    return moments


def counterparts(moments: Sequence[Moment], other: CubeABC) -> list[tuple[int, ...]]:
    """The instants of another cube that each frame is held against, by valid time; empty where it has none.

    Of several forecasts that are valid then, the one of the same start, else the latest one.
    """
    axis = other.axis
    valid = axis.times.astype("datetime64[s]")
    instants_of: list[tuple[int, ...]] = []
    for moment in moments:
        places = np.flatnonzero(valid == moment.valid)
        if axis.is_series or not places.size:
            instants_of.append(tuple(int(p) for p in places[:1]))
            continue
        runs = places // (axis.num_members * axis.length)
        start = None if moment.lead is None else moment.valid - np.timedelta64(round(3600 * moment.lead), "s")
        same = runs[axis.init_times[runs].astype("datetime64[s]") == start]
        run = int(same[0]) if same.size else int(runs[np.argmax(axis.init_times[runs])])
        instants_of.append(tuple(int(p) for p in places[runs == run]))
    return instants_of

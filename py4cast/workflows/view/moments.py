"""The frames of a page: the lead times of one forecast, or the times of a series, and which instants of a cube they show."""

import logging
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from py4cast.cubes.base import CubeABC
from py4cast.errors import SettingsError
from py4cast.observers.titles import of_case, shown_time
from py4cast.workflows.chosen import chosen_start, chosen_steps, instants_of
from py4cast.workflows.counterpart import held_at

__all__ = ["Moment", "counterparts", "moments_of"]

logger = logging.getLogger(__name__)
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
    start = chosen_start(axis.init_times.astype("datetime64[s]"), init_time)
    moments = []
    for step in sorted(chosen_steps(axis, lead_times)) or range(axis.length):
        instants = instants_of(axis, start, step)
        valid = np.datetime64(axis.times[instants[0]], "s")
        moments.append(Moment(of_case(start, axis.lead_times[step]), valid, float((valid - start) / _HOUR), instants))
    return moments


def counterparts(moments: Sequence[Moment], other: CubeABC) -> list[tuple[int, ...]]:
    """The instants of another cube that each frame is held against, by valid time; empty where it has none.

    Of several forecasts that are valid then, the one of the same start, else the latest one.
    """
    held: list[tuple[int, ...]] = []
    mixed = 0
    for moment in moments:
        start = None if moment.lead is None else moment.valid - np.timedelta64(round(3600 * moment.lead), "s")
        instants, is_mixed = held_at(other.axis, moment.valid, start)
        held.append(instants)
        mixed += is_mixed
    if mixed:
        logger.warning("--with: at %d of %d times several forecasts of another start are valid; the latest is shown", mixed, len(moments))  # fmt: skip
    return held

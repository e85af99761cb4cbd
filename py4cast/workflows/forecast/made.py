"""The members that one Forecaster makes of the last states, lead time after lead time."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from itertools import chain
from typing import NamedTuple

import numpy as np

from py4cast.calibration import hours_of
from py4cast.constraint import bounded_array
from py4cast.errors import SettingsError
from py4cast.given import Given
from py4cast.steppers import Array, StepperABC
from py4cast.timeline import instant, later
from py4cast.variables import bounds_of
from py4cast.workflows.forecast.members import Members
from py4cast.workflows.forecast.perturbed import perturbation_of
from py4cast.workflows.forecast.request import Forecast
from py4cast.workflows.forecast.room import check_room
from py4cast.workflows.forecast.sources import FileSource, SourceABC

__all__ = ["MadeMembers", "members_from", "members_of", "open_source", "together"]


class MadeMembers(NamedTuple):
    """The members of one Forecaster.

    Args:
        start: of the forecast.
        numbers: of the members; empty for a single forecast.
        num_members: how many there are, one for a single forecast.
        steps: gives `(member, lat, lon, features)` of each lead time.
    """

    start: np.datetime64
    numbers: tuple[int, ...]
    num_members: int
    steps: Iterator[Array]


def open_source(asked: Forecast, stepper: StepperABC, stack: ExitStack, first: np.datetime64 | None) -> SourceABC:
    """The source that a forecast asks for.

    Args:
        asked: the forecast.
        stepper: that makes it.
        stack: closes what is opened.
        first: start of the first forecast; None for the latest.
    """
    if asked.input:
        return FileSource(asked, stepper, stack)
    from py4cast.workflows.forecast.dataset_input import DatasetSource

    assert first is not None or asked.init_time is not None, "checked before"
    return DatasetSource(asked, stepper, instant(asked.init_time or "") if first is None else first)


def members_of(
    asked: Forecast, stepper: StepperABC, stack: ExitStack, start: np.datetime64 | None = None
) -> MadeMembers:
    """The members that a stepper makes, put right as it was calibrated.

    Args:
        asked: the forecast.
        stepper: that makes it.
        stack: closes what is read.
        start: of the forecast; by default what is asked for, or the last that the input has.

    Raises:
        SettingsError: wrong settings, time or members.
        DataError: the data do not fit the Forecaster, or lack what the forecast needs.
    """
    if start is None and asked.init_time:
        start = instant(asked.init_time)
    source = open_source(asked, stepper, stack, start)
    return members_from(source, asked, stepper, source.latest() if start is None else start)


def members_from(source: SourceABC, asked: Forecast, stepper: StepperABC, start: np.datetime64) -> MadeMembers:
    """The same from a source that is open already, for any of its starts."""
    chosen, states, given = source.read(start)
    each = stepper.info.num_members if asked.num_members is None else asked.num_members
    check_room(stepper.info, max(1, len(chosen)) * max(1, each))
    members = Members(stepper.info, start, chosen, asked.num_members, asked.seed, bool(asked.perturb))
    past = members.states(states)
    if asked.perturb:
        if len(past) < 2:
            raise SettingsError(
                f"--perturb {asked.perturb}: member 0 is never perturbed, and there is no other; give --num_members"
            )
        perturbation = perturbation_of(
            asked.perturb, stepper, 0.5 if asked.perturb_size is None else asked.perturb_size, asked.seed
        )
        first = next(given)
        given = chain([first], given)
        past = perturbation.members(past, start, list(range(len(past))), _of_one(first))
    steps = stepper.rollout(past, members.given(given))
    return MadeMembers(start, members.numbers, len(past), _calibrated(asked, stepper, steps, past, start))


def together(parts: Sequence[MadeMembers]) -> MadeMembers:
    """The members of several Forecasters from one start as one ensemble, numbered from 0; of one alone as they are."""
    if len(parts) == 1:
        return parts[0]
    count = sum(part.num_members for part in parts)
    steps = (np.concatenate(values) for values in zip(*(part.steps for part in parts), strict=True))
    return MadeMembers(parts[0].start, tuple(range(count)), count, steps)


def _of_one(given: Given[Array]) -> Given[Array]:
    """What is given of a step to the first state."""
    forcing, border = (None if values is None else values[:1] for values in (given.forcing, given.border))
    return Given(forcing, border, {key: values[:1] for key, values in given.inputs.items()})


def _calibrated(
    asked: Forecast, stepper: StepperABC, steps: Iterator[Array], past: Array, start: np.datetime64
) -> Iterator[Array]:
    """The forecast put right, lead time after lead time; all of it is of one start."""
    calibration, info = stepper.info.calibration, stepper.info
    if calibration is None or asked.no_calibration:
        return steps
    calibration.check(asked.num_steps)
    hours = hours_of(later(start, np.arange(1, asked.num_steps + 1), info.step_duration))
    names, bounds = info.predicted, bounds_of(info.variables)

    def right(step: int, values: Array) -> Array:
        put_right = calibration.apply(values, past[:, -1], step, hours[step : step + 1], values.shape[0], info.border)
        return bounded_array(put_right, names, bounds)

    return (right(step, values) for step, values in enumerate(steps))

"""The members that one Forecaster makes of the last states, lead time after lead time."""

from collections.abc import Iterator
from contextlib import ExitStack
from itertools import chain
from typing import NamedTuple

import numpy as np

from py4cast.calibration import hours_of
from py4cast.constraint import bounded_array
from py4cast.errors import DataError, SettingsError
from py4cast.given import Given
from py4cast.steppers import Array, StepperABC
from py4cast.timeline import instant, later
from py4cast.variables import bounds_of
from py4cast.workflows.forecast.file_input import FileInput
from py4cast.workflows.forecast.members import Members
from py4cast.workflows.forecast.perturbed import perturbation_of
from py4cast.workflows.forecast.request import Forecast
from py4cast.workflows.forecast.room import check_room

__all__ = ["MadeMembers", "members_of"]


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
    if asked.input:
        source = FileInput(
            stepper.info, asked.input, asked.boundary, asked.renamed, asked.accumulated, asked.regrid,
            imposes_border=not asked.free_border,
        )  # fmt: skip
        stack.callback(source.close)
        if start is None:
            start = instant(asked.init_time) if asked.init_time else source.latest()
        _check_border(asked, stepper)
        chosen = source.chosen_members(asked.members)
        states = source.states(start, chosen)
        given = source.given(start, asked.num_steps, states.shape[0])
    else:
        from py4cast.workflows.forecast.dataset_input import read_dataset

        assert asked.init_time is not None, "checked before"
        start, chosen = instant(asked.init_time), []
        states, given = read_dataset(asked, stepper, start)
    members = Members(stepper.info, start, chosen, asked.num_members, asked.seed, bool(asked.perturb))
    check_room(stepper.info, max(1, len(members.numbers)))
    past = members.states(states)
    if asked.perturb:
        if len(past) < 2:
            raise SettingsError(
                f"--perturb {asked.perturb}: member 0 is never perturbed, and there is no other; give --num_members"
            )
        perturbation = perturbation_of(asked.perturb, stepper, asked.perturb_size, asked.seed)
        first = next(given)
        given = chain([first], given)
        past = perturbation.members(past, start, list(range(len(past))), _of_one(first))
    steps = stepper.rollout(past, members.given(given))
    return MadeMembers(start, members.numbers, len(past), _calibrated(asked, stepper, steps, past, start))


def _of_one(given: Given[Array]) -> Given[Array]:
    """What is given of a step to the first state."""
    forcing, border = (None if values is None else values[:1] for values in (given.forcing, given.border))
    return Given(forcing, border, {key: values[:1] for key, values in given.inputs.items()})


def _check_border(asked: Forecast, stepper: StepperABC) -> None:
    if stepper.info.border is not None and not asked.boundary and not asked.free_border:
        raise DataError(
            "the strategy imposes values in the border: give a driving model's files by --boundary, or use --free_border"
        )


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

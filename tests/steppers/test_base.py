"""Rollouts: the shape of states, what is asked for when, and forecasts that are no longer finite."""

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import pytest
import torch

from py4cast.errors import NumericalError
from py4cast.forecaster import Forecaster
from py4cast.given import Given
from py4cast.steppers.base import Array, StepperABC
from py4cast.steppers.info import StepInfo
from py4cast.testing import make_info


class Counting(StepperABC):
    """Predicts 1, 2, 3, …, and what is given as forcing where it is NaN."""

    def __init__(self, valid: Any = None) -> None:
        info = make_info((3, 4), valid=valid)
        forecaster = Forecaster.build(info, "zero", "diff_ar", 2)
        self.info = StepInfo.from_header(forecaster.header(), {k: v.numpy() for k, v in info.pack()[1].items()})

    def advance(self, states: Array, given: Iterable[Given[Array]]) -> Iterator[Array]:
        for number, step in enumerate(given, 1):
            prediction = np.full((len(states), 3, 4, 3), number, np.float32)
            if step.forcing is not None:
                prediction += step.forcing
            yield prediction


STATES = np.zeros((2, 2, 3, 4, 2), np.float32)


def holed(variable: int, row: int = 0, column: int = 0) -> Given[Array]:
    forcing = np.zeros((2, 3, 4, 3), np.float32)
    forcing[1, row, column, variable] = np.inf
    return Given(forcing)


@pytest.mark.parametrize("shape", [(2, 1, 3, 4, 2), (2, 2, 4, 3, 2), (2, 2, 3, 4, 3), (2, 2, 12, 2)])
def test_states_of_another_shape_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"states of shape \(2, .*\), expected \(batch, 2, 3, 4, 2\)"):
        next(Counting().rollout(np.zeros(shape, np.float32), []))


def test_a_step_is_yielded_before_the_next_is_asked_for() -> None:
    asked = []

    def given() -> Iterator[Given[Array]]:
        for number in range(3):
            asked.append(number)
            yield Given()

    steps = Counting().rollout(STATES, given())
    assert float(next(steps).max()) == 1.0 and asked == [0]
    assert float(next(steps).max()) == 2.0 and asked == [0, 1]


def test_the_variables_and_the_lead_time_of_what_is_not_finite_are_named() -> None:
    steps = Counting().rollout(STATES, [Given(), holed(2), Given()])
    next(steps)
    with pytest.raises(NumericalError, match="the forecast of d is not finite at lead time 7200 seconds"):
        next(steps)
    both = holed(0)._replace(forcing=np.full((2, 3, 4, 3), np.nan, np.float32))
    with pytest.raises(NumericalError, match="the forecast of a, b, d is not finite at lead time 3600 seconds"):
        next(Counting().rollout(STATES, [both]))


def test_cells_that_never_hold_data_may_hold_anything() -> None:
    valid = np.ones((3, 4), dtype=bool)
    valid[2, 3] = False
    stepper = Counting(valid)
    assert np.isinf(next(stepper.rollout(STATES, [holed(1, 2, 3)]))[1, 2, 3, 1])
    with pytest.raises(NumericalError, match="the forecast of b"):
        next(stepper.rollout(STATES, [holed(1, 2, 2)]))
    assert torch.is_tensor(make_info((3, 4), valid=valid).statics.border_mask)

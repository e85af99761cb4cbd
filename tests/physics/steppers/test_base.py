import math

import pytest
import torch

from py4cast.errors import SettingsError
from py4cast.physics.steppers import STEPPERS, RungeKutta4
from py4cast.physics.steppers.base import Carry
from tests.physics.steppers.scalars import Scalars, ones


@pytest.mark.parametrize("step", [0.0, -1.0, math.nan])
def test_a_step_is_more_than_0(step: float) -> None:
    with pytest.raises(SettingsError, match=f"step {step:g}: expected more than 0"):
        RungeKutta4(Scalars(), step)


@pytest.mark.parametrize("name", STEPPERS)
def test_factors_are_those_of_the_linear_part(name: str) -> None:
    half, whole = STEPPERS[name](Scalars(-3.0), 0.4).factors()
    torch.testing.assert_close(half, ones(math.exp(-0.6)))
    torch.testing.assert_close(whole, ones(math.exp(-1.2)))


@pytest.mark.parametrize("name", STEPPERS)
def test_the_linear_part_is_exact_however_stiff(name: str) -> None:
    end = STEPPERS[name](Scalars(-50.0), 0.5).run(ones(), 3)
    torch.testing.assert_close(end, ones(math.exp(-75.0)), atol=0, rtol=1e-10)


@pytest.mark.parametrize("name", STEPPERS)
def test_the_rate_is_asked_for_as_often_as_is_told(name: str) -> None:
    kind, equation = STEPPERS[name], Scalars(rate=0.1)
    stepper = kind(equation, 0.1)
    factors = stepper.factors()
    carry: Carry = (ones(),)
    for _ in range(4):
        before = equation.calls
        carry = stepper.advance(carry, factors)
    assert equation.calls - before == kind.num_evaluations


def test_a_source_is_added_to_the_rate() -> None:
    stepper = RungeKutta4(Scalars(rate=2.0), 0.1)
    assert torch.equal(stepper.rate(ones(3.0), None), ones(6.0))
    assert torch.equal(stepper.rate(ones(3.0), ones(1.0)), ones(7.0))


def test_no_step_changes_nothing() -> None:
    state = ones()
    assert RungeKutta4(Scalars(), 0.1).run(state, 0) is state


@pytest.mark.parametrize("name", STEPPERS)
def test_the_largest_step_is_of_the_shortest_wave_and_the_fastest_flow(name: str) -> None:
    """k_max = 3 of 8 points."""
    kind = STEPPERS[name]
    assert kind(Scalars(speed=2.0), 1.0).largest_step(ones()) == pytest.approx(kind.limit / 6)
    assert kind(Scalars(), 1.0).largest_step(ones()) == math.inf
    kind(Scalars(speed=2.0), 0.99 * kind.limit / 6).check(ones())
    message = f"step 1 violates the CFL condition: the largest stable step of {kind.__name__} for this flow is"
    with pytest.raises(SettingsError, match=message):
        kind(Scalars(speed=2.0), 1.0).check(ones())

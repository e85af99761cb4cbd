import math

import pytest
import torch

from py4cast.physics.steppers.ab3 import AdamsBashforth3
from py4cast.physics.steppers.base import Carry
from py4cast.physics.steppers.rk4 import RungeKutta4
from tests.physics.steppers.scalars import Scalars, ones

STEP = 0.25


def test_the_first_two_steps_are_those_of_rk4() -> None:
    for steps in (1, 2):
        end = AdamsBashforth3(Scalars(-1.0, 2.0), STEP).run(ones(), steps)
        torch.testing.assert_close(end, RungeKutta4(Scalars(-1.0, 2.0), STEP).run(ones(), steps))


@pytest.mark.parametrize("linear", [0.0, -3.0])
def test_further_steps_are_of_three_rates(linear: float) -> None:
    """s⁺ = e s + Δt/12·(23 e N − 16 e² N₁ + 5 e³ N₂), written out for N = c s."""
    rate, e = 2.0, math.exp(linear * STEP)
    z = rate * STEP
    growth = e * (1 + z + z**2 / 2 + z**3 / 6 + z**4 / 24)
    states = [1.0, growth, growth**2]
    for _ in range(4):
        now, before, oldest = (rate * s for s in states[:-4:-1])
        states.append(e * states[-1] + STEP / 12 * (23 * e * now - 16 * e**2 * before + 5 * e**3 * oldest))
    end = AdamsBashforth3(Scalars(linear, rate), STEP).run(ones(), 6)
    torch.testing.assert_close(end, ones(states[-1]))


def test_a_source_is_held_among_the_rates() -> None:
    """Without a linear part a source alone is exact: 23 − 16 + 5 = 12."""
    end = AdamsBashforth3(Scalars(), STEP).run(ones(0.0), 6, ones(3.0))
    torch.testing.assert_close(end, ones(3.0 * 6 * STEP))


def test_the_carry_grows_to_the_state_and_two_rates() -> None:
    stepper = AdamsBashforth3(Scalars(-1.0, 2.0), STEP)
    factors = stepper.factors()
    carry: Carry = (ones(),)
    lengths = []
    for _ in range(4):
        carry = stepper.advance(carry, factors)
        lengths.append(len(carry))
    assert lengths == [2, 3, 3, 3]

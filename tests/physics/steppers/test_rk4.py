import math

import pytest
import torch

from py4cast.physics.steppers.rk4 import RungeKutta4
from tests.physics.steppers.scalars import Scalars, ones


def growth(z: float) -> float:
    return 1 + z + z**2 / 2 + z**3 / 6 + z**4 / 24


@pytest.mark.parametrize("linear", [0.0, -3.0])
def test_a_step_is_the_series_to_the_fourth_order(linear: float) -> None:
    """Of ∂ₜs = (L + c) s the factor e^(LΔt) is exact, e^(cΔt) a polynomial."""
    end = RungeKutta4(Scalars(linear, 2.0), 0.25).run(ones(), 3)
    torch.testing.assert_close(end, ones((math.exp(0.25 * linear) * growth(0.5)) ** 3))


def test_a_source_alone_is_integrated_by_simpsons_rule() -> None:
    linear, step = -2.0, 0.25
    end = RungeKutta4(Scalars(linear), step).run(ones(0.0), 1, ones(3.0))
    half, whole = math.exp(linear * step / 2), math.exp(linear * step)
    torch.testing.assert_close(end, ones(3.0 * step / 6 * (whole + 4 * half + 1)))

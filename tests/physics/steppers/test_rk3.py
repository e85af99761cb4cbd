import math

import pytest
import torch

from py4cast.physics.steppers.rk3 import RungeKutta3
from tests.physics.steppers.scalars import Scalars, ones


@pytest.mark.parametrize("linear", [0.0, -3.0])
def test_a_step_is_the_series_to_the_third_order(linear: float) -> None:
    z = 0.5
    end = RungeKutta3(Scalars(linear, 2.0), 0.25).run(ones(), 3)
    torch.testing.assert_close(end, ones((math.exp(0.25 * linear) * (1 + z + z**2 / 2 + z**3 / 6)) ** 3))


def test_a_source_alone_is_integrated_by_simpsons_rule() -> None:
    linear, step = -2.0, 0.25
    end = RungeKutta3(Scalars(linear), step).run(ones(0.0), 1, ones(3.0))
    half, whole = math.exp(linear * step / 2), math.exp(linear * step)
    torch.testing.assert_close(end, ones(3.0 * step / 6 * (whole + 4 * half + 1)))


def test_its_limit_is_the_root_of_three() -> None:
    assert RungeKutta3.limit == pytest.approx(math.sqrt(3.0), abs=1e-4) and limit_is_reached(RungeKutta3.limit)


def limit_is_reached(z: float) -> bool:
    """Whether |1 + iz − z²/2 − iz³/6| is 1 there and more just beyond."""
    sizes = [abs(1 + 1j * x - x**2 / 2 - 1j * x**3 / 6) for x in (z, 1.01 * z)]
    return sizes[0] <= 1.0 < sizes[1]

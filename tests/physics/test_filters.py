"""Filters, and the oracle: the exact subgrid term put back into the coarse flow gives the filtered truth."""

import math

import pytest
import torch

from py4cast.physics.filters import FILTERS, CutOff
from py4cast.physics.forcing import Wind
from py4cast.physics.spectral import SpectralGrid
from py4cast.physics.steppers import RungeKutta4
from py4cast.physics.vorticity import VorticityEquation
from tests.physics.flows import eddies, points

FINE, COARSE = SpectralGrid(64, "pad", torch.float64), SpectralGrid(16, "pad", torch.float64)


def test_the_response_is_the_formulas() -> None:
    spacing = 2 * math.pi / 16
    x, y = points(64)
    for name, expected in (("cut_off", 1.0), ("gaussian", math.exp(-(spacing**2) * 25 / 24))):
        filter_ = FILTERS[name](COARSE)
        found = COARSE.field(filter_(FINE.modes(torch.cos(3 * x + 4 * y) + torch.cos(6 * x + 6 * y))))
        x2, y2 = points(16)
        # the second wave, |k| = 8.5, lies in the square of the waves but beyond the circle of the cut-off
        torch.testing.assert_close(found, expected * torch.cos(3 * x2 + 4 * y2), atol=1e-13, rtol=0)


def test_the_subgrid_term_is_the_divergence_of_its_flux() -> None:
    modes = eddies(FINE, 6.0)
    fine, coarse, cut = VorticityEquation(FINE), VorticityEquation(COARSE), CutOff(COARSE)
    found = cut.subgrid_term(fine, coarse, modes)
    (u, v), omega = fine.velocity(modes, 256), FINE.field(modes, 256)
    (ub, vb), mean = coarse.velocity(cut(modes), 256), COARSE.field(cut(modes), 256)
    kx, ky = COARSE.kx, COARSE.ky
    flux = [COARSE.modes(a * mean) - cut(FINE.modes(b * omega)) for a, b in ((ub, u), (vb, v))]
    torch.testing.assert_close(found, 1j * (kx * flux[0] + ky * flux[1]), atol=1e-11, rtol=0)
    assert found[0, 0].abs() < 1e-15, "a divergence has no mean"


@pytest.mark.parametrize("name", FILTERS)
def test_the_exact_term_gives_the_filtered_truth(name: str) -> None:
    # rk4 with the exact R at each stage is the filtered rk4 of the fine flow, to round-off
    settings = {"viscosity": 1e-3, "drag": 0.02, "beta": 5.0}
    fine, coarse = VorticityEquation(FINE, **settings), VorticityEquation(COARSE, **settings)
    bar = FILTERS[name](COARSE)
    forcing = Wind(FINE, 3.02)
    step, num_steps = 2e-3, 200
    truth = eddies(FINE)
    oracle = free = bar(truth)
    stages: list[torch.Tensor] = []

    class Watched(VorticityEquation):
        def nonlinear(self, modes: torch.Tensor) -> torch.Tensor:
            stages.append(modes)
            return super().nonlinear(modes)

    class Given(VorticityEquation):
        def nonlinear(self, modes: torch.Tensor) -> torch.Tensor:
            return super().nonlinear(modes) + bar.subgrid_term(fine, coarse, stages.pop(0))

    for i in range(num_steps):
        source = forcing(torch.tensor(step * i))
        stages.clear()
        truth = RungeKutta4(Watched(FINE, **settings), step).run(truth, 1, source)
        oracle = RungeKutta4(Given(COARSE, **settings), step).run(oracle, 1, bar(source))
        free = RungeKutta4(coarse, step).run(free, 1, bar(source))
    scale = bar(truth).abs().square().sum().sqrt()

    def error(found: torch.Tensor) -> float:
        return float((found - bar(truth)).abs().square().sum().sqrt() / scale)

    assert error(oracle) < 1e-10, f"{name}: {error(oracle)}"
    assert error(free) > 1e-2, "without R the coarse flow departs"


def test_the_exact_term_held_over_a_step_is_enough() -> None:
    # as a network is asked once per step: R at the step's middle, error of second order
    fine, coarse, bar = VorticityEquation(FINE, 1e-3), VorticityEquation(COARSE, 1e-3), CutOff(COARSE)
    step = 1e-3
    truth = eddies(FINE)
    held = bar(truth)
    for _ in range(200):
        middle = RungeKutta4(fine, step / 2).run(truth, 1)
        held = RungeKutta4(coarse, step).run(held, 1, bar.subgrid_term(fine, coarse, middle))
        truth = RungeKutta4(fine, step / 2).run(middle, 1)
    error = (held - bar(truth)).abs().square().sum().sqrt() / bar(truth).abs().square().sum().sqrt()
    assert float(error) < 1e-5, float(error)

"""Steppers: their order, what they conserve, gradients through them, and the CFL condition."""

import itertools
import math

import pytest
import torch

from py4cast.errors import SettingsError
from py4cast.physics.invariants import energy, enstrophy
from py4cast.physics.spectral import SpectralGrid
from py4cast.physics.steppers import STEPPERS, RungeKutta4
from py4cast.physics.vorticity import VorticityEquation
from tests.physics.flows import eddies, points

GRID = SpectralGrid(32, "pad", torch.float64)


@pytest.mark.parametrize("name", STEPPERS)
def test_the_error_falls_with_the_order(name: str) -> None:
    equation = VorticityEquation(GRID, viscosity=1e-3, drag=0.02, beta=5.0)
    _x, y = points(32)
    source = GRID.modes(2 * torch.cos(4 * y))
    start = eddies(GRID)
    truth = RungeKutta4(equation, 2.5e-4).run(start, 1600, source)
    kind = STEPPERS[name]
    errors = []
    for step in (8e-3, 4e-3, 2e-3):
        found = kind(equation, step).run(start, round(0.4 / step), source)
        errors.append(float((found - truth).abs().square().sum().sqrt()))
    orders = [math.log2(a / b) for a, b in itertools.pairwise(errors)]
    assert abs(orders[-1] - kind.order) < 0.2, f"{name}: orders {orders}, errors {errors}"


@pytest.mark.parametrize("name", STEPPERS)
def test_invariants_of_the_free_flow_are_kept_to_the_order(name: str) -> None:
    kind, equation, start = STEPPERS[name], VorticityEquation(GRID), eddies(GRID)
    drifts = []
    for step in (8e-3, 4e-3):
        end = kind(equation, step).run(start, round(0.8 / step))
        drifts.append(max(abs(float(q(GRID, end) / q(GRID, start)) - 1) for q in (energy, enstrophy)))
    # invariants are smooth in the state: their drift falls at least as fast as the error
    assert drifts[1] < 1e-4 and drifts[0] / drifts[1] > 2 ** (kind.order - 0.5), f"{name}: {drifts}"


@pytest.mark.parametrize("name", STEPPERS)
def test_a_step_of_zero_flow_under_a_source_is_the_sources(name: str) -> None:
    # with L = −μ alone: s = F(1 − e^(−μt))/μ, which the integrating factor takes to the scheme's order
    equation = VorticityEquation(GRID, drag=0.5)
    x, _ = points(32)
    source = GRID.modes(torch.cos(x))
    end = STEPPERS[name](equation, 0.02).run(torch.zeros_like(source), 50, source)
    torch.testing.assert_close(end, source * (1 - math.exp(-0.5)) / 0.5, atol=1e-6, rtol=0)


@pytest.mark.parametrize("name", STEPPERS)
def test_gradients_through_several_steps(name: str) -> None:
    grid = SpectralGrid(8, "pad", torch.float64)
    start = grid.field(eddies(grid, 2.0, 1.0))
    drag = torch.tensor(0.3, dtype=torch.float64)

    def run(field: torch.Tensor, drag: torch.Tensor) -> torch.Tensor:
        equation = VorticityEquation(grid, viscosity=1e-2, drag=drag, beta=1.0)
        return grid.field(STEPPERS[name](equation, 0.05).run(grid.modes(field), 5))

    assert torch.autograd.gradcheck(run, (start.requires_grad_(), drag.requires_grad_()), eps=1e-6, atol=1e-7)


@pytest.mark.filterwarnings("ignore:.*torch.jit.*:DeprecationWarning")  # torch's own, at the first tangent
def test_tangent_and_adjoint_agree() -> None:
    grid = SpectralGrid(16, "pad", torch.float64)
    stepper = RungeKutta4(VorticityEquation(grid, viscosity=1e-3), 0.01)
    start = grid.field(eddies(grid))

    def run(field: torch.Tensor) -> torch.Tensor:
        return grid.field(stepper.run(grid.modes(field), 20))

    u, v = torch.randn_like(start), torch.randn_like(start)
    _, forward = torch.func.jvp(run, (start,), (u,))
    _, pull = torch.func.vjp(run, start)
    torch.testing.assert_close((v * forward).sum(), (pull(v)[0] * u).sum(), rtol=1e-12, atol=0)


def test_the_flow_turns_with_the_square() -> None:
    # a turn by 90° about a point, and a shift, commute with the solver
    stepper = RungeKutta4(VorticityEquation(GRID, viscosity=1e-4), 0.005)
    start = GRID.field(eddies(GRID))

    def run(field: torch.Tensor) -> torch.Tensor:
        return GRID.field(stepper.run(GRID.modes(field), 20))

    def turn(field: torch.Tensor) -> torch.Tensor:
        return torch.roll(torch.rot90(field), 1, 0)

    torch.testing.assert_close(run(turn(start)), turn(run(start)), atol=1e-12, rtol=0)
    shifted = torch.roll(start, (3, 7), (0, 1))
    torch.testing.assert_close(run(shifted), torch.roll(run(start), (3, 7), (0, 1)), atol=1e-12, rtol=0)


def test_a_batch_is_as_its_members() -> None:
    equation = VorticityEquation(GRID, viscosity=1e-3)
    states = torch.stack([eddies(GRID, seed=i) for i in range(3)])
    together = RungeKutta4(equation, 0.005).run(states, 10)
    for state, end in zip(states, together, strict=True):
        torch.testing.assert_close(RungeKutta4(equation, 0.005).run(state, 10), end, atol=1e-13, rtol=0)


@pytest.mark.parametrize("name", STEPPERS)
def test_steps_up_to_the_stated_limit_are_stable_on_a_wave(name: str) -> None:
    # dω/dt = iλω by a uniform flow is what the limit speaks of: L stands for nothing here
    kind = STEPPERS[name]

    class Turning(VorticityEquation):
        def nonlinear(self, modes: torch.Tensor) -> torch.Tensor:
            return 1j * modes

    start = torch.ones(GRID.shape, dtype=torch.complex128)
    for share, is_stable in ((0.98, True), (1.05, False)):
        end = kind(Turning(GRID), kind.limit * share).run(start, 800)
        assert bool(end.abs().max() < 3.0) == is_stable, f"{name} at {share} of its limit: {end.abs().max()}"


def test_a_step_that_violates_the_cfl_condition_is_refused_with_the_largest_one() -> None:
    state = eddies(GRID)
    stepper = RungeKutta4(VorticityEquation(GRID), 0.1)
    largest = stepper.largest_step(state)
    speed = float(VorticityEquation(GRID).speed(state))
    assert largest == pytest.approx(2.8284 / (15 * speed))
    with pytest.raises(
        SettingsError, match=rf"step 0.1 violates the CFL condition: the largest stable step .* {largest:.3g}"
    ):
        stepper.check(state)
    RungeKutta4(VorticityEquation(GRID), 0.99 * largest).check(state)
    assert math.isinf(stepper.largest_step(torch.zeros_like(state)))
    with pytest.raises(SettingsError, match="step 0: expected more than 0"):
        RungeKutta4(VorticityEquation(GRID), 0.0)

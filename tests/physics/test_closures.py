"""Closures of a formula: what they take and give, their scaling, and that a dynamic constant is found again."""

import math

import pytest
import torch

from py4cast.physics.closures import closures
from py4cast.physics.closures.base import diffusion, gradient, strain_rate
from py4cast.physics.closures.dynamic import DynamicLeith, DynamicSmagorinsky
from py4cast.physics.filters import CutOff
from py4cast.physics.spectral import SpectralGrid
from py4cast.physics.steppers import RungeKutta4
from py4cast.physics.vorticity import VorticityEquation
from tests.physics.flows import eddies, points

GRID = SpectralGrid(32, "pad", torch.float64)
EQUATION = VorticityEquation(GRID)


def test_the_rate_of_strain_and_the_gradient_are_the_formulas() -> None:
    x, y = points(GRID.product_size)
    # ψ = cos x cos 2y: u = 2 cos x sin 2y, v = −sin x cos 2y, ω = −5 ψ
    modes = GRID.modes(-5 * torch.cos(x) * torch.cos(2 * y))
    stretched = -2 * torch.sin(x) * torch.sin(2 * y) - 2 * torch.sin(x) * torch.sin(2 * y)
    sheared = 4 * torch.cos(x) * torch.cos(2 * y) - torch.cos(x) * torch.cos(2 * y)
    torch.testing.assert_close(strain_rate(EQUATION, modes), torch.hypot(stretched, sheared), atol=1e-12, rtol=0)
    along, across = gradient(EQUATION, modes)
    torch.testing.assert_close(along, 5 * torch.sin(x) * torch.cos(2 * y), atol=1e-12, rtol=0)
    torch.testing.assert_close(across, 10 * torch.cos(x) * torch.sin(2 * y), atol=1e-12, rtol=0)


def test_a_uniform_eddy_viscosity_is_newtons() -> None:
    modes = eddies(GRID)
    viscosity = torch.full((GRID.product_size, GRID.product_size), 0.3, dtype=torch.float64)
    torch.testing.assert_close(diffusion(EQUATION, viscosity, modes), -0.3 * GRID.square * modes, atol=1e-12, rtol=0)


@pytest.mark.parametrize("name", closures.builtin_names)
def test_closures_take_enstrophy_at_short_waves_and_have_no_mean(name: str) -> None:
    modes = torch.stack([eddies(GRID, 8.0, seed=i) for i in range(2)])
    closure = closures.get(name)(EQUATION)
    found = closure(modes)
    assert found.shape == modes.shape and found[..., 0, 0].abs().max() < 1e-14
    assert (GRID.mean_product(modes, found) < 0).all(), "enstrophy falls"
    torch.testing.assert_close(closure(modes[1]), found[1], atol=1e-13, rtol=1e-10)
    # a turn by 90° commutes with every formula
    field = GRID.field(modes[0])
    turned = GRID.modes(torch.roll(torch.rot90(field), 1, 0))
    expected = torch.roll(torch.rot90(GRID.field(found[0])), 1, 0)
    torch.testing.assert_close(GRID.field(closure(turned)), expected, atol=1e-10, rtol=1e-8)
    assert torch.isfinite(closure(torch.zeros_like(modes)).abs()).all(), "at rest"


@pytest.mark.parametrize(("name", "power"), [("smagorinsky", 2), ("leith", 2), ("backscatter", 2)])
def test_constant_closures_grow_with_the_square_of_the_flow(name: str, power: int) -> None:
    modes = eddies(GRID)
    closure = closures.get(name)(EQUATION)
    torch.testing.assert_close(closure(3 * modes), 3**power * closure(modes), atol=1e-10, rtol=1e-10)


def test_backscatter_gives_back_its_share_of_the_energy() -> None:
    modes = eddies(GRID, 8.0)
    stream = EQUATION.stream_function(modes)
    kind = closures.get("backscatter")
    loss = {share: GRID.mean_product(stream, kind(EQUATION, share=share)(modes)).item() for share in (0.0, 0.5, 1.0)}
    assert loss[0.0] > 0 and loss[0.5] == pytest.approx(0.5 * loss[0.0]) and abs(loss[1.0]) < 1e-12 * loss[0.0]


@pytest.mark.parametrize("kind", [DynamicSmagorinsky, DynamicLeith])
def test_the_dynamic_constant_is_least_squares(kind: type) -> None:
    modes = eddies(GRID, 8.0)
    closure = kind(EQUATION)
    share, term = closure.coefficient(modes), closure(modes)
    assert float(share) > 0
    torch.testing.assert_close(kind(EQUATION, 2.0)(modes), 2 * term)
    # L and M of their definitions: what is left of L beside c·M has nothing of M
    half = (GRID.kx <= GRID.k_max // 2) & (GRID.ky.abs() <= GRID.k_max // 2)
    width = 2 * math.pi / GRID.size

    def viscous(state: torch.Tensor, spacing: float) -> torch.Tensor:
        gx, gy = (GRID.field(1j * k * state, GRID.product_size) for k in (GRID.kx, GRID.ky))
        psi = -state * GRID.inverse_square
        first = GRID.field(2 * GRID.kx * GRID.ky * psi, GRID.product_size)
        second = GRID.field((GRID.ky**2 - GRID.kx**2) * psi, GRID.product_size)
        rate = (first**2 + second**2).sqrt() if kind is DynamicSmagorinsky else (gx**2 + gy**2).sqrt()
        return spacing**kind.power * 1j * (GRID.kx * GRID.modes(rate * gx) + GRID.ky * GRID.modes(rate * gy))

    known = half * (EQUATION.nonlinear(half * modes) - EQUATION.nonlinear(modes))
    model = half * (viscous(modes, width) - viscous(half * modes, 2 * width))
    left = GRID.mean_product(known - share * model, model) / GRID.mean_product(known, known).sqrt()
    assert abs(float(left / GRID.mean_product(model, model).sqrt())) < 1e-10
    torch.testing.assert_close(term, share * viscous(modes, width))
    # where the flow has no waves beyond the test filter's, nothing speaks for a viscosity
    smooth = GRID.resize(eddies(SpectralGrid(8, "pad", torch.float64), 1.5))
    assert float(closure.coefficient(smooth)) >= 0


def test_they_keep_a_coarse_flow_from_filling_its_short_waves() -> None:
    fine = SpectralGrid(128)
    start = CutOff(SpectralGrid(32))(eddies(fine, 5.0))
    grid = SpectralGrid(32)
    bare = VorticityEquation(grid)
    tails = {}
    for name in (None, *closures.builtin_names):
        chosen = None if name is None else closures.get(name)(bare)
        state, stepper = start, RungeKutta4(bare, 0.01)
        for _ in range(200):
            state = stepper.run(state, 1, None if chosen is None else chosen(state))
        tails[name] = float(grid.shells(state)[10:].sum() / grid.shells(state).sum())
    assert all(tails[name] < 0.75 * tails[None] for name in closures.builtin_names), tails


@pytest.mark.parametrize("name", closures.builtin_names)
def test_a_flow_at_rest_can_be_learned_through(name: str) -> None:
    modes = torch.zeros(GRID.shape, dtype=torch.complex128, requires_grad=True)
    found = closures.get(name)(EQUATION)(modes)
    found.abs().square().sum().backward()
    assert modes.grad is not None and bool(torch.isfinite(torch.view_as_real(modes.grad)).all())
    assert float(found.detach().abs().max()) == 0.0

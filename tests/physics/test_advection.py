import pytest
import torch

from py4cast.physics.advection import Advection, advected
from py4cast.physics.spectral import SpectralGrid
from py4cast.physics.vorticity import VorticityEquation
from tests.physics.flows import eddies, points

GRID = SpectralGrid(16, "pad", torch.float64)
EQUATION = VorticityEquation(GRID)
MAP = Advection(EQUATION.velocities, EQUATION.strain, EQUATION.shear, GRID.counts, GRID.product_size)


def test_winds_of_a_wave() -> None:
    """ψ = cos 2x + sin 3y: u = −3 cos 3y, v = −2 sin 2x, ω = −4 cos 2x − 9 sin 3y."""
    x, y = points(GRID.size)
    u, v = MAP.winds(GRID.modes(-4 * torch.cos(2 * x) - 9 * torch.sin(3 * y)))
    x, y = points(GRID.product_size)
    torch.testing.assert_close(u, -3 * torch.cos(3 * y), atol=1e-12, rtol=0)
    torch.testing.assert_close(v, -2 * torch.sin(2 * x), atol=1e-12, rtol=0)


def test_the_rate_of_two_waves_is_less_the_jacobian() -> None:
    """J = ∂ₓψ ∂ᵧω − ∂ᵧψ ∂ₓω = (−2 sin 2x)(−27 cos 3y) − (3 cos 3y)(8 sin 2x) = 30 sin 2x cos 3y."""
    x, y = points(GRID.size)
    rate = advected(GRID.modes(-4 * torch.cos(2 * x) - 9 * torch.sin(3 * y)), MAP)
    torch.testing.assert_close(GRID.field(rate), -30 * torch.sin(2 * x) * torch.cos(3 * y), atol=1e-11, rtol=0)


def test_one_wave_does_not_advect_itself() -> None:
    x, y = points(GRID.size)
    assert float(advected(GRID.modes(torch.cos(2 * x + 3 * y)), MAP).abs().max()) < 1e-14


def test_the_rate_is_the_same_where_it_is_learned_through() -> None:
    modes = torch.stack([eddies(GRID, seed=seed) for seed in range(2)])
    torch.testing.assert_close(advected(modes.clone().requires_grad_(), MAP).detach(), advected(modes, MAP))


def test_the_change_of_the_rate_is_linear_in_that_of_the_winds() -> None:
    """N is a square: N(ω + δ) = N(ω) + dN + N(δ)."""
    first, second = eddies(GRID, seed=0), eddies(GRID, seed=1)
    change = MAP.products(*MAP.winds(first).unbind(-3), *MAP.winds(second).unbind(-3))
    expected = advected(first + second, MAP) - advected(first, MAP) - advected(second, MAP)
    torch.testing.assert_close(change, expected, atol=1e-12, rtol=0)


def test_the_adjoint_is_that_of_the_change() -> None:
    """Re⟨g, dN δ⟩ = Re⟨dN* g, δ⟩ over the coefficients as they are stored."""
    modes, change, gradient = (eddies(GRID, seed=seed) for seed in range(3))
    forward = MAP.products(*MAP.winds(modes).unbind(-3), *MAP.winds(change).unbind(-3))
    back = MAP.adjoint(gradient, MAP.winds(modes))
    left = float((gradient.conj() * forward).real.sum())
    assert left == pytest.approx(float((back.conj() * change).real.sum()), rel=1e-10) and abs(left) > 1e-3

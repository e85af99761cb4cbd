import pytest
import torch

from py4cast.physics.closures.backscatter import Backscatter
from py4cast.physics.invariants import energy_flux
from py4cast.physics.spectral import SpectralGrid
from py4cast.physics.vorticity import VorticityEquation
from tests.physics.flows import eddies

GRID = SpectralGrid(32, "pad", torch.float64)
EQUATION = VorticityEquation(GRID)


def energy_rate(modes: torch.Tensor, term: torch.Tensor) -> float:
    """∂ₜE = −⟨ψ R⟩."""
    return -float(GRID.mean_product(EQUATION.stream_function(modes), term))


def test_without_a_share_it_is_a_viscosity_of_the_fourth_order() -> None:
    """R = −∇²(ν₄∇²ω), ν₄ = (CΔ)³|∇ω|Δ²/8, formed where products are."""
    modes, spacing = eddies(GRID), 2 * torch.pi / 32
    dx, dy, curvature = (GRID.field(f * modes, 48) for f in (1j * GRID.kx, 1j * GRID.ky, -GRID.square + 0j))
    viscosity = (0.6 * spacing) ** 3 * spacing**2 / 8 * torch.hypot(dx, dy)
    expected = GRID.square * GRID.modes(viscosity * curvature)
    term = Backscatter(EQUATION, share=0.0)(modes)
    torch.testing.assert_close(term, expected, atol=1e-12 * float(expected.abs().max()), rtol=1e-9)


def test_a_whole_share_leaves_the_energy() -> None:
    modes = eddies(GRID)
    taken = energy_rate(modes, Backscatter(EQUATION, share=0.0)(modes))
    assert taken < 0
    for share in (0.25, 1.0):
        rest = energy_rate(modes, Backscatter(EQUATION, share=share)(modes))
        assert rest == pytest.approx((1 - share) * taken, abs=1e-9 * abs(taken))


def test_the_second_term_is_a_negative_viscosity() -> None:
    modes = eddies(GRID)
    given = Backscatter(EQUATION, share=1.0)(modes) - Backscatter(EQUATION, share=0.0)(modes)
    ratio = given[1:5, 1:5] / (GRID.square * modes)[1:5, 1:5]
    torch.testing.assert_close(ratio, ratio[0, 0].expand_as(ratio))
    assert float(ratio[0, 0].real) > 0 and float(energy_flux(GRID, modes, given)[-1]) < 0


def test_the_constant_counts_with_its_third_power() -> None:
    modes = eddies(GRID)
    torch.testing.assert_close(Backscatter(EQUATION, 1.2)(modes), 8 * Backscatter(EQUATION)(modes))
    assert Backscatter.default == 0.6 and Backscatter(EQUATION).share == 0.9


def test_each_sample_has_its_own_strength() -> None:
    weak, strong = eddies(GRID, strength=1.0), eddies(GRID, 6.0, strength=50.0)
    closure = Backscatter(EQUATION)
    together = closure(torch.stack([weak, strong]))
    torch.testing.assert_close(together, torch.stack([closure(weak), closure(strong)]))

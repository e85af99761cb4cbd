import pytest
import torch

from py4cast.physics.closures.dynamic import DynamicClosure, DynamicLeith, DynamicSmagorinsky
from py4cast.physics.spectral import SpectralGrid
from py4cast.physics.vorticity import VorticityEquation
from tests.physics.flows import eddies, points

GRID = SpectralGrid(32, "pad", torch.float64)
EQUATION = VorticityEquation(GRID)
KINDS = [DynamicSmagorinsky, DynamicLeith]


def test_rates_of_a_wave() -> None:
    """ω = cos 2x: |∇ω| = 2|sin 2x|; ψ = −¼ cos 2x, v = ½ sin 2x, |S| = |∂ₓv| = |cos 2x|."""
    x, _ = points(GRID.size)
    modes = GRID.modes(torch.cos(2 * x))
    x, _ = points(GRID.product_size)
    torch.testing.assert_close(DynamicLeith(EQUATION).rate(modes), 2 * torch.sin(2 * x).abs(), atol=1e-12, rtol=0)
    torch.testing.assert_close(DynamicSmagorinsky(EQUATION).rate(modes), torch.cos(2 * x).abs(), atol=1e-12, rtol=0)


@pytest.mark.parametrize("kind", KINDS)
def test_the_coarser_filter_keeps_half_of_the_waves(kind: type[DynamicClosure]) -> None:
    """k_max = 15, so that |k_x|, |k_y| ≤ 7 stay."""
    kept = kind(EQUATION)._coarser(torch.ones(GRID.shape))
    assert torch.equal(kept > 0, (GRID.kx <= 7) & (GRID.ky.abs() <= 7)) and int(kept.sum()) == 15 * 8


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("factor", [0.1, 7.0])
def test_the_coefficient_does_not_depend_on_the_strength_of_the_flow(kind: type[DynamicClosure], factor: float) -> None:
    """L and M are both of the second power of the flow."""
    closure, modes = kind(EQUATION), eddies(GRID, 7.0)
    torch.testing.assert_close(closure.coefficient(factor * modes), closure.coefficient(modes))
    torch.testing.assert_close(closure(factor * modes), factor**2 * closure(modes))


@pytest.mark.parametrize("kind", KINDS)
def test_a_flow_that_gives_energy_back_has_no_viscosity(kind: type[DynamicClosure]) -> None:
    """Turned back in time, ω → −ω, J stays and the viscous term changes its sign."""
    closure = kind(EQUATION)
    for seed in range(3):
        forth, back = (closure.coefficient(sign * eddies(GRID, 7.0, seed=seed)) for sign in (1, -1))
        assert float(forth) >= 0 and float(back) >= 0 and min(float(forth), float(back)) == 0.0


@pytest.mark.parametrize("kind", KINDS)
def test_each_sample_has_its_own_coefficient(kind: type[DynamicClosure]) -> None:
    closure = kind(EQUATION)
    flows = [eddies(GRID, k, seed=seed) for seed, k in enumerate((4.0, 7.0, 9.0))]
    together = closure.coefficient(torch.stack(flows))
    torch.testing.assert_close(together, torch.stack([closure.coefficient(flow) for flow in flows]))
    assert together.shape == (3,)


@pytest.mark.parametrize("kind", KINDS)
def test_a_flow_at_rest_has_the_coefficient_0(kind: type[DynamicClosure]) -> None:
    rest = torch.zeros(2, *GRID.shape, dtype=torch.complex128)
    assert kind(EQUATION).coefficient(rest).tolist() == [0.0, 0.0] and bool((kind(EQUATION)(rest) == 0).all())


def test_a_constant_multiplies() -> None:
    modes = eddies(GRID, 7.0)
    assert DynamicLeith.default == DynamicSmagorinsky.default == 1.0
    torch.testing.assert_close(DynamicLeith(EQUATION, 0.5)(modes), 0.5 * DynamicLeith(EQUATION)(modes))

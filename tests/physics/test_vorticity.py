"""The barotropic vorticity equation against closed forms and what it conserves."""

import math

import pytest
import torch

from py4cast.physics.forcing import Wind
from py4cast.physics.invariants import (
    energy,
    energy_flux,
    energy_spectrum,
    enstrophy,
    enstrophy_flux,
    enstrophy_spectrum,
)
from py4cast.physics.spectral import SpectralGrid
from py4cast.physics.steppers import RungeKutta4
from py4cast.physics.vorticity import VorticityEquation
from tests.physics.flows import eddies, points

GRIDS = [SpectralGrid(32, "pad", torch.float64), SpectralGrid(48, "truncate", torch.float64)]


@pytest.mark.parametrize("grid", GRIDS, ids=["pad", "truncate"])
def test_the_jacobian_is_that_of_the_usual_form(grid: SpectralGrid) -> None:
    modes = eddies(grid)
    equation = VorticityEquation(grid)
    size = 4 * grid.size  # far more points than any alias needs
    u, v = equation.velocity(modes, size)
    omega = grid.field(modes, size)
    flux = grid.modes(torch.stack([u * omega, v * omega]))
    expected = -1j * (grid.kx * flux[0] + grid.ky * flux[1])
    torch.testing.assert_close(equation.nonlinear(modes), expected, atol=1e-12, rtol=0)


@pytest.mark.parametrize("grid", GRIDS, ids=["pad", "truncate"])
def test_the_jacobian_has_no_mean_and_makes_neither_energy_nor_enstrophy(grid: SpectralGrid) -> None:
    modes = eddies(grid, 11.0)
    equation = VorticityEquation(grid)
    rate = equation.nonlinear(modes)
    assert rate[0, 0].abs() < 1e-15
    assert grid.mean_product(equation.stream_function(modes), rate).abs() < 1e-14
    assert grid.mean_product(modes, rate).abs() < 1e-13
    # with aliases enstrophy is made, so the test could fail
    u, v = equation.velocity(modes)
    products = grid.modes(torch.stack([u * v, v**2 - u**2]))
    aliased = (grid.kx**2 - grid.ky**2) * products[0] + grid.kx * grid.ky * products[1]
    is_padded = grid.dealiasing == "pad"
    assert (grid.mean_product(modes, aliased).abs() > 1e-8) == is_padded


@pytest.mark.parametrize("grid", GRIDS, ids=["pad", "truncate"])
@pytest.mark.parametrize("order", [1, 4])
def test_taylor_green_vortices_decay(grid: SpectralGrid, order: int) -> None:
    x, y = points(grid.size)
    k, viscosity = 3, 1e-3
    start = 2 * k * torch.cos(k * x) * torch.cos(k * y)
    equation = VorticityEquation(grid, viscosity=viscosity, viscosity_order=order)
    end = grid.field(RungeKutta4(equation, 0.02).run(grid.modes(start), 50))
    torch.testing.assert_close(end, start * math.exp(-viscosity * (2 * k**2) ** order), atol=1e-12, rtol=0)


@pytest.mark.parametrize("grid", GRIDS, ids=["pad", "truncate"])
def test_rossby_waves_go_west_at_their_speed(grid: SpectralGrid) -> None:
    # one wave is an exact solution of the nonlinear equation: σ = −β k_x/k²
    k, m, beta, time = 3, 2, 10.0, 2.0
    x, y = points(grid.size)
    equation = VorticityEquation(grid, beta=beta)
    end = grid.field(RungeKutta4(equation, 0.04).run(grid.modes(torch.cos(k * x + m * y)), 50))
    sigma = -beta * k / (k**2 + m**2)
    torch.testing.assert_close(end, torch.cos(k * x + m * y - sigma * time), atol=1e-12, rtol=0)


def test_drag_leaves_the_mean_and_damps_the_rest() -> None:
    grid = GRIDS[0]
    x, _y = points(32)
    equation = VorticityEquation(grid, drag=0.5)
    end = grid.field(RungeKutta4(equation, 0.1).run(grid.modes(2.0 + torch.cos(x)), 10))
    torch.testing.assert_close(end, 2.0 + math.exp(-0.5) * torch.cos(x), atol=1e-12, rtol=0)


def test_the_wind_turns_as_its_formula_says_and_has_its_rate() -> None:
    grid = SpectralGrid(16, "pad", torch.float64)
    x, y = points(16)
    times = torch.tensor([0.0, 0.7, 3.1])
    found = grid.field(Wind(grid, 3.02)(times))
    amplitude = math.sqrt(2 * 3.02)
    for field, t in zip(found, times.double(), strict=True):
        expected = torch.cos(4 * y + torch.pi * torch.sin(1.508 * t)) - torch.cos(
            4 * x + torch.pi * torch.sin(1.44 * t)
        )
        torch.testing.assert_close(field, amplitude * expected, atol=1e-12, rtol=0)
    torch.testing.assert_close(0.5 * found.square().mean((1, 2)), torch.full((3,), 3.02, dtype=torch.float64))


def test_spectra_sum_to_the_invariants_and_fluxes_end_at_zero() -> None:
    grid = SpectralGrid(64, "pad", torch.float64)
    modes = eddies(grid, 5.0)
    u, v = VorticityEquation(grid).velocity(modes)
    torch.testing.assert_close(energy(grid, modes), 0.5 * (u**2 + v**2).mean())
    torch.testing.assert_close(enstrophy(grid, modes), 0.5 * grid.field(modes).square().mean())
    assert energy_spectrum(grid, modes).sum().item() == pytest.approx(energy(grid, modes).item())
    assert enstrophy_spectrum(grid, modes).sum().item() == pytest.approx(enstrophy(grid, modes).item())
    rate = VorticityEquation(grid).nonlinear(modes)
    up, down = energy_flux(grid, modes, rate), enstrophy_flux(grid, modes, rate)
    # what leaves the long waves reaches the short ones
    assert up[-1].abs() < 1e-6 * up.abs().max() and down[-1].abs() < 1e-5 * down.abs().max()


def test_single_precision_conserves_to_its_digits() -> None:
    grid = SpectralGrid(64)
    modes = eddies(grid)
    equation = VorticityEquation(grid)
    end = RungeKutta4(equation, 4e-3).run(modes, 250)
    assert end.dtype == torch.complex64
    assert abs(float(energy(grid, end) / energy(grid, modes)) - 1) < 2e-6
    assert abs(float(enstrophy(grid, end) / enstrophy(grid, modes)) - 1) < 2e-6


def test_a_damping_takes_energy_and_enstrophy_from_every_scale() -> None:
    grid = SpectralGrid(32, "pad", torch.float64)
    modes = grid.modes(torch.randn(32, 32, generator=torch.Generator().manual_seed(0), dtype=torch.float64))
    for flux in (energy_flux, enstrophy_flux):
        lost = flux(grid, modes, -0.1 * grid.square * modes)
        assert bool((lost.diff() > 0).all()), "what the waves up to k lose is positive and grows with k"


@pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated")
def test_advection_has_its_gradients_of_first_and_second_order_both_ways() -> None:
    equation = VorticityEquation(SpectralGrid(8, "pad", torch.float64))
    noise = torch.randn(2, 8, 8, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    modes = equation.grid.modes(noise).requires_grad_()
    assert torch.autograd.gradcheck(equation.nonlinear, (modes,))
    assert torch.autograd.gradgradcheck(equation.nonlinear, (modes,))
    given = torch.randn_like(modes)
    expected = torch.autograd.grad(equation.nonlinear(modes), modes, given)[0]
    found = torch.func.vjp(equation.nonlinear, modes.detach())[1](given)[0]
    torch.testing.assert_close(found, expected)
    # forwards, of a state that is learned through as well
    _, forward = torch.func.jvp(equation.nonlinear, (modes,), (given,))
    step = 1e-6
    steps = [equation.nonlinear(modes.detach() + sign * step * given) for sign in (1, -1)]
    torch.testing.assert_close(forward.detach(), (steps[0] - steps[1]) / (2 * step), atol=1e-8, rtol=1e-6)

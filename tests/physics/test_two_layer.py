"""The two-layer equations: inversion, what they conserve, and the growth of baroclinic waves."""

import torch

from py4cast.physics.spectral import SpectralGrid
from py4cast.physics.steppers import RungeKutta4
from py4cast.physics.two_layer import TwoLayerEquation
from tests.physics.flows import eddies

GRID = SpectralGrid(32, "pad", torch.float64)


def test_stream_functions_give_back_the_potential_vorticity() -> None:
    equation = TwoLayerEquation(GRID, deformation=5.0, depth_ratio=0.25)
    q = eddies(GRID, layers=2)
    upper, lower = equation.stream_functions(q)
    k2 = GRID.square
    found = torch.stack(
        [-k2 * upper + equation.upper * (lower - upper), -k2 * lower + equation.lower * (upper - lower)]
    )
    torch.testing.assert_close(found, q, atol=1e-12, rtol=0)


def test_energy_and_enstrophies_of_the_free_flow_are_kept() -> None:
    equation = TwoLayerEquation(GRID, deformation=4.0, depth_ratio=0.5)
    q = eddies(GRID, layers=2)
    rate = equation.nonlinear(q)
    assert GRID.mean_product(q, rate).abs().max() < 1e-12, "enstrophy of each layer"
    end = RungeKutta4(equation, 2e-3).run(q, 250)
    assert abs(float(equation.energy(end) / equation.energy(q)) - 1) < 1e-9


def test_waves_grow_as_the_linear_theory_says() -> None:
    # a small wave is multiplied by e^(A t), A the 2 × 2 matrix of the linear equations
    beta, shear, drag, time = 2.0, 1.0, 0.1, 1.0
    equation = TwoLayerEquation(GRID, deformation=6.0, depth_ratio=1.0, shear=shear, beta=beta, drag=drag)
    q = torch.zeros(2, *GRID.shape, dtype=torch.complex128)
    q[0, 0, 3], q[1, 0, 3] = 1e-7, 0.5e-7j
    k2 = 9.0
    inverse = equation.inverse[:, :, 0, 3].to(torch.complex128)
    gradient = torch.diag(torch.tensor([beta + equation.upper * shear, beta - equation.lower * shear])).to(inverse)
    advection = torch.diag(torch.tensor([shear, 0.0])).to(inverse)
    rubbing = torch.zeros(2, 2, dtype=torch.complex128)
    rubbing[1, 1] = drag * k2
    matrix = -3j * (advection + gradient @ inverse) + rubbing @ inverse
    assert torch.linalg.eigvals(matrix).real.max() > 0.3, "a baroclinically unstable wave"
    expected = torch.linalg.matrix_exp(matrix * time) @ q[:, 0, 3]
    end = RungeKutta4(equation, 0.01).run(q, 100)
    torch.testing.assert_close(end[:, 0, 3], expected, atol=0, rtol=1e-6)


def test_the_mean_shear_counts_in_the_speed() -> None:
    equation = TwoLayerEquation(GRID, deformation=6.0, shear=3.0)
    assert float(equation.speed(torch.zeros(2, *GRID.shape, dtype=torch.complex128))) == 3.0

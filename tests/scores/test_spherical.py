"""Spherical harmonics: a single one, sums of power, and torch-harmonics where it is installed."""

import numpy as np
import pytest
import torch
from scipy.special import sph_harm_y

from py4cast.formats.reduced import gaussian_rows, octahedral
from py4cast.grid import Grid
from py4cast.metrics.spectral import harmonics_of
from py4cast.scores.spherical import equiangular_weights

GRIDS = {
    "equal rows": Grid(np.linspace(88, -88, 45), np.arange(0, 360, 4.0)),
    "with poles": Grid(np.linspace(-90, 90, 37), np.arange(-180, 180, 5.0)),
    "Gaussian": Grid(gaussian_rows(32)[0], np.arange(64) * 5.625),
    "octahedral": octahedral(24),
    "rows that begin elsewhere": Grid(np.linspace(87.5, -87.5, 36), np.arange(3.0, 363, 5.0)),
}


def harmonic(grid: Grid, n: int, m: int) -> np.ndarray:
    """The real part of Yₙᵐ of mean square ½ (1 for m = 0)."""
    theta, phi = np.deg2rad(90 - grid.latitude_2d()), np.deg2rad(grid.longitude_2d())
    return np.sqrt(4 * np.pi) * sph_harm_y(n, m, theta, phi).real


@pytest.mark.parametrize("kind", GRIDS)
@pytest.mark.parametrize(("n", "m"), [(0, 0), (1, 0), (3, 2), (7, 7), (12, 1), (15, 10)])
def test_a_single_harmonic_has_one_wavenumber(kind: str, n: int, m: int) -> None:
    grid = GRIDS[kind]
    harmonics = harmonics_of(grid)
    assert harmonics is not None and harmonics.truncation >= 17
    power = harmonics.power(torch.from_numpy(harmonic(grid, n, m)).reshape(1, -1))[0]
    expected = torch.zeros_like(power)
    expected[n] = 1.0 if m == 0 else 0.5
    torch.testing.assert_close(power, expected, atol=2e-5, rtol=1e-4)


@pytest.mark.parametrize("kind", GRIDS)
def test_power_sums_to_the_area_mean_of_the_square(kind: str) -> None:
    grid, rng = GRIDS[kind], np.random.default_rng(0)
    field = sum(rng.standard_normal() * harmonic(grid, n, m) for n in range(14) for m in range(n + 1))
    harmonics = harmonics_of(grid)
    assert harmonics is not None
    power = harmonics.power(torch.from_numpy(np.asarray(field)).reshape(1, -1))[0]
    mean_square = float((np.asarray(field) ** 2 * grid.cell_areas()).sum() / grid.cell_areas().sum())
    # areas of cells are no quadrature, but of a Gaussian grid
    assert float(power.sum()) == pytest.approx(mean_square, rel=0.02)
    assert float(power[14:].sum()) < 1e-6 * mean_square


def test_turning_the_globe_changes_no_power() -> None:
    grid = octahedral(24)
    harmonics = harmonics_of(grid)
    assert harmonics is not None
    fields = []
    for axis in ([0, 0, 1.0], [0.6, 0, 0.8]):
        height = grid.xyz()[0] @ np.asarray(axis)
        fields.append(torch.from_numpy(5 * height**3 - 3 * height + height**2))
    a, b = harmonics.power(torch.stack(fields))
    torch.testing.assert_close(a, b, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("count", [5, 6, 12, 37])
@pytest.mark.parametrize("has_poles", [True, False])
def test_weights_of_equal_rows_integrate_polynomials(count: int, has_poles: bool) -> None:
    latitude = np.linspace(90, -90, count) if has_poles else 90 - 180 / count * (np.arange(count) + 0.5)
    weights = equiangular_weights(latitude)
    assert weights is not None
    x = np.sin(np.deg2rad(latitude))
    for degree in range(count):
        assert (weights * x**degree).sum() == pytest.approx(2 / (degree + 1) if degree % 2 == 0 else 0, abs=1e-12)
    assert equiangular_weights(latitude * 0.7) is None


def test_what_does_not_go_round_the_globe_has_none() -> None:
    assert harmonics_of(Grid(np.linspace(60, -60, 31), np.arange(0, 360, 4.0))) is None
    assert harmonics_of(Grid(np.linspace(60, 40, 21), np.linspace(0, 30, 31))) is None
    assert harmonics_of(Grid.plane(16, 1e6)) is None
    assert harmonics_of(Grid.points(octahedral(6).latitude[0], octahedral(6).longitude[0])) is None


def test_they_are_those_of_torch_harmonics() -> None:
    harmonics_package = pytest.importorskip("torch_harmonics", reason="torch-harmonics is not installed")
    grid = GRIDS["Gaussian"]
    field = torch.from_numpy(np.random.default_rng(0).standard_normal(grid.shape)).float()
    theirs = harmonics_package.RealSHT(32, 64, grid="legendre-gauss", norm="ortho")(field)
    power = theirs.abs().square()
    expected = (power[:, 0] + 2 * power[:, 1:].sum(-1)) / (4 * np.pi)
    ours = harmonics_of(grid)
    assert ours is not None
    torch.testing.assert_close(
        ours.power(field.reshape(1, -1))[0], expected[: ours.truncation + 1].to(field), rtol=1e-3, atol=1e-6
    )

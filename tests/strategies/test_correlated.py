import math

import numpy as np
import pytest
import torch

from py4cast.errors import SettingsError
from py4cast.grid import Grid
from py4cast.strategies.correlated import CorrelatedNoise
from tests.formats.test_grib_points import octahedral

FLAT = Grid(np.linspace(50, 40, 24), np.linspace(0, 10, 32))


def white(shape: tuple[int, int], channels: int) -> torch.Tensor:
    return torch.randn(400, *shape, channels, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("grid", [FLAT, Grid.plane(24, 1e5)], ids=["sides", "periodic"])
def test_it_keeps_its_variance_and_has_the_correlation_of_its_length(grid: Grid) -> None:
    noise = CorrelatedNoise(grid, (0.0, 2.0), 3)(white(grid.shape, 3))
    # at the sides too
    torch.testing.assert_close(noise.var((0,)).mean((0, 1)), torch.ones(3), atol=0.05, rtol=0.0)
    torch.testing.assert_close(noise[:, 0, 0].var(0), torch.ones(3), atol=0.25, rtol=0.0)
    for distance in (1, 3):
        correlation = (noise[:, :, distance:] * noise[:, :, :-distance]).mean((0, 1, 2))
        expected = [0.0, math.exp(-(distance**2) / 16), 0.0]
        torch.testing.assert_close(correlation, torch.tensor(expected), atol=0.05, rtol=0.0)


def test_it_goes_round_where_the_grid_does() -> None:
    plane = Grid.plane(24, 1e5)
    noise = CorrelatedNoise(plane, (2.0,), 1)(white(plane.shape, 1))
    across = float((noise[:, :, 0] * noise[:, :, -1]).mean())
    assert across == pytest.approx(math.exp(-1 / 16), abs=0.07)
    torch.testing.assert_close(
        CorrelatedNoise(plane, (2.0,), 1)(white(plane.shape, 1).roll(5, 2)), noise.roll(5, 2), rtol=1e-4, atol=1e-5
    )


def test_white_noise_stays_as_it_is_on_any_grid() -> None:
    points = octahedral(8)
    noise = white(points.shape, 2)
    assert CorrelatedNoise(points, (0.0,), 2)(noise) is noise
    with pytest.raises(SettingsError, match=r"noise_lengths \[1.0\]: .* use \[0\]"):
        CorrelatedNoise(points, (1.0,), 2)

"""Waves of a doubly periodic square: round trips, Parseval, resizing, products without aliases."""

import pytest
import torch

from py4cast.errors import SettingsError
from py4cast.physics.spectral import SpectralGrid, check_resolution
from tests.physics.flows import eddies, points


@pytest.mark.parametrize("dealiasing", ["pad", "truncate"])
def test_a_wave_has_one_coefficient_whatever_the_grid(dealiasing: str) -> None:
    for size in (16, 24, 64):
        grid = SpectralGrid(size, dealiasing, torch.float64)  # type: ignore[arg-type]
        x, y = points(size)
        modes = grid.modes(3 * torch.cos(2 * x - 4 * y + 0.3))
        expected = torch.zeros(grid.shape, dtype=torch.complex128)
        expected[-4, 2] = 1.5 * torch.exp(torch.tensor(0.3j, dtype=torch.complex128))
        torch.testing.assert_close(modes, expected, atol=1e-14, rtol=0)


@pytest.mark.parametrize("dealiasing", ["pad", "truncate"])
def test_fields_return_and_means_of_products_are_parsevals(dealiasing: str) -> None:
    grid = SpectralGrid(32, dealiasing, torch.float64)  # type: ignore[arg-type]
    modes = torch.stack([eddies(grid, seed=i) for i in range(3)])
    fields = grid.field(modes)
    torch.testing.assert_close(grid.modes(fields), modes, atol=1e-14, rtol=0)
    mean = (fields[0] * fields[1]).mean()
    torch.testing.assert_close(grid.mean_product(modes[0], modes[1]), mean, atol=1e-13, rtol=0)
    # all waves of this flow lie in the shells up to k_max
    torch.testing.assert_close(grid.shells(modes[0]).sum(), fields[0].square().mean(), atol=1e-5, rtol=0)


def test_resizing_keeps_waves_and_drops_what_a_grid_has_not() -> None:
    fine, coarse = SpectralGrid(64, "pad", torch.float64), SpectralGrid(16, "pad", torch.float64)
    modes = eddies(coarse, 3.0)
    torch.testing.assert_close(fine.field(fine.resize(modes)), coarse.field(modes, 64), atol=1e-13, rtol=0)
    torch.testing.assert_close(coarse.resize(fine.resize(modes)), modes, atol=0, rtol=0)
    x, _ = points(64)
    assert coarse.resize(fine.modes(torch.cos(9 * x))).abs().max() < 1e-14


@pytest.mark.parametrize("dealiasing", ["pad", "truncate"])
def test_products_have_no_aliases(dealiasing: str) -> None:
    grid = SpectralGrid(16, dealiasing, torch.float64)  # type: ignore[arg-type]
    x, _ = points(16)
    k = grid.k_max
    # cos² = ½ + ½·cos(2kx): the second wave is beyond the grid and must not come back as another
    wave = grid.modes(torch.cos(k * x))
    square = grid.modes(grid.field(wave, grid.product_size) ** 2)
    square[0, 0] -= 0.5
    assert square.abs().max() < 1e-14
    folded = grid.modes(grid.field(wave, 16) ** 2)
    folded[0, 0] -= 0.5
    assert (folded.abs().max() > 0.1) == (dealiasing == "pad"), (
        "the grid itself is too coarse where products need padding"
    )


def test_resolutions_that_the_transform_does_not_take_are_refused() -> None:
    with pytest.raises(SettingsError, match="square expected, found 32 x 30"):
        check_resolution(32, 30)
    with pytest.raises(
        SettingsError, match="33 points a side: expected an even number of at least 8; the nearest is 34"
    ):
        check_resolution(33, 33)
    with pytest.raises(SettingsError, match="nearest is 8"):
        SpectralGrid(4)

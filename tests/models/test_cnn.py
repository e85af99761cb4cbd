"""cnn: its size, its view, and sides that meet; zero: nothing."""

import pytest
import torch

from py4cast.errors import SettingsError
from py4cast.forecaster import Forecaster
from py4cast.grid import Grid
from py4cast.models.cnn import CNN, CNNSettings
from py4cast.models.zero import Zero
from py4cast.testing import make_batch, make_info

PLANE = Grid.plane(24, 1e6)


def test_the_papers_network_has_the_papers_size() -> None:
    network = CNN(1, 1, CNNSettings(num_layers=10, num_filters=64), PLANE)
    # Frezat et al. (2022) with one input
    assert sum(p.numel() for p in network.parameters()) == 822_977
    assert network.halo == 20


def test_a_doubly_periodic_square_has_no_seam() -> None:
    network = CNN(2, 1, CNNSettings(num_filters=8), PLANE)
    x = torch.randn(1, 24, 24, 2)
    turned = network(torch.roll(x, (7, -5), (1, 2)))
    torch.testing.assert_close(turned, torch.roll(network(x), (7, -5), (1, 2)), atol=1e-6, rtol=0)


def test_tiles_with_their_halo_are_the_whole() -> None:
    torch.manual_seed(0)
    network = CNN(2, 1, CNNSettings(num_filters=8, num_layers=2), PLANE)
    x = torch.randn(1, 24, 24, 2)
    whole, halo = network(x), network.halo
    assert halo == 4
    wide = torch.nn.functional.pad(x.permute(0, 3, 1, 2), [halo] * 4, mode="circular").permute(0, 2, 3, 1)
    for row in (0, 12):
        for column in (0, 12):
            tile = wide[:, row : row + 12 + 2 * halo, column : column + 12 + 2 * halo]
            found = network(tile)[:, halo:-halo, halo:-halo]
            torch.testing.assert_close(found, whole[:, row : row + 12, column : column + 12], atol=1e-6, rtol=0)


def test_kernels_must_be_odd() -> None:
    with pytest.raises(ValueError, match="kernel_size odd"):
        CNNSettings(kernel_size=4)


def test_zero_with_differences_is_persistence() -> None:
    info = make_info()
    forecaster = Forecaster.build(info, "zero", "diff_ar", 1)
    batch = make_batch(info, num_input_steps=1)
    found = forecaster.forecast(batch)
    for step in range(3):
        torch.testing.assert_close(found.tensor[:, step, ..., :2], batch.inputs.tensor[:, 0])
    assert torch.equal(Zero(2, 3, None)(torch.full((1, 4, 4, 2), torch.nan)), torch.zeros(1, 4, 4, 3))


def test_there_is_nothing_to_train_in_zero() -> None:
    from py4cast.optim import OptimSettings, make_optimizer

    with pytest.raises(SettingsError, match="nothing to learn"):
        make_optimizer(OptimSettings(), Forecaster.build(make_info(), "zero", "diff_ar", 1).parameters(), 10)

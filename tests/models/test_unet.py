"""U-Net: four scales down, four up, each joined to its twin."""

from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from py4cast.grid import Grid
from py4cast.models.unet import UNet, UNetSettings

GRID = Grid(np.linspace(50, 49, 32), np.linspace(0, 1, 48))


def test_scales_of_the_encoder_are_joined_behind_what_comes_up() -> None:
    network: Any = UNet(3, 2, UNetSettings(init_features=2, norm="none"), GRID).double()
    x = torch.randn(1, 32, 48, 3, dtype=torch.float64)
    first, second, third, fourth = network.encoders
    full = first(x.permute(0, 3, 1, 2))
    half = second(F.max_pool2d(full, 2))
    quarter = third(F.max_pool2d(half, 2))
    eighth = fourth(F.max_pool2d(quarter, 2))
    y = network.bottleneck(F.max_pool2d(eighth, 2))
    assert y.shape == (1, 32, 2, 3), "sixteen times the features at a sixteenth of the size"
    for up, decoder, twin in zip(network.ups, network.decoders, (eighth, quarter, half, full), strict=True):
        y = decoder(torch.cat([up(y), twin], 1))
    torch.testing.assert_close(network(x), network.output(y).permute(0, 2, 3, 1))


def test_features_double_at_each_scale() -> None:
    network: Any = UNet(3, 2, UNetSettings(init_features=4, norm="group"), GRID)
    assert [encoder[1][0].out_channels for encoder in network.encoders] == [4, 8, 16, 32]
    assert [(up.in_channels, up.out_channels) for up in network.ups] == [(64, 32), (32, 16), (16, 8), (8, 4)]
    kinds = {type(m) for m in network.modules()}
    assert nn.GroupNorm in kinds and nn.BatchNorm2d not in kinds


def test_a_single_feature_is_refused() -> None:
    with pytest.raises(ValueError, match="init_features must be at least 2"):
        UNetSettings(init_features=1)

"""UNETR++: blocks that attend to real cells, the ways up, scales, bounds."""

from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from py4cast.grid import Grid
from py4cast.models.unetrpp import UNetRPP, UNetRPPSettings, _Block, _PairedAttention, _Up

SMALL = UNetRPPSettings(hidden_size=32, num_heads=2, depths=(2, 1, 1, 1), proj_sizes=(8, 8, 8, 4), downsampling_rate=2)


def test_a_block_attends_to_real_cells_and_adds_a_convolution() -> None:
    is_real = torch.tensor([True, True, False, True, True, False])
    block = _Block(4, is_real, 3, SMALL).double().eval()
    nn.init.normal_(block.position)
    nn.init.normal_(block.scale)
    x = torch.randn(2, 4, 2, 3, dtype=torch.float64)
    cells = x.flatten(2).transpose(1, 2) + block.position
    seen = F.layer_norm(cells, (4,)).masked_fill(~is_real.view(-1, 1), 0.0)
    cells = cells + block.scale * block.attention(seen)
    image = cells.transpose(1, 2).reshape(2, 4, 2, 3)
    torch.testing.assert_close(block(x), image + block.output[1](block.convolution(image)))


def test_no_more_cells_are_projected_to_than_there_are() -> None:
    assert _PairedAttention(4, 2, 6, 64, 0.0).project.out_features == 6
    assert _PairedAttention(4, 2, 6, 5, 0.0).project.out_features == 5


def test_attention_leaves_features_out_in_training_alone() -> None:
    attention, x = _PairedAttention(4, 2, 6, 5, 0.5), torch.randn(2, 6, 4)
    assert not torch.equal(attention(x), attention(x))
    attention.eval()
    assert torch.equal(attention(x), attention(x))


@pytest.mark.parametrize("is_linear", [False, True])
def test_the_way_up_is_so_many_times_as_large(is_linear: bool) -> None:
    up: Any = _Up(3, 2, 4, is_linear).double()
    x = torch.randn(1, 3, 2, 5, dtype=torch.float64)
    y = up(x)
    assert y.shape == (1, 2, 8, 20)
    if is_linear:
        wide = F.interpolate(x, scale_factor=4, mode="bilinear", align_corners=False)
        expected = F.conv2d(wide, up.layers[1].weight, up.layers[1].bias, padding=1)
    else:
        blocks = torch.einsum("bcij,cokl->boikjl", x, up.layers.weight)
        expected = blocks.reshape(1, 2, 8, 20) + up.layers.bias.view(-1, 1, 1)
    torch.testing.assert_close(y, expected)


def test_scales_of_the_encoder_are_added_on_the_way_up() -> None:
    grid = Grid(np.linspace(50, 49, 32), np.linspace(0, 1, 40))
    network: Any = UNetRPP(3, 2, SMALL, grid).double().eval()
    x = torch.randn(1, 32, 40, 3, dtype=torch.float64)
    image = network.padder.pad(x.permute(0, 3, 1, 2))
    scales: list[Tensor] = []
    for down, encoder in zip(network.downs, network.encoders, strict=True):
        scales.append(encoder(down(scales[-1] if scales else image)))
    assert [tuple(s.shape[1:]) for s in scales] == [(4, 16, 24), (8, 8, 12), (16, 4, 6), (32, 2, 3)]
    y = scales[3]
    for up, decoder, twin in zip(network.ups, network.decoders, scales[2::-1], strict=True):
        y = decoder(up(y) + twin)
    y = network.output(network.last_up(y) + network.skip(image))
    torch.testing.assert_close(network(x), network.padder.crop(y).permute(0, 2, 3, 1))
    assert [len(e) for e in network.encoders] == [2, 1, 1, 1] and [len(d) for d in network.decoders] == [1, 1, 2]


def test_padding_is_marked_at_every_scale() -> None:
    grid = Grid(np.linspace(50, 49, 32), np.linspace(0, 1, 40))
    network: Any = UNetRPP(3, 2, SMALL, grid)
    # 32 x 48 cells of which 4 columns on either side are padding; one scale up there are 16 x 24
    real = network.encoders[0][0].is_real.view(16, 24)
    assert real[:, 2:22].all() and not real[:, :2].any() and not real[:, 22:].any()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"hidden_size": 0}, "hidden_size 0: expected a multiple of 16"),
        ({"num_heads": 0}, "num_heads 0 do not divide the width 32 of the finest scale"),
        ({"depths": (3, 0, 3, 3)}, "depths and proj_sizes must be at least 1, dropout from 0 up to 1"),
        ({"proj_sizes": (64, 64, 64, 0)}, "depths and proj_sizes must be at least 1"),
        ({"dropout": 1.0}, "dropout from 0 up to 1"),
        ({"dropout": -0.1}, "dropout from 0 up to 1"),
        ({"dropout": float("nan")}, "dropout from 0 up to 1"),
    ],
)
def test_settings_without_sense_are_refused(settings: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        UNetRPPSettings(**settings)  # type: ignore[arg-type]

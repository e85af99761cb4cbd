"""SegFormer: its feed-forward layers, its scales, its bounds."""

from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from py4cast.grid import Grid
from py4cast.models.segformer import SegFormer, SegFormerSettings, _Block, _FeedForward, _of_blocks, _Scale

SMALL = SegFormerSettings(
    dims=(2, 4, 6, 8), heads=(1, 2, 3, 4), ff_expansion=(1, 1, 1, 2), num_layers=1, decoder_dim=3,
    num_downsampling_chans=2, norm="none",
)  # fmt: skip


def test_the_mixing_convolution_is_of_each_feature_by_itself() -> None:
    layer, x = _FeedForward(2, 3).double(), torch.randn(1, 4, 5, 2, dtype=torch.float64)
    inner = layer.enter(x)
    mixed = torch.stack(
        [F.conv2d(inner[..., f].unsqueeze(1), layer.mix.weight[f : f + 1], layer.mix.bias[f : f + 1], padding=1)[:, 0] for f in range(6)],  # type: ignore[index]
        -1,
    )  # fmt: skip
    gelu = 0.5 * mixed * (1 + torch.erf(mixed / 2**0.5))
    torch.testing.assert_close(layer(x), layer.leave(gelu))


def test_keys_of_blocks_are_those_of_the_convolution_that_steps_over_them() -> None:
    convolution = nn.Conv2d(6, 5, 4, 4)
    x = torch.randn(2, 8, 12, 6, requires_grad=True)
    expected = convolution(x.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)
    actual = _of_blocks(x, convolution.weight, convolution.bias)
    torch.testing.assert_close(actual, expected)
    cotangent = torch.randn_like(expected)
    for one, other in zip(torch.autograd.grad(actual, (x, convolution.weight), cotangent), torch.autograd.grad(expected, (x, convolution.weight), cotangent), strict=True):  # fmt: skip
        torch.testing.assert_close(one, other)


def test_a_block_adds_attention_then_the_feed_forward_layer() -> None:
    block, x = _Block(4, 2, 2, 1).double(), torch.randn(1, 4, 4, 4, dtype=torch.float64)
    attended = x + block.attention(F.layer_norm(x, (4,)))
    torch.testing.assert_close(block(x), attended + block.feed_forward(F.layer_norm(attended, (4,))))


@pytest.mark.parametrize(
    ("index", "inputs", "expected"), [(0, 5, (2, 8, 16)), (1, 2, (4, 16, 32)), (3, 6, (8, 16, 32))]
)
def test_the_first_scale_is_a_quarter_and_each_other_half(
    index: int, inputs: int, expected: tuple[int, int, int]
) -> None:
    assert _Scale(inputs, SMALL, index)(torch.randn(1, inputs, 32, 64)).shape == (1, *expected)


def test_scales_are_joined_by_a_convolution_of_all_of_them_at_a_quarter() -> None:
    grid = Grid(np.linspace(50, 49, 64), np.linspace(0, 1, 64))
    network: Any = SegFormer(3, 2, SMALL, grid).double()
    x = torch.randn(1, 64, 64, 3, dtype=torch.float64)
    torch.nn.init.normal_(network.join_bias)
    level = fine = network.stem(x.permute(0, 3, 1, 2))
    widened = []
    for scale in network.scales:
        level = scale(level)
        widened.append(F.interpolate(level, size=(16, 16), mode="bilinear", align_corners=False))
    weight = torch.cat([join.weight for join in network.joins], 1)
    joined = F.conv2d(torch.cat(widened, 1), weight) + network.join_bias
    y = network.refine(network.fuse(joined.clamp(min=0)))
    assert y.shape[-2:] == (64, 64)
    torch.testing.assert_close(network(x), network.output(torch.cat([y, fine], 1)).permute(0, 2, 3, 1))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"heads": (0, 2, 5, 8)}, "heads 0 do not divide the width 32 of their scale"),
        ({"reduction_ratio": (16, 4, 2, 1)}, r"reduction_ratio \(16, 4, 2, 1\): expected powers of 2 up to 8"),
        ({"reduction_ratio": (8, 4, 2, 0)}, "expected powers of 2 up to 8"),
        ({"num_layers": 0}, "num_layers, decoder_dim, num_downsampling_chans and ff_expansion must be at least 1"),
        ({"decoder_dim": 0}, "must be at least 1"),
        ({"num_downsampling_chans": 0}, "must be at least 1"),
        ({"ff_expansion": (8, 8, 0, 4)}, "must be at least 1"),
    ],
)
def test_settings_without_sense_are_refused(settings: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        SegFormerSettings(**settings)  # type: ignore[arg-type]

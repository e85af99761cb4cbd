"""Swin UNETR: windows and their shifts, blocks, scales, bounds."""

from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from py4cast.grid import Grid
from py4cast.models.swinunetr import SwinUNetR, SwinUNetRSettings, _Block, _Windows

GRID = Grid(np.linspace(50, 49, 64), np.linspace(0, 1, 64))
SMALL = SwinUNetRSettings(feature_size=4, depths=(2, 1, 1, 3), num_heads=(2, 2, 4, 8), window_size=4)


@pytest.mark.parametrize(
    ("shape", "sizes", "shifts", "added", "count"),
    [((8, 12), (4, 4), (2, 2), (0, 0), 6), ((3, 9), (3, 4), (0, 2), (0, 3), 3), ((4, 4), (4, 4), (0, 0), (0, 0), 1)],
)
def test_a_side_that_one_window_covers_is_not_shifted(
    shape: tuple[int, int], sizes: tuple[int, int], shifts: tuple[int, int], added: tuple[int, int], count: int
) -> None:
    windows = _Windows(*shape, 4, is_shifted=True)
    assert (windows.sizes, windows.shifts, windows.added, windows.count) == (sizes, shifts, added, count)
    assert (windows.mask is None) == (shifts == added == (0, 0))
    assert _Windows(*shape, 4, is_shifted=False).shifts == (0, 0)


def test_windows_are_cut_row_by_row() -> None:
    cells = _Windows(4, 4, 2, is_shifted=False).cut(torch.arange(16.0).view(1, 4, 4, 1))
    assert cells[..., 0].tolist() == [[0, 1, 4, 5], [2, 3, 6, 7], [8, 9, 12, 13], [10, 11, 14, 15]]
    shifted = _Windows(4, 4, 2, is_shifted=True).cut(torch.arange(16.0).view(1, 4, 4, 1))
    assert shifted[0, :, 0].tolist() == [5, 6, 9, 10]


def test_a_block_adds_attention_then_an_mlp() -> None:
    block = _Block(4, 2, _Windows(4, 8, 4, is_shifted=False), 3).double()
    x = torch.randn(2, 4, 8, 4, dtype=torch.float64)
    attended = x + block.attention(F.layer_norm(x, (4,)))
    torch.testing.assert_close(block(x), attended + block.mlp(F.layer_norm(attended, (4,))))
    assert block.mlp[0].weight.shape == (12, 4)


def test_every_second_block_of_a_scale_is_shifted_where_windows_are_smaller() -> None:
    network: Any = SwinUNetR(3, 2, SMALL, GRID)
    shifts = [[block.attention.windows.shifts for block in scale] for scale in network.scales]
    assert shifts == [[(0, 0), (2, 2)], [(0, 0)], [(0, 0)], [(0, 0), (0, 0), (0, 0)]], "the last are 4 x 4 cells"
    shapes = [scale[0].attention.windows.shape for scale in network.scales]
    assert shapes == [(32, 32), (16, 16), (8, 8), (4, 4)]


def test_hidden_states_are_normalised_and_join_the_decoder_at_their_scale() -> None:
    network: Any = SwinUNetR(3, 2, SMALL, GRID).double()
    x = torch.randn(1, 64, 64, 3, dtype=torch.float64)
    image = x.permute(0, 3, 1, 2)
    hidden = [network.patches(image).permute(0, 2, 3, 1)]
    for scale, merge in zip(network.scales, network.merges, strict=True):
        hidden.append(merge(scale(hidden[-1])))
    assert [tuple(h.shape[1:]) for h in hidden] == [(32, 32, 4), (16, 16, 8), (8, 8, 16), (4, 4, 32), (2, 2, 64)]

    def normalised(h: Tensor) -> Tensor:
        variance, mean = torch.var_mean(h, -1, correction=0, keepdim=True)
        return ((h - mean) / (variance + 1e-5).sqrt()).permute(0, 3, 1, 2)

    twins = [skip(i) for skip, i in zip(network.skips, [image, *map(normalised, hidden)], strict=True)]
    y = twins[-1]
    for up, decoder, twin in zip(network.ups, network.decoders, twins[-2::-1], strict=True):
        y = decoder(torch.cat([up(y), twin], 1))
    torch.testing.assert_close(network(x), network.output(y).permute(0, 2, 3, 1))


def test_the_bias_of_attention_has_a_row_per_relative_position() -> None:
    network: Any = SwinUNetR(3, 2, SMALL, GRID)
    biases = [scale[0].attention.bias for scale in network.scales]
    assert [tuple(b.shape) for b in biases] == [(49, 2), (49, 2), (49, 4), (49, 8)]
    assert all(0 < float(b.detach().std()) < 0.05 for b in biases)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"num_heads": (0, 6, 12, 24)}, "num_heads 0 do not divide the width 24 of their scale"),
        ({"mlp_ratio": 0}, "window_size must be at least 2, mlp_ratio and depths at least 1"),
        ({"depths": (2, 0, 2, 2)}, "mlp_ratio and depths at least 1"),
    ],
)
def test_settings_without_sense_are_refused(settings: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        SwinUNetRSettings(**settings)  # type: ignore[arg-type]

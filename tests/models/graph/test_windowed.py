"""Windowed attention against attention under the whole band's mask."""

import pytest
import torch
import torch.nn.functional as F

from py4cast.models.graph.windowed import WindowedAttention, banded_attention


@pytest.mark.parametrize(
    ("count", "window"), [(50, 7), (64, 8), (40, 10), (41, 10), (31, 10), (20, 10), (12, 10), (9, 10), (20, 1), (1, 3)]
)
def test_blocks_give_what_the_band_gives(count: int, window: int) -> None:
    query, key, value = (torch.randn(2, 3, count, 5, dtype=torch.float64, requires_grad=True) for _ in range(3))
    places = torch.arange(count)
    band = (places[:, None] - places[None]).abs() <= window
    weight, results = torch.randn(2, 3, count, 5, dtype=torch.float64), []
    for y in (
        banded_attention(query, key, value, window),
        F.scaled_dot_product_attention(query, key, value, attn_mask=band),
    ):
        results.append((y, *torch.autograd.grad((y * weight).sum(), (query, key, value))))
    for ours, expected in zip(*results, strict=True):
        torch.testing.assert_close(ours, expected)


def test_a_node_hears_its_window_and_no_more() -> None:
    torch.manual_seed(0)
    layer = WindowedAttention(8, 2, 4, window=3)
    nodes = torch.randn(40, 1, 8)
    changed = nodes.clone()
    changed[20] = torch.randn(8)
    moved = (layer(changed) - layer(nodes)).abs().amax((1, 2)) > 0
    assert moved.nonzero().flatten().tolist() == list(range(17, 24))

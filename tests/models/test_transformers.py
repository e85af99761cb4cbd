"""The transformers against what their papers write, cell by cell."""

import pytest
import torch
import torch.nn.functional as F

from py4cast.errors import SettingsError
from py4cast.models import build_network, registry
from py4cast.models.segformer import SegFormerSettings, _Attention
from py4cast.models.swinunetr import _Attention as WindowAttention
from py4cast.models.swinunetr import _Merge, _Windows
from py4cast.models.unetrpp import UNetRPPSettings, _PairedAttention
from py4cast.testing import make_info


@pytest.mark.parametrize("shape", [(8, 8), (9, 14), (4, 20), (3, 3), (12, 7)])
@pytest.mark.parametrize("is_shifted", [False, True])
def test_windows_join_what_they_cut(shape: tuple[int, int], is_shifted: bool) -> None:
    windows, x = _Windows(*shape, 4, is_shifted), torch.randn(2, *shape, 3)
    cut = windows.cut(x)
    assert cut.shape == (2 * windows.count, windows.sizes[0] * windows.sizes[1], 3)
    assert torch.equal(windows.join(cut), x)


@pytest.mark.parametrize("shape", [(8, 8), (9, 14), (4, 20), (12, 7)])
@pytest.mark.parametrize("is_shifted", [False, True])
def test_cells_of_a_window_see_neighbours_only(shape: tuple[int, int], is_shifted: bool) -> None:
    """Two cells see each other if and only if they are real, in one window, and near each other without wrapping."""
    windows = _Windows(*shape, 4, is_shifted)
    rows, columns = torch.meshgrid(*(torch.arange(1.0, n + 1) for n in shape), indexing="ij")
    cells = windows.cut(torch.stack([rows, columns], -1)[None])
    is_real = cells[..., 0] > 0
    near = (cells[:, :, None] - cells[:, None]).abs().amax(-1) < 4
    expected = (is_real[:, :, None] & is_real[:, None] & near) | (~is_real[:, :, None] & ~is_real[:, None])
    seen = torch.ones_like(expected) if windows.mask is None else windows.mask.squeeze(1) == 0
    assert torch.equal(seen, expected)


def test_window_attention_is_the_formula() -> None:
    torch.manual_seed(0)
    windows = _Windows(8, 8, 4, is_shifted=True)
    attention, x = WindowAttention(6, 2, windows), torch.randn(2, 8, 8, 6)
    cells = windows.cut(x)
    q, k, v = attention.query_key_value(cells).reshape(8, 16, 3, 2, 3).permute(2, 0, 3, 1, 4)
    bias = attention.bias[attention.index].permute(2, 0, 1)
    weights = (q @ k.mT / 3**0.5 + bias + windows.mask.repeat(2, 1, 1, 1)).softmax(-1)
    expected = windows.join(attention.output((weights @ v).transpose(1, 2).reshape(8, 16, 6)))
    assert torch.allclose(attention(x), expected, atol=1e-6)


def test_the_bias_depends_on_the_relative_position_alone() -> None:
    index = WindowAttention(4, 1, _Windows(12, 12, 3, is_shifted=False)).index
    place = [(i // 3, i % 3) for i in range(9)]
    groups: dict = {}
    for a in range(9):
        for b in range(9):
            difference = (place[a][0] - place[b][0], place[a][1] - place[b][1])
            groups.setdefault(difference, set()).add(int(index[a, b]))
    assert all(len(g) == 1 for g in groups.values()) and len({*map(tuple, groups.values())}) == 25


def test_merging_joins_two_by_two_cells() -> None:
    merge, x = _Merge(3), torch.randn(2, 4, 6, 3)
    corner = torch.cat([x[:, 2, 4], x[:, 2, 5], x[:, 3, 4], x[:, 3, 5]], -1)
    assert torch.allclose(merge(x)[:, 1, 2], merge.linear(merge.norm(corner)), atol=1e-6)


@pytest.mark.parametrize("ratio", [1, 2])
def test_efficient_attention_is_the_formula(ratio: int) -> None:
    torch.manual_seed(0)
    attention, x = _Attention(6, 2, ratio), torch.randn(2, 4, 6, 6)
    reduced = x
    if ratio > 1:
        patches = x.reshape(2, 2, 2, 3, 2, 6).permute(0, 1, 3, 5, 2, 4).reshape(2, 6, 24)
        reduced = attention.norm(F.linear(patches, attention.reduce.weight.flatten(1), attention.reduce.bias))
    q = attention.query(x).reshape(2, 24, 2, 3).transpose(1, 2)
    kv = attention.key_value(reduced).reshape(2, -1, 2, 6).transpose(1, 2)
    weights = (q @ kv[..., :3].mT / 3**0.5).softmax(-1)
    expected = attention.output((weights @ kv[..., 3:]).transpose(1, 2).reshape(2, 4, 6, 6))
    assert torch.allclose(attention(x), expected, atol=1e-6)


def test_paired_attention_is_the_formula() -> None:
    torch.manual_seed(0)
    attention, x = _PairedAttention(8, 2, 12, 5, dropout=0.0), torch.randn(3, 12, 8)
    with torch.no_grad():
        attention.of_features.copy_(torch.tensor([2.0, 3.0]).view(2, 1, 1))
        attention.of_space.copy_(torch.tensor([0.5, 4.0]).view(2, 1, 1))
    parts = attention.linear(x).reshape(3, 12, 4, 2, 4)
    space, features = torch.empty(3, 12, 8), torch.empty(3, 12, 8)
    for sample in range(3):
        for head in range(2):
            q, k, vf, vs = (parts[sample, :, i, head] for i in range(4))
            projected = [attention.project(m.T).T for m in (k, vs)]
            q, k = q / q.norm(dim=0), k / k.norm(dim=0)
            own = slice(4 * head, 4 * head + 4)
            features[sample, :, own] = ((attention.of_features[head] * q.T @ k).softmax(-1) @ vf.T).T
            space[sample, :, own] = (attention.of_space[head] * q @ projected[0].T).softmax(-1) @ projected[1]
    expected = torch.cat([attention.space_output(space), attention.features_output(features)], -1)
    assert torch.allclose(attention(x), expected, atol=1e-5)


def test_joining_scales_is_a_convolution_of_all_of_them() -> None:
    """Σ Wₛ·up(Eₛ) + b = W·cat(up(Eₛ)) + b, whether widened before or after."""
    parts = [torch.randn(1, n, 4 // 2**k, 4 // 2**k) for k, n in enumerate((3, 5))]
    weights = [torch.randn(7, n, 1, 1) for n in (3, 5)]
    up = [F.interpolate(p, size=(4, 4), mode="bilinear", align_corners=False) for p in parts]
    whole = F.conv2d(torch.cat(up, 1), torch.cat(weights, 1))
    early = [F.interpolate(F.conv2d(p, w), size=(4, 4), mode="bilinear", align_corners=False) for p, w in zip(parts, weights, strict=True)]  # fmt: skip
    assert torch.allclose(sum(early), whole, atol=1e-5)


@pytest.mark.parametrize("settings", [{"linear_upsampling": True}, {"downsampling_rate": 2}, {"dropout": 0.1}])
def test_unetrpp_variants(settings: dict) -> None:
    info = make_info((33, 40))
    small = {"hidden_size": 32, "num_heads": 2, "depths": [1, 1, 1, 1], "proj_sizes": [8, 8, 8, 4], **settings}
    network, _ = build_network("unetrpp", 5, 3, small, info.grid, info.statics)
    x = torch.randn(2, 33, 40, 5)
    network(x).square().mean().backward()
    network.eval()
    with torch.no_grad():
        assert torch.equal(network(x), network(x)), "nothing is left out but in training"


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        ("segformer", {"heads": [1, 2, 3, 8]}, "heads 3 do not divide the width 160 of their scale"),
        ("segformer", {"reduction_ratio": [8, 4, 3, 1]}, "expected powers of 2 up to 8"),
        ("swinunetr", {"num_heads": [3, 6, 12, 25]}, "num_heads 25 do not divide the width 192 of their scale"),
        ("swinunetr", {"window_size": 1}, "window_size must be at least 2"),
        ("unetrpp", {"num_heads": 3}, "num_heads 3 do not divide the width 32 of the finest scale"),
        ("unetrpp", {"hidden_size": 100}, "hidden_size 100: expected a multiple of 16"),
    ],
)
def test_settings_that_cannot_work_together(name: str, settings: dict, message: str) -> None:
    info = make_info()
    with pytest.raises(SettingsError, match=message):
        build_network(name, 5, 3, settings, info.grid, info.statics)


def test_defaults_are_the_papers() -> None:
    assert SegFormerSettings().dims == (32, 64, 160, 256) and UNetRPPSettings().hidden_size == 256
    assert all(registry.get(n).reference for n in registry.builtin_names if n != "zero")

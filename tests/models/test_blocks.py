"""Blocks against the plain layers that they stand for."""

import pytest
import torch
import torch.nn.functional as F

from py4cast.models.blocks import Conv3x3, InteriorNorm


@pytest.mark.parametrize(("inputs", "outputs", "rows", "columns"), [(3, 4, 20, 30), (16, 24, 3, 5), (40, 64, 3, 4), (64, 64, 2, 2)])  # fmt: skip
@pytest.mark.parametrize("dilation", [1, 2])
@pytest.mark.parametrize("bias", [False, True])
def test_a_convolution_is_the_same_in_every_form(inputs: int, outputs: int, rows: int, columns: int, dilation: int, bias: bool) -> None:  # fmt: skip
    conv = Conv3x3(inputs, outputs, dilation, bias).double()
    x = torch.randn(2, rows, columns, inputs, dtype=torch.float64).permute(0, 3, 1, 2).requires_grad_()
    found, expected = conv(x), F.conv2d(x, conv.weight, conv.bias, padding=dilation, dilation=dilation)
    assert found.shape == expected.shape and torch.allclose(found, expected, atol=1e-12)
    wanted, weights = [x, *conv.parameters()], torch.randn_like(expected)
    for a, b in zip(torch.autograd.grad((found * weights).sum(), wanted), torch.autograd.grad((expected * weights).sum(), wanted), strict=True):  # fmt: skip
        assert torch.allclose(a, b, atol=1e-10)


@pytest.mark.parametrize("groups", [None, 2])
def test_an_interior_norm_is_the_norm_of_the_interior(groups: int | None) -> None:
    region = (slice(2, 7), slice(1, 9))
    norm = InteriorNorm(6, region, groups)
    if norm.weight is not None and norm.bias is not None:
        torch.nn.init.normal_(norm.weight), torch.nn.init.normal_(norm.bias)
    x = 3 + 2 * torch.randn(2, 6, 8, 10)
    expected = F.group_norm(x[..., 2:7, 1:9], groups or 6, norm.weight, norm.bias)
    found = norm(x)
    assert torch.allclose(found[..., 2:7, 1:9], expected, atol=1e-5)
    x[..., :2, :] = 1e6
    assert torch.allclose(norm(x)[..., 2:7, 1:9], expected, atol=1e-5), "padding has no say"
    whole = InteriorNorm(6, (slice(0, 8), slice(0, 10)), groups)
    assert torch.allclose(whole(x), F.group_norm(x, groups or 6, whole.weight, whole.bias))

"""A convolution of a band that has rows of its neighbours at its sides, which keeps no copy of both together."""

from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = ["Shape", "convolved"]


class Shape(NamedTuple):
    """How a convolution steps over its image.

    Args:
        stride: along `lat` and `lon`.
        columns: of padding on both sides.
        dilation: along `lat` and `lon`.
        groups: of features.
    """

    stride: tuple[int, int]
    columns: int
    dilation: tuple[int, int]
    groups: int


def convolved(before: Tensor, x: Tensor, after: Tensor, weight: Tensor, bias: Tensor | None, shape: Shape) -> Tensor:
    """The convolution of `before`, `x` and `after`, joined along `lat`.

    Args:
        before: rows above the band, `(batch, features, rows, lon)`.
        x: the band.
        after: rows below it.
        weight: the kernel.
        bias: of the features; None for none.
        shape: how it steps.
    """
    kind = x.device.type
    tensors: list[Any] = [before, x, after, weight, bias]
    if torch.is_autocast_enabled(kind):
        dtype = torch.get_autocast_dtype(kind)
        tensors = [None if t is None else t.to(dtype) for t in tensors]
    with torch.autocast(kind, enabled=False):
        result: Tensor = _Convolved.apply(shape, *tensors)  # type: ignore[no-untyped-call]
    return result


class _Convolved(torch.autograd.Function):
    """Joins the rows for as long as the convolution takes, in both passes."""

    @staticmethod
    def forward(
        ctx: Any, shape: Shape, before: Tensor, x: Tensor, after: Tensor, weight: Tensor, bias: Tensor | None
    ) -> Tensor:
        ctx.shape, ctx.has_bias = shape, bias is not None
        ctx.save_for_backward(before, x, after, weight)
        wide = torch.cat([before, x, after], dim=-2)
        return F.conv2d(wide, weight, bias, shape.stride, (0, shape.columns), shape.dilation, shape.groups)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        before, x, after, weight = ctx.saved_tensors
        shape, rows = ctx.shape, (before.shape[-2], x.shape[-2], after.shape[-2])
        wide = torch.cat([before, x, after], dim=-2)
        sizes = [weight.shape[0]] if ctx.has_bias else None
        wanted = [any(ctx.needs_input_grad[1:4]), ctx.needs_input_grad[4], ctx.has_bias]
        of_rows, of_weight, of_bias = torch.ops.aten.convolution_backward(
            gradient, wide, weight, sizes, list(shape.stride), [0, shape.columns], list(shape.dilation), False, [0, 0],
            shape.groups, wanted,
        )  # fmt: skip
        parts = [None] * 3 if of_rows is None else of_rows.split(rows, dim=-2)
        return None, *parts, of_weight, of_bias

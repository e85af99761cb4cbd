"""The transforms of `SpectralGrid` as linear maps in pairs, each the other's adjoint but for weights.

Differentiated by torch, a transform of real numbers goes back through one of complex numbers, and rows that are cut out
through whole fields of zeros. Here a gradient costs what its transform does. With c = 1 for k_x = 0 and 2 for the waves
that stand for two, and m the points,

    columns:   F(k) = Σ f(x) e^(−ikx)/m           adjoint   g(x) = from_rows(G/c)/m
    from_rows: f(x) = Σ c Re(F(k) e^(ikx))        adjoint   G(k) = c·m·columns(g)
"""

from typing import Any

import torch
from torch import Tensor

__all__ = ["columns", "from_rows", "put_rows", "take_rows"]


def columns(field: Tensor, counts: Tensor) -> Tensor:
    """Coefficients `(..., row, kx)` of a field `(..., y, x)`, with all rows and as many columns as `counts` has."""
    return _Columns.apply(field, counts)  # type: ignore[no-any-return, no-untyped-call]


def from_rows(rows: Tensor, counts: Tensor) -> Tensor:
    """The field `(..., y, x)` on as many points a side as there are rows."""
    return _FromRows.apply(rows, counts)  # type: ignore[no-any-return, no-untyped-call]


def put_rows(modes: Tensor, rows: int) -> Tensor:
    """Coefficients with zeros for the waves along y that lack, between the positive and the negative ones."""
    if modes.shape[-2] == rows:
        return modes
    return _PutRows.apply(modes, rows)  # type: ignore[no-any-return, no-untyped-call]


def take_rows(modes: Tensor, rows: int) -> Tensor:
    """The first and the last rows: the waves along y up to (rows − 1)/2."""
    if modes.shape[-2] == rows:
        return modes
    return _TakeRows.apply(modes, rows)  # type: ignore[no-any-return, no-untyped-call]


def _analysed(field: Tensor, counts: Tensor) -> Tensor:
    along = torch.fft.rfft(field, norm="forward")[..., : counts.numel()]
    return torch.fft.fft(along, dim=-2, norm="forward")  # type: ignore[no-any-return]


def _synthesised(rows: Tensor) -> Tensor:
    along = torch.fft.ifft(rows, dim=-2, norm="forward")
    return torch.fft.irfft(along, n=rows.shape[-2], norm="forward")  # type: ignore[no-any-return]


def _spread(modes: Tensor, rows: int) -> Tensor:
    positive = (modes.shape[-2] + 1) // 2
    zeros = modes.new_zeros(()).expand(*modes.shape[:-2], rows - modes.shape[-2], modes.shape[-1])
    return torch.cat([modes[..., :positive, :], zeros, modes[..., positive:, :]], dim=-2)


def _gathered(modes: Tensor, rows: int) -> Tensor:
    positive = (rows + 1) // 2
    return torch.cat([modes[..., :positive, :], modes[..., modes.shape[-2] - rows + positive :, :]], dim=-2)


class _Columns(torch.autograd.Function):
    @staticmethod
    def forward(field: Tensor, counts: Tensor) -> Tensor:
        return _analysed(field, counts)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor], output: Tensor) -> None:
        ctx.counts, ctx.points = inputs[1], inputs[0].shape[-1] * inputs[0].shape[-2]

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        return from_rows(gradient / (ctx.counts * ctx.points), ctx.counts), None

    @staticmethod
    def jvp(ctx: Any, tangent: Tensor, _: None) -> Tensor:
        return _analysed(tangent, ctx.counts)


class _FromRows(torch.autograd.Function):
    @staticmethod
    def forward(rows: Tensor, counts: Tensor) -> Tensor:
        return _synthesised(rows)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor], output: Tensor) -> None:
        ctx.counts, ctx.points = inputs[1], output.shape[-1] * output.shape[-2]

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        return columns(gradient, ctx.counts) * (ctx.counts * ctx.points), None

    @staticmethod
    def jvp(ctx: Any, tangent: Tensor, _: None) -> Tensor:
        return _synthesised(tangent)


class _PutRows(torch.autograd.Function):
    @staticmethod
    def forward(modes: Tensor, rows: int) -> Tensor:
        return _spread(modes, rows)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, int], output: Tensor) -> None:
        ctx.sizes = inputs[0].shape[-2], inputs[1]

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        return take_rows(gradient, ctx.sizes[0]), None

    @staticmethod
    def jvp(ctx: Any, tangent: Tensor, _: None) -> Tensor:
        return _spread(tangent, ctx.sizes[1])


class _TakeRows(torch.autograd.Function):
    @staticmethod
    def forward(modes: Tensor, rows: int) -> Tensor:
        return _gathered(modes, rows)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, int], output: Tensor) -> None:
        ctx.sizes = inputs[0].shape[-2], inputs[1]

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        return put_rows(gradient, ctx.sizes[0]), None

    @staticmethod
    def jvp(ctx: Any, tangent: Tensor, _: None) -> Tensor:
        return _gathered(tangent, ctx.sizes[1])

"""The transforms of `SpectralGrid` as linear maps, each the other's adjoint but for weights.

Differentiated by torch, a transform of real numbers goes back through one of complex numbers, and rows that are cut out
through whole fields of zeros. Here a gradient costs what its transform does. With c = 1 for k_x = 0 and 2 for the waves
that stand for two, and m the points,

    analysed:    F(k) = Σ f(x) e^(−ikx)/m           adjoint   g(x) = synthesised(G/c)/m
    synthesised: f(x) = Σ c Re(F(k) e^(ikx))        adjoint   G(k) = c·m·analysed(g)
"""

from typing import Any

import torch
from torch import Tensor

__all__ = ["analysed", "is_learned_through", "put_rows", "synthesised", "take_rows"]


def analysed(field: Tensor, counts: Tensor, rows: int) -> Tensor:
    """Coefficients `(..., ky, kx)` of a field `(..., y, x)`: the first and last `rows`, as many columns as `counts` has."""
    if not is_learned_through(field):
        return _analysed(field, counts, rows)
    return _Analysed.apply(field, counts, rows)  # type: ignore[no-any-return, no-untyped-call]


def synthesised(modes: Tensor, counts: Tensor, size: int) -> Tensor:
    """The field `(..., y, x)` of coefficients on `size` points a side."""
    if not is_learned_through(modes):
        return _synthesised(modes, size)
    return _Synthesised.apply(modes, counts, size)  # type: ignore[no-any-return, no-untyped-call]


def put_rows(modes: Tensor, rows: int) -> Tensor:
    """Coefficients with zeros for the waves along y that lack, between the positive and the negative ones."""
    if modes.shape[-2] == rows:
        return modes
    positive = (modes.shape[-2] + 1) // 2
    zeros = modes.new_zeros(()).expand(*modes.shape[:-2], rows - modes.shape[-2], modes.shape[-1])
    return torch.cat([modes[..., :positive, :], zeros, modes[..., positive:, :]], dim=-2)


def take_rows(modes: Tensor, rows: int) -> Tensor:
    """The first and the last rows: the waves along y up to (rows − 1)/2."""
    if modes.shape[-2] == rows:
        return modes
    positive = (rows + 1) // 2
    return torch.cat([modes[..., :positive, :], modes[..., modes.shape[-2] - rows + positive :, :]], dim=-2)


def is_learned_through(values: Tensor) -> bool:
    """Whether a gradient will come back: a node of the graph costs as much as a transform of 64 points a side."""
    return values.requires_grad and torch.is_grad_enabled()


def _analysed(field: Tensor, counts: Tensor, rows: int) -> Tensor:
    along = torch.fft.rfft(field, norm="forward")[..., : counts.numel()]
    return take_rows(torch.fft.fft(along, dim=-2, norm="forward"), rows)


def _synthesised(modes: Tensor, size: int) -> Tensor:
    along = torch.fft.ifft(put_rows(modes, size), dim=-2, norm="forward")
    return torch.fft.irfft(along, n=size, norm="forward")  # type: ignore[no-any-return]


class _Analysed(torch.autograd.Function):
    @staticmethod
    def forward(field: Tensor, counts: Tensor, rows: int) -> Tensor:
        return _analysed(field, counts, rows)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor, int], output: Tensor) -> None:
        field, ctx.counts, ctx.rows = inputs
        ctx.size = field.shape[-2]

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        return synthesised(gradient / (ctx.counts * ctx.size**2), ctx.counts, ctx.size), None, None

    @staticmethod
    def jvp(ctx: Any, tangent: Tensor, *_: None) -> Tensor:
        return _analysed(tangent, ctx.counts, ctx.rows)


class _Synthesised(torch.autograd.Function):
    @staticmethod
    def forward(modes: Tensor, counts: Tensor, size: int) -> Tensor:
        return _synthesised(modes, size)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor, int], output: Tensor) -> None:
        modes, ctx.counts, ctx.size = inputs
        ctx.rows = modes.shape[-2]

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        return analysed(gradient, ctx.counts, ctx.rows) * (ctx.counts * ctx.size**2), None, None

    @staticmethod
    def jvp(ctx: Any, tangent: Tensor, *_: None) -> Tensor:
        return _synthesised(tangent, ctx.size)

"""Norms whose mean and deviation are those of cells and samples that several ranks have."""

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor

__all__ = ["Moments", "normalised"]


class Moments(NamedTuple):
    """Over what a mean and a deviation are, beside the cells.

    Args:
        shape: in which `(batch, features)` is seen.
        dim: of that shape that they are over: the batch, or the features of a group.
        add_up: gives the sum of a tensor over the ranks.
        eps: beside the variance.
    """

    shape: tuple[int, ...]
    dim: int
    add_up: Callable[[Tensor], Tensor]
    eps: float

    def total(self, each: Tensor) -> Tensor:
        """The sums of numbers `(batch, features)` over the dimension and the ranks, again `(batch, features)`."""
        sums = self.add_up(each.reshape(self.shape).sum(self.dim, keepdim=True))
        return sums.expand(self.shape).reshape(each.shape)


def normalised(
    x: Tensor, moments: Moments, weight: Tensor | None, bias: Tensor | None
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """(x − μ)/√(σ² + ε)·w + b, then μ, σ² and how many values each is of, `(batch, features)`; these have no gradient.

    Beside its result it keeps x alone for the backward pass, as a norm of one rank does.

    Args:
        x: `(batch, features, …)`.
        moments: over what μ and σ are.
        weight: w of the features; None for 1.
        bias: b of the features; None for 0.
    """
    if x.dim() == 2:  # features without cells
        y, *further = normalised(x[..., None], moments, weight, bias)
        return y[..., 0], further[0], further[1], further[2]
    result: tuple[Tensor, Tensor, Tensor, Tensor] = _Normalised.apply(moments, x, weight, bias)  # type: ignore[no-untyped-call]
    return result


def _wide(x: Tensor) -> Tensor:
    return x if x.dtype == torch.float64 else x.float()


def _spread(numbers: Tensor, x: Tensor) -> Tensor:
    """Numbers `(batch or 1, features)` as they meet x."""
    return numbers.reshape(*numbers.shape, *(1,) * (x.dim() - 2))


class _Normalised(torch.autograd.Function):
    """The norm as one operation."""

    @staticmethod
    def forward(ctx: Any, moments: Moments, x: Tensor, weight: Tensor | None, bias: Tensor | None) -> Any:
        wide = _wide(x)
        variance, mean = torch.var_mean(wide, list(range(2, x.dim())), correction=0)
        here = torch.full_like(mean, float(wide[0, 0].numel()))
        count = moments.total(here)
        # of all: the mean of the means, and the variances about it
        each, mean = mean, moments.total(mean * here) / count
        variance = moments.total((variance + (each - mean).square()) * here) / count
        rstd = torch.rsqrt(variance + moments.eps)
        y = wide.sub(_spread(mean, x)).mul_(_spread(rstd if weight is None else rstd * weight, x))
        if bias is not None:
            y.add_(_spread(bias[None], x))
        ctx.moments, ctx.has_bias = moments, bias is not None
        ctx.save_for_backward(x, mean, rstd, count, *([] if weight is None else [weight]))
        ctx.mark_non_differentiable(mean, variance, count)
        return y.to(x.dtype), mean, variance, count

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        x, mean, rstd, count, *weights = ctx.saved_tensors
        moments, gradient, cells = ctx.moments, _wide(gradients[0]), list(range(2, x.dim()))
        centred = _wide(x).sub(_spread(mean, x))
        along, across = gradient.sum(cells), (gradient * centred).sum(cells) * rstd
        of_weight = across.sum(0).to(weights[0].dtype) if weights else None
        of_bias = along.sum(0) if ctx.has_bias else None
        weight = weights[0] if weights else torch.ones_like(mean[:1])
        of_mean, of_deviation = (moments.total(part * weight) / count for part in (along, across))
        back = gradient.mul(_spread(weight * rstd, x)).sub_(_spread(of_mean * rstd, x))
        back.sub_(centred.mul_(_spread(of_deviation * rstd.square(), x)))
        return None, back.to(x.dtype), of_weight, of_bias

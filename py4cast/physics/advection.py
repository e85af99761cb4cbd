"""The advection of vorticity by its own flow, as one map of waves with its adjoint.

    N(ω) = −J(ψ, ω) = a·(uv)^ + b·(v² − u²)^,   (u, v) of ω̂ by the factors w

Its gradient needs u and v alone: with g_a, g_b the fields of a·G and b·G, the velocities' gradients are
g_u = v g_a − 2u g_b and g_v = u g_a + 2v g_b. Two transforms there and two back, as the map itself.
"""

from typing import Any, NamedTuple

import torch
from torch import Tensor

from py4cast.physics.transforms import analysed, is_learned_through, synthesised

__all__ = ["Advection", "advected"]


class Advection(NamedTuple):
    """The factors of the map from modes to the rate of advection.

    Args:
        velocities: w, of û and v̂ of ω̂, `(2, ky, kx)`.
        strain: a, `(ky, kx)`.
        shear: b, `(ky, kx)`.
        counts: how many waves each column stands for, `(kx)`.
        size: points a side where products are formed.
    """

    velocities: Tensor
    strain: Tensor
    shear: Tensor
    counts: Tensor
    size: int

    def winds(self, modes: Tensor) -> Tensor:
        """U and v, `(..., 2, y, x)`."""
        return synthesised(modes.unsqueeze(-3) * self.velocities, self.counts, self.size)

    def rate(self, winds: Tensor) -> Tensor:
        """The rate N of advection from the velocities."""
        u, v = winds.unbind(-3)
        return self.waves(u * v, (v - u) * (v + u))

    def products(self, u: Tensor, v: Tensor, du: Tensor, dv: Tensor) -> Tensor:
        """a·(u dv + v du)^ + 2b·(v dv − u du)^: the change of N by that of the velocities."""
        return self.waves(u * dv + v * du, 2 * (v * dv - u * du))

    def waves(self, first: Tensor, second: Tensor) -> Tensor:
        """The modes of a combination, a·f̂ + b·ĝ."""
        modes = analysed(torch.stack([first, second], dim=-3), self.counts, self.strain.shape[-2])
        one, two = modes.unbind(-3)
        return torch.addcmul(self.strain * one, self.shear, two)

    def adjoint(self, gradient: Tensor, winds: Tensor) -> Tensor:
        """The gradient of ω̂ from that of N."""
        u, v = winds.unbind(-3)
        weights = self.counts * self.size**2
        both = torch.stack([self.strain * gradient, self.shear * gradient], dim=-3) / weights
        first, second = synthesised(both, self.counts, self.size).unbind(-3)
        second = 2 * second
        fields = torch.stack([v * first - u * second, u * first + v * second], dim=-3)
        back = analysed(fields, self.counts, self.strain.shape[-2]) * (weights * self.velocities.conj())
        return back.sum(-3)


def advected(modes: Tensor, by: Advection) -> Tensor:
    """N of ω̂ `(..., ky, kx)`."""
    if not is_learned_through(modes):
        return by.rate(by.winds(modes))
    tendency: Tensor = _Advected.apply(modes, by)[0]  # type: ignore[no-untyped-call]
    return tendency


class _Advected(torch.autograd.Function):
    @staticmethod
    def forward(modes: Tensor, by: Advection) -> tuple[Tensor, Tensor]:
        winds = by.winds(modes)
        return by.rate(winds), winds

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Advection], output: tuple[Tensor, Tensor]) -> None:
        ctx.by = inputs[1]
        ctx.mark_non_differentiable(output[1])
        ctx.save_for_backward(inputs[0], output[1])
        ctx.save_for_forward(inputs[0], output[1])

    @staticmethod
    def backward(ctx: Any, gradient: Tensor, _: Tensor) -> tuple[Tensor, None]:
        modes, winds = ctx.saved_tensors
        # a gradient of the gradient goes through the velocities
        return ctx.by.adjoint(gradient, ctx.by.winds(modes) if torch.is_grad_enabled() else winds), None

    @staticmethod
    def jvp(ctx: Any, tangent: Tensor, _: None) -> tuple[Tensor, None]:
        _, winds = ctx.saved_tensors
        return ctx.by.products(*winds.unbind(-3), *ctx.by.winds(tangent).unbind(-3)), None

"""leith: an eddy viscosity in proportion to the gradient of the vorticity."""

from typing import ClassVar

from torch import Tensor

from py4cast.physics.closures.base import ClosureABC, diffusion, gradient, magnitude

__all__ = ["Leith"]


class Leith(ClosureABC):
    """Creates R = ∇·(νₑ∇ω), νₑ = (CΔ)³|∇ω|.

    Reference: C. E. Leith (1996), Stochastic models of chaotic systems, doi 10.1016/0167-2789(96)00107-8.
    """

    default: ClassVar[float | None] = 0.22
    reference = "Leith (1996), doi 10.1016/0167-2789(96)00107-8"

    def forward(self, modes: Tensor) -> Tensor:
        assert self.constant is not None, "it has a default"
        steepness = magnitude(gradient(self.equation, modes))
        return diffusion(self.equation, (self.constant * self.spacing) ** 3 * steepness, modes)

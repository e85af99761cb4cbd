"""smagorinsky: an eddy viscosity in proportion to the rate of strain."""

from typing import ClassVar

from torch import Tensor

from py4cast.physics.closures.base import ClosureABC, diffusion, strain_rate

__all__ = ["Smagorinsky"]


class Smagorinsky(ClosureABC):
    """Creates R = ∇·(νₑ∇ω), νₑ = (CΔ)²|S|.

    Reference: J. Smagorinsky (1963), General circulation experiments with the primitive equations,
    doi 10.1175/1520-0493(1963)091<0099:GCEWTP>2.3.CO;2.
    """

    default: ClassVar[float | None] = 0.17
    reference = "Smagorinsky (1963), doi 10.1175/1520-0493(1963)091<0099:GCEWTP>2.3.CO;2"

    def forward(self, modes: Tensor) -> Tensor:
        assert self.constant is not None, "it has a default"
        viscosity = (self.constant * self.spacing) ** 2 * strain_rate(self.equation, modes)
        return diffusion(self.equation, viscosity, modes)

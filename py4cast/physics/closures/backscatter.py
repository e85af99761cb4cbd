"""backscatter: what the eddy viscosity takes of the energy goes back to the large scales."""

from typing import ClassVar

import torch
from torch import Tensor

from py4cast.physics.closures.base import ClosureABC, gradient, magnitude
from py4cast.physics.vorticity import VorticityEquation

__all__ = ["Backscatter"]


class Backscatter(ClosureABC):
    """Creates R = −∇²(ν₄∇²ω) − ν_b∇²ω, ν₄ = (CΔ)³|∇ω|Δ²/8, ν_b = s·D/⟨ω²⟩.

    D = ⟨ψ R₄⟩ is the energy that the first term takes per unit of time; the second gives back the share s of it,
    whatever the flow, while short waves still lose enstrophy.

    Args:
        equation: of the coarse flow.
        constant: C.
        share: s, 0 to 1.

    Reference: M. F. Jansen, I. M. Held (2014), Parameterizing subgrid-scale eddy effects using energetically consistent
    backscatter, doi 10.1016/j.ocemod.2014.06.002; B. Fox-Kemper, D. Menemenlis (2008), doi 10.1029/177GM19 (ν₄ from Leith's).
    """

    default: ClassVar[float | None] = 0.6
    reference = "Jansen, Held (2014), doi 10.1016/j.ocemod.2014.06.002"

    def __init__(self, equation: VorticityEquation, constant: float | None = None, share: float = 0.9) -> None:
        super().__init__(equation, constant)
        self.share = share

    def forward(self, modes: Tensor) -> Tensor:
        assert self.constant is not None, "it has a default"
        g = self.equation.grid
        steepness = magnitude(gradient(self.equation, modes))
        viscosity = (self.constant * self.spacing) ** 3 * self.spacing**2 / 8 * steepness
        curvature = g.field(-g.square * modes, g.product_size)
        taken = g.square * g.modes(viscosity * curvature)
        loss = g.mean_product(self.equation.stream_function(modes), taken)
        strength = g.mean_product(modes, modes)
        given = self.share * loss / torch.where(strength > 0, strength, torch.inf)
        return taken + given[..., None, None] * g.square * modes

"""Eddy viscosities whose constant the flow itself gives: what a coarser filter would call subgrid is known.

Let a tilde be the filter to half of the waves. The model R = c Δᵖ∇·(a∇ω) must hold at both scales, so that

    L = c M,   L = tilde(J(ω)) − J(tilde ω),   M = tilde(Δᵖ∇·(a∇ω)) − (2Δ)ᵖ∇·(ã∇ω̃)

and c = ⟨L M⟩/⟨M M⟩ over the square, sample by sample; where ⟨L M⟩ < 0, c = 0: no energy is given back.

References: M. Germano et al. (1991), A dynamic subgrid-scale eddy viscosity model, doi 10.1063/1.857955; D. K. Lilly (1992),
A proposed modification of the Germano subgrid-scale closure method, doi 10.1063/1.858280.
"""

from abc import abstractmethod
from typing import ClassVar

import torch
from torch import Tensor

from py4cast.physics.closures.base import ClosureABC, diffusion, gradient, magnitude, strain_rate

__all__ = ["DynamicLeith", "DynamicSmagorinsky"]


class DynamicClosure(ClosureABC):
    """Abstract dynamic closure; a constant, where one is given, multiplies the coefficient."""

    power: ClassVar[int]
    default: ClassVar[float | None] = 1.0
    reference = "Germano et al. (1991), doi 10.1063/1.857955; Lilly (1992), doi 10.1063/1.858280"

    @abstractmethod
    def rate(self, modes: Tensor) -> Tensor:
        """The rate a in νₑ = c Δᵖ a, where products are formed."""

    def _coarser(self, modes: Tensor) -> Tensor:
        """The waves up to half of the longest kept."""
        g = self.equation.grid
        kept = (g.kx <= g.k_max // 2) & (g.ky.abs() <= g.k_max // 2)
        return modes * kept

    def coefficient(self, modes: Tensor) -> Tensor:
        """The coefficient c ≥ 0 of a state, `(...)`."""
        return self._solve(modes)[0]

    def _solve(self, modes: Tensor) -> tuple[Tensor, Tensor]:
        eq, g = self.equation, self.equation.grid
        test = self._coarser(modes)
        term = self.spacing**self.power * diffusion(eq, self.rate(modes), modes)
        wider = (2 * self.spacing) ** self.power * diffusion(eq, self.rate(test), test)
        # N = −J
        left = self._coarser(eq.nonlinear(test) - eq.nonlinear(modes))
        right = self._coarser(term - wider)
        strength = g.mean_product(right, right)
        share = g.mean_product(left, right).clamp(min=0) / torch.where(strength > 0, strength, torch.inf)
        return share, term

    def forward(self, modes: Tensor) -> Tensor:
        assert self.constant is not None, "it has a default"
        share, term = self._solve(modes)
        return self.constant * share[..., None, None] * term


class DynamicSmagorinsky(DynamicClosure):
    """Creates R = c Δ²∇·(|S|∇ω), c from the flow."""

    power = 2

    def rate(self, modes: Tensor) -> Tensor:
        return strain_rate(self.equation, modes)


class DynamicLeith(DynamicClosure):
    """Creates R = c Δ³∇·(|∇ω|∇ω), c from the flow."""

    power = 3

    def rate(self, modes: Tensor) -> Tensor:
        return magnitude(gradient(self.equation, modes))

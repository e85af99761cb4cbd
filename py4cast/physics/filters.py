"""Filters that part a flow into what a coarse grid sees and what it does not, and the term that the coarse flow lacks.

A filter multiplies every wave by G(k); a bar is the filtered and truncated field. Filtered, the vorticity equation is
that of the coarse grid with the subgrid term added to its right-hand side,

    ∂ₜω̄ + J(ψ̄, ω̄) = … + R,   R = J(ψ̄, ω̄) − bar(J(ψ, ω)) = ∇·(ū ω̄ − bar(u ω))

References: C. Meneveau, J. Katz (2000), Scale-invariance and turbulence models for large-eddy simulation,
doi 10.1146/annurev.fluid.32.1.1; H. Frezat et al. (2022), doi 10.1029/2022MS003124.
"""

import math
from abc import ABC, abstractmethod
from typing import final

import torch
from torch import Tensor

from py4cast.physics.equation import EquationABC
from py4cast.physics.spectral import SpectralGrid

__all__ = ["FILTERS", "CutOff", "FilterABC", "GaussianCutOff"]


class FilterABC(ABC):
    """Abstract filter to a coarse grid; waves that the grid has not are dropped after it.

    Args:
        coarse: the grid that is filtered to, of spacing Δ = 2π/n.
    """

    def __init__(self, coarse: SpectralGrid) -> None:
        self.coarse = coarse
        self.transfer = self.response(coarse.square.sqrt(), 2 * math.pi / coarse.size)

    @abstractmethod
    def response(self, wavenumber: Tensor, spacing: float) -> Tensor:
        """G(k) of the waves of the coarse grid of spacing Δ."""

    @final
    def __call__(self, modes: Tensor) -> Tensor:
        """Coefficients on the coarse grid of coefficients on a finer one."""
        coarse = self.coarse.resize(modes)
        return coarse * self.transfer.to(device=coarse.device, dtype=coarse.real.dtype)

    @final
    def subgrid_term(self, fine: EquationABC, coarse: EquationABC, modes: Tensor) -> Tensor:
        """R of a state of the fine equation, on the coarse grid: what the fine Jacobian does that the coarse does not."""
        return self(fine.nonlinear(modes)) - coarse.nonlinear(self(modes))


class CutOff(FilterABC):
    """Creates the sharp filter: G = 1 for |k| < π/Δ, else 0."""

    def response(self, wavenumber: Tensor, spacing: float) -> Tensor:
        return (wavenumber < math.pi / spacing).to(wavenumber)


class GaussianCutOff(FilterABC):
    """Creates the Gaussian filter with the grid's cut-off: G = exp(−Δ²k²/24) for |k| < π/Δ, else 0."""

    def response(self, wavenumber: Tensor, spacing: float) -> Tensor:
        smooth = torch.exp(-(spacing**2) * wavenumber**2 / 24)
        return torch.where(wavenumber < math.pi / spacing, smooth, torch.zeros_like(smooth))


FILTERS: dict[str, type[FilterABC]] = {"cut_off": CutOff, "gaussian": GaussianCutOff}

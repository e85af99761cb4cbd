"""The contract of equations: ∂ₜŝ = L ŝ + N(ŝ) + source, in coefficients on a SpectralGrid.

L is diagonal and known, so that a stepper takes it exactly; N is all the rest. The state is what a stepper is given
and gives back: an equation holds none.
"""

from abc import ABC, abstractmethod

from torch import Tensor, nn

from py4cast.physics.spectral import SpectralGrid

__all__ = ["EquationABC"]


class EquationABC(nn.Module, ABC):
    """Abstract equation ∂ₜŝ = Lŝ + N(ŝ) of spectral coefficients.

    Args:
        grid: its waves.
    """

    def __init__(self, grid: SpectralGrid) -> None:
        super().__init__()
        self.grid = grid

    @abstractmethod
    def linear(self) -> Tensor:
        """L, broadcast to the state `(..., ky, kx)`."""

    @abstractmethod
    def nonlinear(self, modes: Tensor) -> Tensor:
        """N of a state `(..., ky, kx)`."""

    @abstractmethod
    def speed(self, modes: Tensor) -> Tensor:
        """The largest |u| + |v| of a state, a number: what bounds an explicit step."""

    def tendency(self, modes: Tensor) -> Tensor:
        """The tendency ∂ₜŝ without a source."""
        return self.linear() * modes + self.nonlinear(modes)

"""The contract of closures: from the coarse flow, the subgrid term R that its equation lacks."""

from abc import ABC, abstractmethod
from typing import ClassVar

import torch
from torch import Tensor, nn

from py4cast.physics.vorticity import VorticityEquation

__all__ = ["ClosureABC", "diffusion", "gradient", "magnitude", "strain_rate"]


class ClosureABC(nn.Module, ABC):
    """Abstract closure of a formula, a term beside the coarse equation.

    Args:
        equation: of the coarse flow.
        constant: of the formula; `default` where none is given.
    """

    default: ClassVar[float | None] = None
    reference: ClassVar[str] = ""

    def __init__(self, equation: VorticityEquation, constant: float | None = None) -> None:
        super().__init__()
        self.equation = equation
        self.constant = self.default if constant is None else constant
        self.spacing = 2 * torch.pi / equation.grid.size

    @abstractmethod
    def forward(self, modes: Tensor) -> Tensor:
        """R̂ of ω̂, `(..., ky, kx)`; it is added to the right-hand side."""


def gradient(equation: VorticityEquation, modes: Tensor) -> Tensor:
    """∂ₓf and ∂ᵧf where products are formed, `(..., 2, y, x)`."""
    g = equation.grid
    return g.field(torch.stack([1j * g.kx * modes, 1j * g.ky * modes], dim=-3), g.product_size)


def magnitude(vectors: Tensor) -> Tensor:
    """|v| of `(..., 2, y, x)`, whose gradient is 0 where v is: a flow at rest can be learned through."""
    square = vectors.square().sum(-3)
    moves = square > 0
    return torch.where(moves, torch.where(moves, square, 1.0).sqrt(), 0.0)


def strain_rate(equation: VorticityEquation, modes: Tensor) -> Tensor:
    """|S| = √(2 Sᵢⱼ Sᵢⱼ) = √((∂ₓu − ∂ᵧv)² + (∂ᵧu + ∂ₓv)²) where products are formed, `(..., y, x)`."""
    g = equation.grid
    stream = equation.stream_function(modes)
    stretched, sheared = 2 * g.kx * g.ky * stream, (g.ky**2 - g.kx**2) * stream
    return magnitude(g.field(torch.stack([stretched, sheared], dim=-3), g.product_size))


def diffusion(equation: VorticityEquation, viscosity: Tensor, modes: Tensor) -> Tensor:
    """∇·(νₑ ∇ω) of an eddy viscosity `(..., y, x)` where products are formed: it takes enstrophy, never gives any."""
    g = equation.grid
    flux = g.modes(viscosity.unsqueeze(-3) * gradient(equation, modes))
    return 1j * (g.kx * flux[..., 0, :, :] + g.ky * flux[..., 1, :, :])

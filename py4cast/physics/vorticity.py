"""The barotropic vorticity equation of a forced, damped, rotating fluid on a doubly periodic square.

    ∂ₜω + J(ψ, ω) = −ν(−∇²)ᵖ ω − μ ω − β ∂ₓψ + F,   ω = ∇²ψ,   (u, v) = (−∂ᵧψ, ∂ₓψ)

In waves ψ̂ = −ω̂/k², so that L = −ν k²ᵖ − μ + iβ k_x/k². For p = 1 the viscosity is Newton's: ν∇²ω.

The Jacobian needs the velocities alone: J = ∂ₓ(uω) + ∂ᵧ(vω) = (∂ₓₓ − ∂ᵧᵧ)(uv) + ∂ₓᵧ(v² − u²), two transforms there
and two back where the usual form takes three and two.

Reference: C. Basdevant (1983), Technical improvements for direct numerical simulation of homogeneous three-dimensional
turbulence, doi 10.1016/0021-9991(83)90064-5; H. Frezat et al. (2022), A posteriori learning for quasi-geostrophic
turbulence parametrization, doi 10.1029/2022MS003124.
"""

import torch
from torch import Tensor

from py4cast.physics.advection import Advection, advected
from py4cast.physics.equation import EquationABC
from py4cast.physics.spectral import SpectralGrid

__all__ = ["VorticityEquation"]


class VorticityEquation(EquationABC):
    """Creates the equation; a state is ω̂, `(..., ky, kx)`.

    Args:
        grid: its waves.
        viscosity: ν ≥ 0, of the order `viscosity_order`; a number, or a tensor that is learned.
        drag: μ ≥ 0.
        beta: β, northward gradient of the planetary vorticity.
        viscosity_order: p.
    """

    velocities: Tensor
    strain: Tensor
    shear: Tensor

    def __init__(
        self,
        grid: SpectralGrid,
        viscosity: float | Tensor = 0.0,
        drag: float | Tensor = 0.0,
        beta: float | Tensor = 0.0,
        viscosity_order: int = 1,
    ) -> None:
        super().__init__(grid)
        self.viscosity, self.drag, self.beta = viscosity, drag, beta
        self.viscosity_order = viscosity_order
        # with −J = (k_x² − k_y²)·(uv)^ + k_x k_y·(v² − u²)^
        self.register_buffer("strain", grid.kx**2 - grid.ky**2, persistent=False)
        self.register_buffer("shear", grid.kx * grid.ky, persistent=False)
        # û and v̂ of ω̂, one after the other
        turned = torch.stack([grid.ky.expand(grid.shape), -grid.kx.expand(grid.shape)])
        self.register_buffer("velocities", 1j * turned * grid.inverse_square, persistent=False)

    def linear(self) -> Tensor:
        g = self.grid
        damping = -self.drag - self.viscosity * g.square**self.viscosity_order
        # the mean has no tendency
        return torch.complex(
            torch.where(g.square > 0, damping, 0.0).to(g.square), (self.beta * g.kx * g.inverse_square).to(g.square)
        )

    def velocity(self, modes: Tensor, size: int | None = None) -> Tensor:
        """Velocities u and v, `(..., 2, y, x)`."""
        # products with all waves are compact: at 512² they would not fit the processor's cache otherwise
        return self.grid.field(modes.unsqueeze(-3) * self.velocities, size)

    def stream_function(self, modes: Tensor) -> Tensor:
        """The stream function ψ̂ of ω̂."""
        return -modes * self.grid.inverse_square

    def nonlinear(self, modes: Tensor) -> Tensor:
        g = self.grid
        return advected(modes, Advection(self.velocities, self.strain, self.shear, g.counts, g.product_size))

    def speed(self, modes: Tensor) -> Tensor:
        return self.velocity(modes).abs().sum(-3).amax()

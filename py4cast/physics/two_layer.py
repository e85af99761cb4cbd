"""The two-layer quasi-geostrophic equations, baroclinically unstable under a mean shear, on the same waves and steppers.

    ∂ₜq₁ + J(ψ₁, q₁) + U₁ ∂ₓq₁ + (β + F₁ΔU) ∂ₓψ₁ = −ν(−∇²)ᵖ q₁
    ∂ₜq₂ + J(ψ₂, q₂) + U₂ ∂ₓq₂ + (β − F₂ΔU) ∂ₓψ₂ = −ν(−∇²)ᵖ q₂ − μ ∇²ψ₂
    q₁ = ∇²ψ₁ + F₁(ψ₂ − ψ₁),  q₂ = ∇²ψ₂ + F₂(ψ₁ − ψ₂),  ΔU = U₁ − U₂

F₁ = k_d²/(1 + δ) and F₂ = δ F₁ with k_d the deformation wavenumber and δ = H₁/H₂ the ratio of the layers' depths.
What couples the layers is no diagonal, so it is taken with the nonlinear part.

Reference: G. K. Vallis (2017), Atmospheric and Oceanic Fluid Dynamics, 2nd ed., chapters 5 and 9,
doi 10.1017/9781107588417; N. A. Phillips (1954), doi 10.1111/j.2153-3490.1954.tb01123.x.
"""

import torch
from torch import Tensor

from py4cast.physics.equation import EquationABC
from py4cast.physics.spectral import SpectralGrid

__all__ = ["TwoLayerEquation"]


class TwoLayerEquation(EquationABC):
    """Creates the equations; a state is q̂, `(..., layer, ky, kx)` with the upper layer first.

    Args:
        grid: its waves.
        deformation: k_d > 0.
        depth_ratio: δ = H₁/H₂.
        shear: ΔU; the mean flow is ΔU above and 0 below.
        beta: β.
        drag: μ of the lower layer.
        viscosity: ν of the order `viscosity_order`.
        viscosity_order: p.
    """

    inverse: Tensor

    def __init__(
        self,
        grid: SpectralGrid,
        deformation: float,
        depth_ratio: float = 1.0,
        shear: float = 0.0,
        beta: float | Tensor = 0.0,
        drag: float | Tensor = 0.0,
        viscosity: float | Tensor = 0.0,
        viscosity_order: int = 1,
    ) -> None:
        super().__init__(grid)
        self.beta, self.bottom_drag, self.viscosity = beta, drag, viscosity
        self.viscosity_order, self.shear, self.depth_ratio = viscosity_order, shear, depth_ratio
        self.upper = deformation**2 / (1 + depth_ratio)
        self.lower = depth_ratio * self.upper
        k2 = grid.square.double()
        # ψ̂ = M⁻¹ q̂ with M = [[−k² − F₁, F₁], [F₂, −k² − F₂]]
        determinant = k2 * (k2 + self.upper + self.lower)
        scale = torch.where(k2 > 0, 1 / determinant, torch.zeros_like(k2))
        rows = [-(k2 + self.lower), -self.upper + 0 * k2, -self.lower + 0 * k2, -(k2 + self.upper)]
        inverse = torch.stack(rows).reshape(2, 2, *k2.shape) * scale
        self.register_buffer("inverse", inverse.to(grid.square), persistent=False)

    def linear(self) -> Tensor:
        g = self.grid
        return -self.viscosity * g.square**self.viscosity_order + 0j

    def stream_functions(self, modes: Tensor) -> Tensor:
        """ψ̂ of both layers of q̂, `(..., layer, ky, kx)`."""
        upper, lower = modes.unbind(-3)
        m = self.inverse
        return torch.stack([m[0, 0] * upper + m[0, 1] * lower, m[1, 0] * upper + m[1, 1] * lower], dim=-3)

    def velocity(self, stream: Tensor, size: int | None = None) -> Tensor:
        """Velocities u and v of the flow beside the mean one, `(2, ..., layer, y, x)`, of stream functions."""
        g = self.grid
        return g.field(torch.stack([-1j * g.ky * stream, 1j * g.kx * stream]), size)

    def nonlinear(self, modes: Tensor) -> Tensor:
        g = self.grid
        stream = self.stream_functions(modes)
        u, v = self.velocity(stream, g.product_size)
        q = g.field(modes, g.product_size)
        flux = g.modes(torch.stack([u * q, v * q]))
        tendency = -1j * (g.kx * flux[0] + g.ky * flux[1])
        east = 1j * g.kx
        change = self.shear * torch.stack([modes[..., 0, :, :], torch.zeros_like(modes[..., 0, :, :])], dim=-3)
        gradient = torch.stack(
            [
                (self.beta + self.upper * self.shear) * stream[..., 0, :, :],
                (self.beta - self.lower * self.shear) * stream[..., 1, :, :],
            ],
            dim=-3,
        )
        rubbed = torch.stack(
            [torch.zeros_like(stream[..., 0, :, :]), self.bottom_drag * g.square * stream[..., 1, :, :]], dim=-3
        )
        return tendency - east * (change + gradient) + rubbed

    def speed(self, modes: Tensor) -> Tensor:
        u, v = self.velocity(self.stream_functions(modes))
        mean = torch.tensor([self.shear, 0.0], device=u.device, dtype=u.dtype)[:, None, None]
        speed: Tensor = ((u + mean).abs() + v.abs()).amax()
        return speed

    def energy(self, modes: Tensor) -> Tensor:
        """Mean energy per unit of depth: kinetic and available potential, weighted by the layers' depths, `(...)`.

        With h₁ = δ/(1 + δ) and h₂ = 1/(1 + δ): E = ½ Σ hᵢ⟨|∇ψᵢ|²⟩ + ½ h₁F₁⟨(ψ₁ − ψ₂)²⟩ = −½ Σ hᵢ⟨ψᵢ qᵢ⟩.
        """
        g, d = self.grid, self.depth_ratio
        weights = torch.tensor([d / (1 + d), 1 / (1 + d)], dtype=g.dtype, device=g.square.device)
        total: Tensor = -0.5 * (g.mean_product(self.stream_functions(modes), modes) * weights).sum(-1)
        return total

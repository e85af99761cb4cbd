"""What a two-dimensional flow conserves without forcing and viscosity, and how it is spread over scales.

    E = ½⟨|∇ψ|²⟩,  Z = ½⟨ω²⟩,  E(k), Z(k) their parts in the shells of the wavenumber
    Π_E(k) = Σ_{k' ≤ k} Re⟨ψ̂* N̂⟩,  Π_Z(k) = −Σ_{k' ≤ k} Re⟨ω̂* N̂⟩

A flux is what the waves up to k lose to shorter ones by a rate N̂ of ω̂; it is positive towards short waves.

Reference: G. Boffetta, R. E. Ecke (2012), Two-Dimensional Turbulence, doi 10.1146/annurev-fluid-120710-101240.
"""

from torch import Tensor

from py4cast.physics.spectral import SpectralGrid

__all__ = ["energy", "energy_flux", "energy_spectrum", "enstrophy", "enstrophy_flux", "enstrophy_spectrum"]


def energy(grid: SpectralGrid, vorticity: Tensor) -> Tensor:
    """E of ω̂ `(..., ky, kx)`, `(...)`."""
    return 0.5 * grid.mean_product(vorticity, vorticity * grid.inverse_square)


def enstrophy(grid: SpectralGrid, vorticity: Tensor) -> Tensor:
    """The enstrophy Z of ω̂, `(...)`, in units of the modes."""
    return 0.5 * grid.mean_product(vorticity, vorticity)


def energy_spectrum(grid: SpectralGrid, vorticity: Tensor) -> Tensor:
    """E(k), `(..., k)`; the waves in the corners beyond k_max are left out."""
    return 0.5 * grid.shells(vorticity, vorticity * grid.inverse_square)


def enstrophy_spectrum(grid: SpectralGrid, vorticity: Tensor) -> Tensor:
    """The enstrophy by shells of the wavenumber, Z(k), `(..., k)`."""
    return 0.5 * grid.shells(vorticity)


def energy_flux(grid: SpectralGrid, vorticity: Tensor, rate: Tensor) -> Tensor:
    """Π_E(k) by a rate of ω̂, `(..., k)`: ∂ₜE = −⟨ψ ∂ₜω⟩."""
    return -grid.shells(vorticity * grid.inverse_square, rate).cumsum(-1)


def enstrophy_flux(grid: SpectralGrid, vorticity: Tensor, rate: Tensor) -> Tensor:
    """Π_Z(k) by a rate of ω̂, `(..., k)`: ∂ₜZ = ⟨ω ∂ₜω⟩."""
    return -grid.shells(vorticity, rate).cumsum(-1)

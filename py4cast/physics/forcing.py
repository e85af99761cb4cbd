"""A fixed forcing of two-dimensional turbulence, the slowly turning wind:

    F = C·[cos(4y + π sin(1.508 t)) − cos(4x + π sin(1.44 t))],  ½⟨F²⟩ = rate

References: J. P. Graham, T. Ringler (2013), A framework for the evaluation of turbulence closures used in mesoscale ocean
large-eddy simulations, doi 10.1016/j.ocemod.2013.01.004; H. Frezat et al. (2022), doi 10.1029/2022MS003124.
"""

import math

import torch
from torch import Tensor

from py4cast.physics.spectral import SpectralGrid

__all__ = ["Wind"]


class Wind:
    """Creates the slowly turning wind, `(time)` → F̂ `(time, ky, kx)`.

    Args:
        grid: with waves up to 4 at least.
        rate: ½⟨F²⟩.
    """

    wavenumber = 4
    _SWAYS = (1.508, 1.44)

    def __init__(self, grid: SpectralGrid, rate: float) -> None:
        # each cosine has mean square ½, so that ½⟨F²⟩ = C²/2
        self.grid, self.amplitude = grid, math.sqrt(2 * rate)

    def __call__(self, times: Tensor) -> Tensor:
        """F̂ at times, `(...)` → `(..., ky, kx)`."""
        g, k = self.grid, self.wavenumber
        north, east = (math.pi * torch.sin(sway * times.double()) for sway in self._SWAYS)
        wind = torch.zeros(*times.shape, *g.shape, dtype=torch.complex128, device=times.device)
        half = 0.5 * self.amplitude
        wind[..., k, 0] = half * torch.exp(1j * north)
        wind[..., g.shape[0] - k, 0] = half * torch.exp(-1j * north)
        wind[..., 0, k] = -half * torch.exp(1j * east)
        return wind.to(torch.complex128 if g.dtype == torch.float64 else torch.complex64)

"""Flows that the tests of the physics share."""

import torch
from torch import Tensor

from py4cast.physics.invariants import enstrophy
from py4cast.physics.spectral import SpectralGrid


def eddies(
    grid: SpectralGrid, wavenumber: float = 4.0, strength: float = 18.0, seed: int = 0, layers: int = 0
) -> Tensor:
    """ω̂ of random eddies of enstrophy `strength`."""
    generator = torch.Generator().manual_seed(seed)
    shape = (layers,) if layers else ()
    noise = torch.randn(*shape, grid.size, grid.size, generator=generator, dtype=torch.float64).to(grid.dtype)
    modes = grid.modes(noise) * torch.exp(-((grid.square.sqrt() - wavenumber) ** 2) / 4)
    modes = modes * (grid.square > 0)
    return modes * (strength / enstrophy(grid, modes)).sqrt()[..., None, None]


def points(size: int) -> tuple[Tensor, Tensor]:
    """x and y of the points of a grid, `(y, x)`."""
    line = torch.arange(size, dtype=torch.float64) * 2 * torch.pi / size
    y, x = torch.meshgrid(line, line, indexing="ij")
    return x, y

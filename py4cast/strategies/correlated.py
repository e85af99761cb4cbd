"""CorrelatedNoise: white noise on the cells of a rectangle, smoothed over a set of lengths."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from py4cast.errors import SettingsError
from py4cast.grid import Grid

__all__ = ["CorrelatedNoise"]


class CorrelatedNoise(nn.Module):
    """Creates η_c = R_c·ε_c·C_cᵀ for every channel c, R and C Gaussian filters of a length ℓ_c along columns and rows.

    Each number keeps mean 0 and variance 1; two cells at a distance r are correlated by about exp(−r²/4ℓ²). Sides that meet the
    opposite ones are filtered across; lengths are dealt to the channels in turn.

    Args:
        grid: a rectangle; points where all lengths are 0.
        lengths: ℓ [cells], 0 for white noise.
        num_channels: of the noise.

    Raises:
        SettingsError: a length on points, which have no rows to filter along.
    """

    rows: Tensor
    columns: Tensor

    def __init__(self, grid: Grid, lengths: Sequence[float], num_channels: int) -> None:
        super().__init__()
        of_channels = [lengths[i % len(lengths)] for i in range(num_channels)]
        self.is_white = not any(of_channels)
        if not self.is_white and not grid.is_rectangular:
            raise SettingsError(
                f"noise_lengths {list(lengths)}: noise is smoothed along rows and columns, which {grid.describe()} has not; use [0]"
            )
        if self.is_white:
            return
        for name, count, is_periodic in zip(("rows", "columns"), grid.shape, grid.periodicity, strict=True):
            filters = torch.stack([_filter(count, length, is_periodic) for length in of_channels])
            self.register_buffer(name, filters, persistent=False)

    def forward(self, noise: Tensor) -> Tensor:
        """`(batch, lat, lon, channels)` of white noise of that shape."""
        if self.is_white:
            return noise
        planes = noise.movedim(-1, 1)
        smooth = self.rows.to(noise.dtype) @ planes @ self.columns.to(noise.dtype).transpose(-1, -2)
        return smooth.movedim(1, -1)


def _filter(count: int, length: float, is_periodic: bool) -> Tensor:
    """A square matrix of weights exp(−d²/2ℓ²), the squares of each row adding up to 1."""
    places = torch.arange(count, dtype=torch.float64)
    distance = (places[:, None] - places[None]).abs()
    if is_periodic:
        distance = torch.minimum(distance, count - distance)
    weights = torch.exp(-0.5 * (distance / length).square()) if length else (distance == 0).double()
    return (weights / weights.square().sum(1, keepdim=True).sqrt()).float()

"""Fractions skill score: how well an event is placed, when near enough counts as right.

Reference: N. M. Roberts and H. W. Lean (2008), Scale-selective verification of rainfall accumulations from
high-resolution forecasts of convective events, doi 10.1175/2007MWR2123.1.
"""

import torch
from torch import Tensor

__all__ = ["fractions_skill_score", "summed_area", "window_sums"]


def summed_area(field: Tensor) -> Tensor:
    """S(i, j) = Σ over rows < i and columns < j: `(..., lat, lon)` → `(..., lat + 1, lon + 1)`.

    Reference: F. C. Crow (1984), Summed-area tables for texture mapping, doi 10.1145/964965.808600.
    """
    return torch.nn.functional.pad(field.cumsum(-2).cumsum(-1), (1, 0, 1, 0))


def window_sums(table: Tensor, window: int) -> Tensor:
    """Sum over every square of `window` × `window` cells that lies inside, from a summed-area table.

    `(..., lat + 1, lon + 1)` → `(..., lat − window + 1, lon − window + 1)`.
    """
    n = window
    return table[..., n:, n:] - table[..., :-n, n:] - table[..., n:, :-n] + table[..., :-n, :-n]


def fractions_skill_score(square_difference: Tensor, square_forecast: Tensor, square_observed: Tensor) -> Tensor:
    """FSS = 1 − ⟨(P_f − P_o)²⟩ / (⟨P_f²⟩ + ⟨P_o²⟩): 1 is best, 0 no overlap at this scale."""
    return 1 - square_difference / (square_forecast + square_observed)

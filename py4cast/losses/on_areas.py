"""Losses of areas: each has its share of the weight, however many cells it has."""

from collections.abc import Mapping
from dataclasses import replace

import torch

from py4cast.areas import AreaSettings, area_mask
from py4cast.dataset_info import DatasetInfo
from py4cast.errors import SettingsError

__all__ = ["on_areas"]


def on_areas(info: DatasetInfo, areas: Mapping[str, AreaSettings], shares: Mapping[str, float]) -> DatasetInfo:
    """The data with weights of cells w′ = Σ_areas s·w/Σ_area w, so that a region does not drown the globe, nor it the region.

    Cells in no area weigh nothing in a loss that is made of the result.

    Args:
        info: of the data.
        areas: by name; without any the data are as they were.
        shares: s by name, 1 where none is given.

    Raises:
        SettingsError: an area without a cell that counts.
    """
    if not areas:
        return info
    cells = info.statics.cell_weights.squeeze(-1).double()
    weights = torch.zeros_like(cells)
    for name, area in areas.items():
        within = cells * torch.from_numpy(area_mask(info.grid, name, area)).double()
        if not bool(within.any()):
            raise SettingsError(
                f"area {name!r}: none of its cells counts in the loss; they lie in the border or hold no data"
            )
        weights += shares.get(name, 1.0) * within / within.sum()
    statics = info.statics.copy()
    statics.area_weights = (weights * (weights.numel() / weights.sum())).float()
    return replace(info, statics=statics)

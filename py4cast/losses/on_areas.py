"""Losses of areas: each has its share of the weight, however many cells it has."""

from collections.abc import Mapping
from dataclasses import replace

import torch

from py4cast.areas import AreaSettings, area_mask
from py4cast.dataset_info import DatasetInfo
from py4cast.errors import SettingsError, nearest

__all__ = ["on_areas", "weighted"]


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


def weighted(info: DatasetInfo, factors: Mapping[str, float]) -> DatasetInfo:
    """The data with the weights of some variables in the loss multiplied by factors.

    Args:
        info: of the data.
        factors: by the name of a predicted variable.

    Raises:
        SettingsError: a variable that is not predicted, or nothing that weighs.
    """
    for name in factors:
        if name not in info.predicted:
            raise SettingsError(f"loss.variables: no predicted variable {name!r}{nearest(name, info.predicted)}")
    if not factors:
        return info
    weights = {n: info.state_weights[n] * factors.get(n, 1.0) for n in info.predicted}
    if not any(weights.values()):
        raise SettingsError("loss.variables: nothing weighs; at least one factor must be above 0")
    variables = [replace(v, weight=weights.get(v.name, v.weight)) for v in info.variables]
    return replace(info, variables=variables)

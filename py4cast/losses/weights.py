"""FieldWeights: what cells and features weigh in a loss, and where they count."""

import torch
from torch import Tensor, nn

from py4cast.dataset_info import DatasetInfo
from py4cast.late import answers_at_once

__all__ = ["FieldWeights"]


class FieldWeights(nn.Module):
    """Creates the weights of a loss: w/σ_Δ^p of the features, shares of the area of the cells.

    Args:
        info: of the data.
        power: p, that of the score in the units of its feature.

    Attributes:
        step_std: σ_Δ, what changes in one step; 1 where nothing does, `(features,)`.
        feature_weights: w/σ_Δ^p, `(features,)`.
        cell_weights: shares of the whole grid, so that the weights of its parts add up to 1, `(lat, lon, 1)`.
        valid_mask: where the data have values, `(lat, lon, features)` as in the statics.
    """

    step_std: Tensor
    feature_weights: Tensor
    cell_weights: Tensor
    valid_mask: Tensor

    def __init__(self, info: DatasetInfo, power: int) -> None:
        super().__init__()
        std = info.diff_stats.to_list("std", info.predicted, torch.float64)
        std = torch.where(std > 0, std, torch.ones_like(std))
        self.register_buffer("step_std", std.float(), persistent=False)
        weights = torch.tensor([info.state_weights[n] for n in info.predicted], dtype=torch.float64) / std**power
        self.register_buffer("feature_weights", weights.float(), persistent=False)
        cells = info.statics.cell_weights.double()
        self.register_buffer("cell_weights", (cells / cells.sum()).float(), persistent=False)
        self.register_buffer("valid_mask", info.statics.valid_mask.clone(), persistent=False)
        self.has_holes = not bool(info.statics.valid_mask.all())

    def counted(self, target: Tensor, mask: Tensor | None) -> Tensor:
        """Where a target counts, of its shape."""
        counted = torch.isfinite(target)
        if self.has_holes:
            # one variable may have truth where another has none: no forecast is made there
            counted = counted & self.valid_mask
        return counted if mask is None else counted & mask.bool()

    def is_whole(self, counted: Tensor) -> bool:
        """Whether everything counts, so that one field of weights does; False where it takes a wait to know it."""
        return not self.has_holes and answers_at_once(counted.device) and bool(counted.all())

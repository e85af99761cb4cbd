"""Weighted mean error: every feature counts by its weight and in units of what changes in one step."""

from typing import ClassVar

import torch
from torch import Tensor

from py4cast.dataset_info import DatasetInfo
from py4cast.losses.base import LossABC
from py4cast.namedtensor import NamedTensor

__all__ = ["WeightedMAE", "WeightedMSE"]


def _tensor(values: Tensor | NamedTensor) -> Tensor:
    return values.tensor if isinstance(values, NamedTensor) else values


class _WeightedLoss(LossABC):
    """ℓ(batch, t) = Σ_features w/σ_Δ^p·⟨|ŷ − y|^p⟩, ⟨·⟩ the area-weighted mean over valid interior cells.

    Missing targets are left out of numerator and denominator, per sample, step and feature.
    """

    power: ClassVar[int]
    feature_weights: Tensor
    cell_weights: Tensor
    full_weights: Tensor
    valid_mask: Tensor

    def __init__(self, info: DatasetInfo) -> None:
        super().__init__(info)
        std = info.diff_stats.to_list("std", info.predicted, torch.float64)
        std = torch.where(std > 0, std, torch.ones_like(std))
        weights = torch.tensor([info.state_weights[n] for n in info.predicted], dtype=torch.float64)
        self.register_buffer("feature_weights", (weights / std**self.power).float(), persistent=False)
        cells = info.statics.cell_weights
        self.register_buffer("cell_weights", cells.float(), persistent=False)
        self.register_buffer("valid_mask", info.statics.valid_mask.clone(), persistent=False)
        self.has_holes = not bool(info.statics.valid_mask.all())
        full = cells.double() / cells.double().sum() * (weights / std**self.power)
        self.register_buffer("full_weights", full.float(), persistent=False)

    def forward(
        self,
        prediction: Tensor | NamedTensor,
        target: Tensor | NamedTensor,
        mask: Tensor | None = None,
        reduce_spatial_dim: bool = True,
    ) -> Tensor:
        y, truth = _tensor(prediction).float(), _tensor(target).float()
        counted = torch.isfinite(truth)
        if self.has_holes:
            # one variable may have truth where another has none: no forecast is made there
            counted = counted & self.valid_mask
        if mask is None and reduce_spatial_dim and bool(counted.all()):
            # nothing is missing: the weights of cells and features are one constant field
            error = (y - truth).square() if self.power == 2 else (y - truth).abs()
            return (error * self.full_weights).sum((2, 3, 4))
        if mask is not None:
            counted = counted & mask.bool()
        # the difference is masked before the power: 0·NaN would be NaN, in the gradient too
        error = (y - truth).masked_fill(~counted, 0.0)
        error = error.square() if self.power == 2 else error.abs()
        if not reduce_spatial_dim:
            return (error * self.feature_weights * (self.cell_weights > 0)).sum(-1)
        weights = self.cell_weights.squeeze(-1)
        total = torch.einsum("btxyf,xy->btf", error, weights)
        count = torch.einsum("btxyf,xy->btf", counted.float(), weights)
        mean = total / count.clamp_min(torch.finfo(total.dtype).tiny)
        return (mean * self.feature_weights).sum(-1)


class WeightedMSE(_WeightedLoss):
    """Creates the weighted mean squared error, p = 2."""

    power = 2


class WeightedMAE(_WeightedLoss):
    """Creates the weighted mean absolute error, p = 1."""

    power = 1

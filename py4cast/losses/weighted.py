"""Weighted mean error: every feature counts by its weight and in units of what changes in one step."""

from typing import Any, ClassVar

import torch
from torch import Tensor

from py4cast.dataset_info import DatasetInfo
from py4cast.losses.base import LossABC, LossTerms
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

    def __init__(self, info: DatasetInfo, settings: Any = None) -> None:
        super().__init__(info, settings)
        std = info.diff_stats.to_list("std", info.predicted, torch.float64)
        std = torch.where(std > 0, std, torch.ones_like(std))
        weights = torch.tensor([info.state_weights[n] for n in info.predicted], dtype=torch.float64)
        self.register_buffer("feature_weights", (weights / std**self.power).float(), persistent=False)
        # shares of the whole grid, so that the weights of its parts add up to 1
        cells = info.statics.cell_weights.double()
        shares = cells / cells.sum()
        self.register_buffer("cell_weights", shares.float(), persistent=False)
        self.register_buffer("valid_mask", info.statics.valid_mask.clone(), persistent=False)
        self.has_holes = not bool(info.statics.valid_mask.all())
        self.register_buffer("full_weights", (shares * (weights / std**self.power)).float(), persistent=False)

    def _counted(self, target: Tensor, mask: Tensor | None) -> Tensor:
        """Where a target counts, of its shape."""
        counted = torch.isfinite(target)
        if self.has_holes:
            # one variable may have truth where another has none: no forecast is made there
            counted = counted & self.valid_mask
        return counted if mask is None else counted & mask.bool()

    def _error(self, difference: Tensor) -> Tensor:
        return difference.square() if self.power == 2 else difference.abs()

    def terms(
        self, prediction: Tensor | NamedTensor, target: Tensor | NamedTensor, mask: Tensor | None = None
    ) -> LossTerms:
        y, truth = _tensor(prediction).float(), _tensor(target).float()
        counted = self._counted(truth, mask)
        if mask is None and bool(counted.all()):
            # nothing is missing: the weights of cells and features are one constant field
            total = (self._error(y - truth) * self.full_weights).sum((2, 3))
            return LossTerms(total, torch.ones_like(total))
        # the difference is masked before the power: 0·NaN would be NaN, in the gradient too
        error = self._error((y - truth).masked_fill(~counted, 0.0))
        weights = self.cell_weights.squeeze(-1)
        total = torch.einsum("btxyf,xy->btf", error, weights) * self.feature_weights
        return LossTerms(total, torch.einsum("btxyf,xy->btf", counted.float(), weights))

    def cells(
        self, prediction: Tensor | NamedTensor, target: Tensor | NamedTensor, mask: Tensor | None = None
    ) -> Tensor:
        y, truth = _tensor(prediction).float(), _tensor(target).float()
        error = self._error((y - truth).masked_fill(~self._counted(truth, mask), 0.0))
        return (error * self.feature_weights * (self.cell_weights > 0)).sum(-1)


class WeightedMSE(_WeightedLoss):
    """Creates the weighted mean squared error, p = 2."""

    power = 2


class WeightedMAE(_WeightedLoss):
    """Creates the weighted mean absolute error, p = 1."""

    power = 1

"""CellLossABC: a loss that is a weighted mean over cells of a score of every value."""

from abc import abstractmethod
from typing import Any, ClassVar

import torch
from torch import Tensor

from py4cast.dataset_info import DatasetInfo
from py4cast.losses.base import LossABC, LossTerms
from py4cast.namedtensor import NamedTensor

__all__ = ["CellLossABC", "tensor_of"]


def tensor_of(values: Tensor | NamedTensor) -> Tensor:
    """The values in float32, without their names."""
    return (values.tensor if isinstance(values, NamedTensor) else values).float()


class CellLossABC(LossABC):
    """Abstract loss ℓ(batch, t) = Σ_features w/σ_Δ^p·⟨score⟩, ⟨·⟩ the area-weighted mean over valid interior cells.

    Missing targets are left out of numerator and denominator, per sample, step and feature.

    Attributes:
        power: p, that of the score in the units of its feature.
    """

    power: ClassVar[int] = 1
    feature_weights: Tensor
    cell_weights: Tensor
    full_weights: Tensor
    valid_mask: Tensor

    def __init__(self, info: DatasetInfo, settings: Any = None) -> None:
        super().__init__(info, settings)
        std = info.diff_stats.to_list("std", info.predicted, torch.float64)
        std = torch.where(std > 0, std, torch.ones_like(std))
        weights = torch.tensor([info.state_weights[n] for n in info.predicted], dtype=torch.float64) / std**self.power
        self.register_buffer("feature_weights", weights.float(), persistent=False)
        # shares of the whole grid, so that the weights of its parts add up to 1
        cells = info.statics.cell_weights.double()
        shares = cells / cells.sum()
        self.register_buffer("cell_weights", shares.float(), persistent=False)
        self.register_buffer("valid_mask", info.statics.valid_mask.clone(), persistent=False)
        self.has_holes = not bool(info.statics.valid_mask.all())
        self.register_buffer("full_weights", (shares * weights).float(), persistent=False)

    @abstractmethod
    def score(self, prediction: Tensor, target: Tensor, counted: Tensor | None) -> Tensor:
        """The score of every value, `(batch, timestep, lat, lon, features)`, 0 where it does not count.

        Args:
            prediction: `(batch, (member,) timestep, lat, lon, features)`.
            target: `(batch, timestep, lat, lon, features)`.
            counted: where values count, of the target's shape; None for everywhere. What does not count must be masked
                before the score: 0·NaN would be NaN, in the gradient too.
        """

    def _counted(self, target: Tensor, mask: Tensor | None) -> Tensor:
        """Where a target counts, of its shape."""
        counted = torch.isfinite(target)
        if self.has_holes:
            # one variable may have truth where another has none: no forecast is made there
            counted = counted & self.valid_mask
        return counted if mask is None else counted & mask.bool()

    def terms(
        self, prediction: Tensor | NamedTensor, target: Tensor | NamedTensor, mask: Tensor | None = None
    ) -> LossTerms:
        y, truth = tensor_of(prediction), tensor_of(target)
        counted = self._counted(truth, mask)
        if mask is None and bool(counted.all()):
            # nothing is missing: the weights of cells and features are one constant field
            total = (self.score(y, truth, None) * self.full_weights).sum((2, 3))
            return LossTerms(total, torch.ones_like(total))
        weights = self.cell_weights.squeeze(-1)
        total = torch.einsum("btxyf,xy->btf", self.score(y, truth, counted), weights) * self.feature_weights
        return LossTerms(total, torch.einsum("btxyf,xy->btf", counted.float(), weights))

    def cells(
        self, prediction: Tensor | NamedTensor, target: Tensor | NamedTensor, mask: Tensor | None = None
    ) -> Tensor:
        y, truth = tensor_of(prediction), tensor_of(target)
        score = self.score(y, truth, self._counted(truth, mask))
        return (score * self.feature_weights * (self.cell_weights > 0)).sum(-1)

"""CellLossABC: a loss that is a weighted mean over cells of a score of every value."""

from abc import abstractmethod
from typing import Any, ClassVar

import torch
from torch import Tensor

from py4cast.dataset_info import DatasetInfo
from py4cast.losses.base import LossABC, LossTerms
from py4cast.losses.weights import FieldWeights
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
    is_of_cells = True
    full_weights: Tensor

    def __init__(self, info: DatasetInfo, settings: Any = None) -> None:
        super().__init__(info, settings)
        self.field = FieldWeights(info, self.power)
        full = self.field.cell_weights.double() * self.field.feature_weights.double()
        self.register_buffer("full_weights", full.float(), persistent=False)

    @property
    def feature_weights(self) -> Tensor:
        """What each feature weighs, w/σ_Δ^p, `(features,)`."""
        return self.field.feature_weights

    @property
    def cell_weights(self) -> Tensor:
        """What each cell weighs, shares of the whole grid, `(lat, lon, 1)`."""
        return self.field.cell_weights

    @property
    def has_holes(self) -> bool:
        """Whether some cells never hold data."""
        return self.field.has_holes

    @abstractmethod
    def score(self, prediction: Tensor, target: Tensor, counted: Tensor | None) -> Tensor:
        """The score of every value, `(batch, timestep, lat, lon, features)`, 0 where it does not count.

        Args:
            prediction: `(batch, (member,) timestep, lat, lon, features)`.
            target: `(batch, timestep, lat, lon, features)`.
            counted: where values count, of the target's shape; None for everywhere. What does not count must be masked
                before the score: 0·NaN would be NaN, in the gradient too.
        """

    def terms(
        self, prediction: Tensor | NamedTensor, target: Tensor | NamedTensor, mask: Tensor | None = None
    ) -> LossTerms:
        y, truth = tensor_of(prediction), tensor_of(target)
        counted = self.field.counted(truth, mask)
        if mask is None and self.field.is_whole(counted):
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
        score = self.score(y, truth, self.field.counted(truth, mask))
        return (score * self.feature_weights * (self.cell_weights > 0)).sum(-1)

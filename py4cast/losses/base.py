"""The contract of losses: what is differentiated, one number per sample and step.

A loss is a sum and a weight for every sample, step and feature, so that parts of a domain, batches and ranks add up:

    ℓ(batch, t) = Σ_features sum/weight
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import torch
from torch import Tensor, nn

from py4cast.dataset_info import DatasetInfo
from py4cast.errors import SettingsError
from py4cast.namedtensor import NamedTensor
from py4cast.settings import Settings

__all__ = ["LossABC", "LossSettings", "LossTerms"]


@dataclass(frozen=True, slots=True, kw_only=True)
class LossSettings(Settings):
    """The settings of a loss that has none."""


class LossTerms(NamedTuple):
    """What a loss is made of, before the mean is taken.

    Args:
        sum: weighted sum over cells, `(batch, timestep, features)`.
        weight: weight of the cells that count, of the same shape; 0 where nothing is known.
    """

    sum: Tensor
    weight: Tensor

    def __add__(self, other: "LossTerms") -> "LossTerms":  # type: ignore[override]
        """Of two parts of a domain together."""
        return LossTerms(self.sum + other.sum, self.weight + other.weight)

    def mean(self) -> Tensor:
        """Σ_features sum/weight, `(batch, timestep)`; a feature that is nowhere known adds 0."""
        least = torch.finfo(self.sum.dtype).tiny
        return (self.sum / self.weight.clamp_min(least)).sum(-1)


class LossABC(nn.Module, ABC):
    """Abstract loss on standardised fields; a concrete one gives its terms.

    A class that gives `forward` alone, as older plugins do, has the terms of a mean: its value, and weight 1.

    Args:
        info: of the data; weights become buffers.
        settings: of the class `settings_kls`; by default its defaults.

    Attributes:
        settings_kls: its settings.
        reference: its paper.
        takes_members: whether predictions have a dimension `member` behind `batch`.
        needs_members: whether there is nothing to score in a single one.
        is_of_cells: whether it scores every cell for itself.
    """

    settings_kls: ClassVar[type] = LossSettings
    reference: ClassVar[str] = ""
    takes_members: bool = False
    needs_members: bool = False
    is_of_cells: bool = False

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if "forward" in cls.__dict__ and cls.terms is LossABC.terms:
            cls.terms = _terms_of_forward  # type: ignore[method-assign]

    def __init__(self, info: DatasetInfo, settings: Any = None) -> None:
        super().__init__()
        self.settings = self.settings_kls() if settings is None else settings

    @abstractmethod
    def terms(
        self, prediction: Tensor | NamedTensor, target: Tensor | NamedTensor, mask: Tensor | None = None
    ) -> LossTerms:
        """Sum and weight of each sample, step and feature.

        Args:
            prediction: `(batch, timestep, lat, lon, features)`, `(batch, member, timestep, lat, lon, features)` where the
                loss takes members.
            target: `(batch, timestep, lat, lon, features)`; NaN where truth is missing.
            mask: False where a cell does not count, broadcast to the target.
        """

    def cells(
        self, prediction: Tensor | NamedTensor, target: Tensor | NamedTensor, mask: Tensor | None = None
    ) -> Tensor:
        """The loss of each cell, `(batch, timestep, lat, lon)`, for pictures; SettingsError where a loss has none."""
        raise SettingsError(f"loss {type(self).__name__}: is of whole fields and has no value for a cell")

    def for_validation(self) -> "LossABC":
        """The loss that chooses the best epoch; by default itself."""
        return self

    def forward(
        self,
        prediction: Tensor | NamedTensor,
        target: Tensor | NamedTensor,
        mask: Tensor | None = None,
        reduce_spatial_dim: bool = True,
    ) -> Tensor:
        """The loss of each sample and step, `(batch, timestep)`; of each cell too where `reduce_spatial_dim` is false."""
        if not reduce_spatial_dim:
            return self.cells(prediction, target, mask)
        return self.terms(prediction, target, mask).mean()


def _terms_of_forward(
    self: LossABC, prediction: Tensor | NamedTensor, target: Tensor | NamedTensor, mask: Tensor | None = None
) -> LossTerms:
    """A mean over cells that is known as a whole."""
    value = self.forward(prediction, target, mask).unsqueeze(-1)
    return LossTerms(value, torch.ones_like(value))

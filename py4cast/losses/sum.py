"""sum: losses added up, each with its weight; by default what an ensemble is trained on."""

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from py4cast.dataset_info import DatasetInfo
from py4cast.errors import SettingsError
from py4cast.losses.base import LossABC, LossTerms
from py4cast.losses.cells import tensor_of
from py4cast.namedtensor import NamedTensor
from py4cast.settings import Settings, setting, settings_of

__all__ = ["SumOfLosses", "SumSettings", "Term"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Term(Settings):
    """A loss of a sum."""

    loss: str = setting(help="by name")
    weight: float = setting(1.0, "of the loss in the sum")
    settings: dict[str, Any] = setting(factory=dict, help="of the loss")

    def __post_init__(self) -> None:
        if not 0 < self.weight < float("inf"):
            raise ValueError(f"weight {self.weight:g} of {self.loss}: expected more than 0")


def _joint() -> tuple[Term, ...]:
    """The CRPS of cells, of differences between neighbours (thrice, for they are small) and of means over boxes."""
    return (Term(loss="crps"), Term(loss="crps_of_differences", weight=3.0), Term(loss="crps_of_means"))


@dataclass(frozen=True, slots=True, kw_only=True)
class SumSettings(Settings):
    """Settings of a sum: its terms."""

    terms: tuple[Term, ...] = setting(factory=_joint, help="losses by name, each with weight and settings")

    def __post_init__(self) -> None:
        if not self.terms:
            raise ValueError("terms: expected at least one loss")


class SumOfLosses(LossABC):
    """Creates ℓ = Σᵢ wᵢ·ℓᵢ; by default the CRPS per cell, of differences between neighbours and of means over boxes.

    Losses of one forecast score each member and are averaged over them: a sum of these alone takes no members, and one
    of losses of cells alone is of cells.

    Reference: S. Lang et al. (2024), arXiv 2412.15832 (the CRPS); the other terms are those of its parts.
    """

    settings_kls: ClassVar[type] = SumSettings
    reference: ClassVar[str] = "Lang et al. (2024), arXiv 2412.15832"

    def __init__(self, info: DatasetInfo, settings: Any = None) -> None:
        super().__init__(info, settings)
        # the registry is above its losses
        from py4cast.losses import registry

        parts = []
        for term in self.settings.terms:
            kind = registry.get(term.loss)
            if kind is SumOfLosses:
                raise SettingsError("loss sum: a sum within a sum; write its terms into one")
            parts.append(kind(info, settings_of(kind, term.settings, f"loss.{term.loss}")))
        self.parts = nn.ModuleList(parts)
        self.takes_members = any(part.takes_members for part in parts)
        self.needs_members = any(part.needs_members for part in parts)
        self.is_of_cells = all(part.is_of_cells for part in parts)

    def _parts(self) -> "zip[tuple[Term, LossABC]]":
        return zip(self.settings.terms, self.parts, strict=True)  # type: ignore[arg-type]

    def terms(
        self, prediction: Tensor | NamedTensor, target: Tensor | NamedTensor, mask: Tensor | None = None
    ) -> LossTerms:
        sums, weights = [], []
        for term, part in self._parts():
            its = (
                part.terms(prediction, target, mask) if part.takes_members else _of_each(part, prediction, target, mask)
            )
            sums.append(its.sum * term.weight)
            weights.append(its.weight)
        return LossTerms(torch.cat(sums, -1), torch.cat(weights, -1))

    @property
    def _first(self) -> LossABC:
        """The first term, of those that take members where there are some."""
        parts: list[LossABC] = list(self.parts)  # type: ignore[arg-type]
        return next((part for part in parts if part.takes_members), parts[0])

    def for_validation(self) -> LossABC:
        """The loss of the first term for it, which for an ensemble is the fair CRPS."""
        return self._first.for_validation()

    def cells(
        self, prediction: Tensor | NamedTensor, target: Tensor | NamedTensor, mask: Tensor | None = None
    ) -> Tensor:
        """The loss of each cell by the first term."""
        return self._first.cells(prediction, target, mask)


def _of_each(
    loss: LossABC, prediction: Tensor | NamedTensor, target: Tensor | NamedTensor, mask: Tensor | None
) -> LossTerms:
    """The terms of a loss of one forecast, a mean over members where there are some."""
    y, truth = tensor_of(prediction), tensor_of(target)
    if y.ndim == truth.ndim:
        return loss.terms(y, truth, mask)
    count = y.shape[1]
    if mask is not None and mask.ndim == truth.ndim and mask.shape[0] > 1:
        mask = mask.repeat_interleave(count, 0)
    of_members = loss.terms(y.flatten(0, 1), truth.repeat_interleave(count, 0), mask)
    return LossTerms(*(part.reshape(-1, count, *part.shape[1:]).mean(1) for part in of_members))

"""Losses of the joint law: the CRPS of differences between neighbours, of means over boxes, and the energy score."""

from abc import abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, cast

import torch
from torch import Tensor, nn

from py4cast.dataset_info import DatasetInfo
from py4cast.losses.base import LossABC, LossTerms
from py4cast.losses.cells import tensor_of
from py4cast.losses.members import almost_fair_crps, almost_fair_share, check_alpha
from py4cast.losses.weights import FieldWeights
from py4cast.namedtensor import NamedTensor
from py4cast.neighbours import NeighbourView, differences_of, means_of
from py4cast.settings import Settings, setting

__all__ = ["CRPSOfDifferences", "CRPSOfMeans", "EnergyScore"]


@dataclass(frozen=True, slots=True, kw_only=True)
class DifferenceSettings(Settings):
    """Settings of crps_of_differences: how far apart."""

    distances: tuple[int, ...] = setting((1, 2), "between the cells [cells]; on points to the d²-th nearest")
    alpha: float = setting(0.95, "1: fair; 0: plain")

    def __post_init__(self) -> None:
        check_alpha(self.alpha)
        if not self.distances or min(self.distances) < 1:
            raise ValueError(f"distances {list(self.distances)}: expected numbers of at least 1")


@dataclass(frozen=True, slots=True, kw_only=True)
class MeansSettings(Settings):
    """Settings of crps_of_means: over how many cells."""

    sizes: tuple[int, ...] = setting((2, 4, 8), "sides of the boxes [cells]; groups of k² on points")
    alpha: float = setting(0.95, "1: fair; 0: plain")

    def __post_init__(self) -> None:
        check_alpha(self.alpha)
        if not self.sizes or min(self.sizes) < 2:
            raise ValueError(f"sizes {list(self.sizes)}: expected numbers of at least 2")


@dataclass(frozen=True, slots=True, kw_only=True)
class EnergySettings(Settings):
    """Settings of energy_score: how fair it is."""

    alpha: float = setting(0.95, "1: fair; 0: plain")

    def __post_init__(self) -> None:
        check_alpha(self.alpha)


class _CRPSOfViews(LossABC):
    """Abstract mean over views of Σ_features w/σ_Δ·⟨CRPS of the view⟩."""

    takes_members = True

    def __init__(self, info: DatasetInfo, settings: Any = None) -> None:
        super().__init__(info, settings)
        self.field = FieldWeights(info, power=1)
        self.views = nn.ModuleList(self._views(info, self.field.cell_weights.squeeze(-1)))

    @abstractmethod
    def _views(self, info: DatasetInfo, weights: Tensor) -> Sequence[NeighbourView]:
        """What is scored."""

    def terms(
        self, prediction: Tensor | NamedTensor, target: Tensor | NamedTensor, mask: Tensor | None = None
    ) -> LossTerms:
        members, truth = tensor_of(prediction), tensor_of(target)
        members = members if members.ndim > truth.ndim else members.unsqueeze(1)
        counted = self.field.counted(truth, mask)
        is_whole = self.field.is_whole(counted)
        if not is_whole:
            members, truth = members.masked_fill(~counted.unsqueeze(1), 0.0), truth.masked_fill(~counted, 0.0)
        sums = torch.zeros(truth.shape[0], truth.shape[1], truth.shape[-1], device=truth.device)
        weight = torch.zeros_like(sums)
        for view in cast(Iterable[NeighbourView], self.views):
            known = None if is_whole else view.counted(counted)
            score = almost_fair_crps(view(members), view(truth), self.settings.alpha, known)
            shares = view.weights / view.weights.sum().clamp_min(torch.finfo(torch.float32).tiny)
            sums = sums + torch.einsum("btxyf,xy->btf", score, shares)
            weight = weight + (1.0 if known is None else torch.einsum("btxyf,xy->btf", known.float(), shares))
        return LossTerms(sums * self.field.feature_weights, weight)


class CRPSOfDifferences(_CRPSOfViews):
    """Creates ℓ = Σ_features w/σ_Δ·⟨L(δ_d x)⟩, L the almost fair CRPS of differences between neighbours, over distances d.

    Members whose neighbours move apart, or together more than the truth's, lose by it what the CRPS per cell does not see.

    Reference: differences as in the variogram score, M. Scheuerer and T. M. Hamill (2015), doi 10.1175/MWR-D-14-00269.1.
    """

    settings_kls: ClassVar[type] = DifferenceSettings
    reference: ClassVar[str] = "Scheuerer and Hamill (2015), doi 10.1175/MWR-D-14-00269.1"

    def _views(self, info: DatasetInfo, weights: Tensor) -> Sequence[NeighbourView]:
        return differences_of(info.grid, weights, self.settings.distances)


class CRPSOfMeans(_CRPSOfViews):
    """Creates ℓ = Σ_features w/σ_Δ·⟨L(x̄_k)⟩, L the almost fair CRPS of means over boxes of k × k cells, over sizes k.

    Reference: T. Gneiting and A. E. Raftery (2007), doi 10.1198/016214506000001437 (the CRPS of any functional of a field is proper).
    """

    settings_kls: ClassVar[type] = MeansSettings
    reference: ClassVar[str] = "Gneiting and Raftery (2007), doi 10.1198/016214506000001437"

    def _views(self, info: DatasetInfo, weights: Tensor) -> Sequence[NeighbourView]:
        return means_of(info.grid, weights, self.settings.sizes)


class EnergyScore(LossABC):
    """Creates ℓ = 1/m Σ_j‖x_j − y‖ − (1 − (1 − α)/m)/(2m(m − 1)) Σ_jΣ_k‖x_j − x_k‖, the CRPS of whole fields.

    ‖x‖² = Σ_features w/σ_Δ²·⟨x²⟩, ⟨·⟩ the area-weighted mean over valid interior cells.

    Reference: T. Gneiting and A. E. Raftery (2007), Strictly proper scoring rules, prediction, and estimation,
    doi 10.1198/016214506000001437.
    """

    settings_kls: ClassVar[type] = EnergySettings
    reference: ClassVar[str] = "Gneiting and Raftery (2007), doi 10.1198/016214506000001437"
    takes_members = True

    def __init__(self, info: DatasetInfo, settings: Any = None) -> None:
        super().__init__(info, settings)
        self.field = FieldWeights(info, power=2)

    def terms(
        self, prediction: Tensor | NamedTensor, target: Tensor | NamedTensor, mask: Tensor | None = None
    ) -> LossTerms:
        members, truth = tensor_of(prediction), tensor_of(target)
        members = members if members.ndim > truth.ndim else members.unsqueeze(1)
        counted = self.field.counted(truth, mask)
        weights = counted.float() * self.field.cell_weights
        known = weights.sum((2, 3), keepdim=True)
        # what is not known counts as in the mean of the rest
        shares = (weights / known.clamp_min(torch.finfo(torch.float32).tiny) * self.field.feature_weights).unsqueeze(1)
        members, truth = members.masked_fill(~counted.unsqueeze(1), 0.0), truth.masked_fill(~counted, 0.0)
        m = members.shape[1]
        score = self._norm(members - truth.unsqueeze(1), shares).mean(1)
        for step in range(1, m):
            # every pair once for each of its orders
            pairs = self._norm(members - members.roll(step, 1), shares).sum(1)
            score = score - almost_fair_share(m, self.settings.alpha) * pairs
        some = (known.sum((2, 3, 4)) > 0).float()
        return LossTerms((score * some).unsqueeze(-1), some.unsqueeze(-1))

    def _norm(self, difference: Tensor, shares: Tensor) -> Tensor:
        square = (difference.square() * shares).sum((-3, -2, -1))
        # the root's slope at 0 is infinite
        return square.clamp_min(1e-12).sqrt()

"""crps: the continuous ranked probability score of members, almost fair."""

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from py4cast.dataset_info import DatasetInfo
from py4cast.losses.base import LossABC, LossTerms
from py4cast.namedtensor import NamedTensor
from py4cast.settings import Settings, setting

__all__ = ["CRPS", "CRPSSettings"]


@dataclass(frozen=True, slots=True, kw_only=True)
class CRPSSettings(Settings):
    """Settings of crps: how fair it is."""

    alpha: float = setting(0.95, "1: fair, scores the law that members are drawn from; 0: plain, scores the members")

    def __post_init__(self) -> None:
        if not 0 <= self.alpha <= 1:
            raise ValueError(f"alpha {self.alpha}: expected 0 to 1")


class CRPS(LossABC):
    """Creates ℓ = Σ_features w/σ_Δ·⟨L⟩, L = 1/m Σ_j|x_j − y| − (1 − (1 − α)/m)/(2m(m − 1)) Σ_jΣ_k|x_j − x_k|.

    ⟨·⟩ is the area-weighted mean over valid interior cells; pairs are summed by sorting,
    Σ_jΣ_k|x_j − x_k| = 2 Σ_i(2i − m − 1)x₍ᵢ₎. One member is scored by its absolute error.

    Reference: S. Lang et al. (2024), AIFS-CRPS: ensemble forecasting using a model trained with a loss function based on
    the continuous ranked probability score, arXiv 2412.15832.
    """

    settings_kls: ClassVar[type] = CRPSSettings
    reference: ClassVar[str] = "Lang et al. (2024), arXiv 2412.15832"
    takes_members: ClassVar[bool] = True
    feature_weights: Tensor
    cell_weights: Tensor
    valid_mask: Tensor

    def __init__(self, info: DatasetInfo, settings: Any = None) -> None:
        super().__init__(info, settings)
        std = info.diff_stats.to_list("std", info.predicted)
        weights = torch.tensor([info.state_weights[n] for n in info.predicted])
        self.register_buffer("feature_weights", weights / torch.where(std > 0, std, 1.0), persistent=False)
        cells = info.statics.cell_weights.double()
        self.register_buffer("cell_weights", (cells / cells.sum()).float(), persistent=False)
        self.register_buffer("valid_mask", info.statics.valid_mask.clone(), persistent=False)

    def _scores(
        self, prediction: Tensor | NamedTensor, target: Tensor | NamedTensor, mask: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        """L of every value, 0 where it does not count, and whether it counts."""
        x, y = (v.tensor if isinstance(v, NamedTensor) else v for v in (prediction, target))
        members, truth = (x if x.ndim > y.ndim else x.unsqueeze(1)).float(), y.float().unsqueeze(1)
        counted = torch.isfinite(truth) & self.valid_mask
        if mask is not None:
            counted = counted & mask.bool().unsqueeze(1)
        # masked before the absolute value: 0·NaN would be NaN, in the gradient too; pairs of a cell that does not count
        # would reward spread without bound
        members = members.masked_fill(~counted, 0.0)
        accuracy = (members - truth.masked_fill(~counted, 0.0)).abs().mean(1)
        m = members.shape[1]
        if m > 1:
            ranks = 2.0 * torch.arange(1, m + 1, device=members.device) - m - 1
            pairs = 2.0 * torch.einsum("m,bm...->b...", ranks.to(members.dtype), members.sort(dim=1).values)
            accuracy = accuracy - (1 - (1 - self.settings.alpha) / m) / (2 * m * (m - 1)) * pairs
        return accuracy, counted.squeeze(1)

    def terms(
        self, prediction: Tensor | NamedTensor, target: Tensor | NamedTensor, mask: Tensor | None = None
    ) -> LossTerms:
        scores, counted = self._scores(prediction, target, mask)
        weights = self.cell_weights.squeeze(-1)
        total = torch.einsum("btxyf,xy->btf", scores, weights) * self.feature_weights
        return LossTerms(total, torch.einsum("btxyf,xy->btf", counted.float(), weights))

    def cells(
        self, prediction: Tensor | NamedTensor, target: Tensor | NamedTensor, mask: Tensor | None = None
    ) -> Tensor:
        scores, _ = self._scores(prediction, target, mask)
        return (scores * self.feature_weights * (self.cell_weights > 0)).sum(-1)

"""crps: the continuous ranked probability score of members, almost fair."""

from copy import copy
from dataclasses import dataclass, replace
from typing import ClassVar

from torch import Tensor

from py4cast.losses.base import LossABC
from py4cast.losses.cells import CellLossABC
from py4cast.losses.members import almost_fair_crps, check_alpha
from py4cast.settings import Settings, setting

__all__ = ["CRPS", "CRPSSettings"]


@dataclass(frozen=True, slots=True, kw_only=True)
class CRPSSettings(Settings):
    """Settings of crps: how fair it is."""

    alpha: float = setting(0.95, "1: fair, scores the law that members are drawn from; 0: plain, scores the members")

    def __post_init__(self) -> None:
        check_alpha(self.alpha)


class CRPS(CellLossABC):
    """Creates ℓ = Σ_features w/σ_Δ·⟨L⟩, L = 1/m Σ_j|x_j − y| − (1 − (1 − α)/m)/(2m(m − 1)) Σ_jΣ_k|x_j − x_k|.

    ⟨·⟩ is the area-weighted mean over valid interior cells; pairs are summed by sorting,
    Σ_jΣ_k|x_j − x_k| = 2 Σ_i(2i − m − 1)x₍ᵢ₎. One member is scored by its absolute error.

    Reference: S. Lang et al. (2024), AIFS-CRPS: ensemble forecasting using a model trained with a loss function based on
    the continuous ranked probability score, arXiv 2412.15832.
    """

    settings_kls: ClassVar[type] = CRPSSettings
    reference: ClassVar[str] = "Lang et al. (2024), arXiv 2412.15832"
    takes_members = True

    def for_validation(self) -> LossABC:
        """The fair score, whatever the training's α: more members are not better for being more."""
        fair = copy(self)
        fair.settings = replace(self.settings, alpha=1.0)
        return fair

    def score(self, prediction: Tensor, target: Tensor, counted: Tensor | None) -> Tensor:
        members = prediction if prediction.ndim > target.ndim else prediction.unsqueeze(1)
        return almost_fair_crps(members, target, self.settings.alpha, counted)

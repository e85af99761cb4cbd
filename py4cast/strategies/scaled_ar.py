"""scaled_ar: the network gives the change in units of what changes in one step."""

from dataclasses import dataclass
from typing import Any, ClassVar

from torch import Tensor

from py4cast.dataset_info import DatasetInfo
from py4cast.settings import Settings, setting
from py4cast.strategies.base import Network
from py4cast.strategies.scaled import ScaledABC

__all__ = ["ScaledAR", "ScaledARSettings"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ScaledARSettings(Settings):
    """Settings of scaled_ar: inter steps and the border."""

    num_inter_steps: int = setting(1, "calls of the network per step of the data; more than 1 needs one input step")
    force_border: bool = setting(True, "whether truth is imposed in the border ring")

    def __post_init__(self) -> None:
        if self.num_inter_steps < 1:
            raise ValueError("num_inter_steps must be at least 1")


class ScaledAR(ScaledABC):
    """Creates x̂(t+1) = x̂(t) + σ_Δ·f(x) + μ_Δ, with μ_Δ, σ_Δ the mean and std of one-step differences.

    Then x̂ ← m_border·x̂_true + (1 − m_border)·x̂. With K inter steps the network is called K times per step of the
    data, with the same forcing and border truth; σ_Δ and μ_Δ stay those of one step of the data.
    """

    settings_kls: ClassVar[type] = ScaledARSettings

    def __init__(self, settings: Any, info: DatasetInfo) -> None:
        super().__init__(settings, info)
        self.force_border = settings.force_border
        self.num_inter_steps = settings.num_inter_steps

    def advance(self, model: Network, x: Tensor, state: Tensor) -> Tensor:
        return self.changed(state, model(x))

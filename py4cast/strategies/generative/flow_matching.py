"""flow_matching: members drawn along straight lines from noise to the change of a step."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from py4cast.dataset_info import DatasetInfo
from py4cast.settings import Settings, setting
from py4cast.strategies.base import Network
from py4cast.strategies.generative.base import GenerativeABC
from py4cast.strategies.generative.mean_step import MeanSettings

__all__ = ["FlowMatching", "FlowMatchingSettings"]


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowMatchingSettings(Settings):
    """Settings of flow_matching: its steps and its members."""

    num_steps: int = setting(8, "steps of a draw, two calls of the network each")
    num_members_val: int = setting(4, "members in validation and test, and of a forecast where no number is asked for")
    residual_of: str = setting("", "a deterministic Forecaster (scaled_ar) of the same data, whose error is drawn")
    mean: MeanSettings | None = setting(None, "what a saved Forecaster holds of it; not to be given")
    force_border: bool = setting(True, "whether truth is imposed in the border ring")

    def __post_init__(self) -> None:
        if self.num_steps < 1 or self.num_members_val < 2:
            raise ValueError("num_steps must be at least 1, num_members_val at least 2")


class FlowMatching(GenerativeABC):
    """Creates x̂(t+1) = x̂(t) + σ_Δ·z + μ_Δ, z the end of dy/dτ = v(y, τ) from y(0) = ε, in steps of the midpoint rule.

    The network learns the velocity v = z − ε on the lines y = (1 − τ)·ε + τ·z, τ even in [0, 1], by its squared error.

    Reference: Y. Lipman et al. (2022), Flow matching for generative modeling, arXiv 2210.02747; G. Couairon et al. (2024),
    ArchesWeather & ArchesWeatherGen, arXiv 2412.12971.
    """

    settings_kls: ClassVar[type] = FlowMatchingSettings
    reference: ClassVar[str] = "Lipman et al. (2022), arXiv 2210.02747"

    def __init__(self, settings: Any, info: DatasetInfo) -> None:
        super().__init__(settings, info, num_fields=1)

    def draw(self, model: Network, given: Tensor, noise: Sequence[Tensor]) -> Tensor:
        y, width = noise[0], 1.0 / self.settings.num_steps
        for step in range(self.settings.num_steps):
            half = y + self.called(model, given, y, step * width) * (width / 2)
            y = y + self.called(model, given, half, (step + 0.5) * width) * width
        return y

    def guess(self, model: Network, given: Tensor, z: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
        # torch's generator is set anew for every batch of a training
        tau = torch.rand(z.shape[0], device=z.device, dtype=z.dtype)
        wide = tau.reshape(-1, 1, 1, 1)
        y = (1 - wide) * noise + wide * z
        # the velocity's error is that of the end z = ε + v
        return noise + self.called(model, given, y, tau), torch.ones_like(tau)

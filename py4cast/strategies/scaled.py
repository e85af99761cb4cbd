"""ScaledABC: a strategy that changes the state in units of what changes in one step."""

from typing import Any, final

import torch
from torch import Tensor

from py4cast.dataset_info import DatasetInfo
from py4cast.losses.base import LossABC
from py4cast.strategies.base import Loss, StrategyABC

__all__ = ["ScaledABC"]


class ScaledABC(StrategyABC):
    """Abstract strategy x̂(t+1) = x̂(t) + σ_Δ·z + μ_Δ, with μ_Δ, σ_Δ the mean and std of one-step differences."""

    diff_mean: Tensor
    diff_std: Tensor

    def __init__(self, settings: Any, info: DatasetInfo) -> None:
        super().__init__(settings, info)
        self.register_buffer("diff_mean", info.diff_stats.to_list("mean", info.prognostic), persistent=False)
        self.register_buffer("diff_std", info.diff_stats.to_list("std", info.prognostic), persistent=False)

    def changed(self, state: Tensor, z: Tensor) -> Tensor:
        """The next state of the last one, `(batch, lat, lon, features)`; diagnostics are taken from z as they are."""
        n = self.num_prognostic
        change = z[..., :n] * self.diff_std.to(z.dtype) + self.diff_mean.to(z.dtype)
        return torch.cat([state + change, z[..., n:]], dim=-1)

    @final
    def fair(self, loss: Loss, prediction: Tensor, truth: Tensor) -> Tensor:
        """A loss of members in the form that does not reward their number, `(batch, timestep)`.

        Args:
            loss: of the training.
            prediction: of members, `(batch, member, timestep, lat, lon, features)`.
            truth: `(batch, timestep, lat, lon, features)`.
        """
        value: Tensor = (loss.for_validation() if isinstance(loss, LossABC) else loss)(prediction, truth)
        return value

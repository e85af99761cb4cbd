"""diff_ar: the network gives the change of the standardised state."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from py4cast.settings import Settings
from py4cast.strategies.base import Network, StrategyABC

__all__ = ["DiffAR", "DiffARSettings"]


@dataclass(frozen=True, slots=True, kw_only=True)
class DiffARSettings(Settings):
    """diff_ar has no settings: neither boundary forcing nor inter steps."""


class DiffAR(StrategyABC):
    """Creates x̂(t+1) = x̂(t) + f(x)."""

    settings_kls: ClassVar[type] = DiffARSettings

    def advance(self, model: Network, x: Tensor, state: Tensor) -> Tensor:
        y = model(x)
        n = self.num_prognostic
        return torch.cat([state + y[..., :n], y[..., n:]], dim=-1)

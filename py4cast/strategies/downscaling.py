"""downscaling: the fine state of a time from the coarse forcing of the same time, without past states."""

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from py4cast.dataset_info import DatasetInfo
from py4cast.errors import SettingsError, nearest
from py4cast.settings import Settings, setting
from py4cast.strategies.base import Network, StrategyABC

__all__ = ["Downscaling", "DownscalingSettings"]


@dataclass(frozen=True, slots=True, kw_only=True)
class DownscalingSettings(Settings):
    """Settings of downscaling: which forcing is the coarse field."""

    coarse_prefix: str | None = setting(
        None,
        "the forcing called <coarse_prefix><feature> is the coarse version of a feature, and is added to the network's output",
    )


class Downscaling(StrategyABC):
    """Creates x̂(t+1) = f(statics, forcing(t+1)), optionally + the matching coarse forcing in the target's standard units.

    The coarse field, standardised with its own statistics (μ_c, σ_c), becomes (x̂_c·σ_c + μ_c − μ)/σ.
    """

    settings_kls: ClassVar[type] = DownscalingSettings
    takes_transforms: ClassVar[bool] = False
    uses_states = False
    index: Tensor
    scale: Tensor
    shift: Tensor

    def __init__(self, settings: Any, info: DatasetInfo) -> None:
        super().__init__(settings, info)
        if not info.forcing:
            raise SettingsError("downscaling needs forcings: the dataset has none")
        self.adds_coarse = settings.coarse_prefix is not None
        index, scale, shift = [], [], []
        for name in info.predicted:
            coarse = f"{settings.coarse_prefix}{name}"
            if self.adds_coarse and coarse not in info.forcing:
                raise SettingsError(f"downscaling: no forcing {coarse!r} for {name!r}{nearest(coarse, info.forcing)}")
            if self.adds_coarse:
                mine, theirs = info.stats[name], info.stats[coarse]
                std, coarse_std = mine["std"] or 1.0, theirs["std"] or 1.0
                index.append(len(info.static) + info.forcing.index(coarse))
                scale.append(coarse_std / std)
                shift.append((theirs["mean"] - mine["mean"]) / std)
        self.register_buffer("index", torch.tensor(index, dtype=torch.long), persistent=False)
        self.register_buffer("scale", torch.tensor(scale), persistent=False)
        self.register_buffer("shift", torch.tensor(shift), persistent=False)

    def advance(self, model: Network, x: Tensor, state: Tensor) -> Tensor:
        y = model(x)
        if not self.adds_coarse:
            return y
        return y + x.index_select(-1, self.index) * self.scale.to(x.dtype) + self.shift.to(x.dtype)

"""mapping: the full field of a time from inputs with gaps around it, such as observations along tracks."""

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from py4cast.dataset_info import DatasetInfo
from py4cast.errors import SettingsError
from py4cast.normalizer import Normalizer
from py4cast.settings import Settings, setting
from py4cast.strategies.base import Network, StrategyABC

__all__ = ["Mapping", "MappingSettings"]


@dataclass(frozen=True, slots=True, kw_only=True)
class MappingSettings(Settings):
    """Settings of mapping: whether there is a first guess."""

    has_first_guess: bool = setting(
        False,
        "whether the network corrects the mean of what is observed of a cell, instead of making the field from nothing",
    )


class Mapping(StrategyABC):
    """Creates x̂(t) = f(statics, ô, m), with ô the inputs of time t, 0 where they are missing, and m = 1 where they are not.

    The inputs are the forcings; a forcing per distance in time gives the network what was observed before and after.
    With a first guess g, the mean of the forcings of a cell that are known (the target's mean where none is), x̂(t) = g + f(…):
    forcings must then be the target's variable in its units. No past states are used.
    """

    settings_kls: ClassVar[type] = MappingSettings
    takes_transforms: ClassVar[bool] = False
    uses_states = False

    def __init__(self, settings: Any, info: DatasetInfo) -> None:
        super().__init__(settings, info)
        if not info.forcing:
            raise SettingsError("mapping needs forcings, which are what is observed: the dataset has none")
        if settings.has_first_guess and len(info.predicted) != 1:
            raise SettingsError(f"has_first_guess: of one variable alone; the data have {', '.join(info.predicted)}")
        self.num_observed = self.num_extra_inputs = info.forcing_dim
        self.observed, self.mapped = Normalizer(info.forcing, info.stats), Normalizer(info.predicted, info.stats)

    def fill_forcing(self, forcing: Tensor) -> Tensor:
        known = torch.isfinite(forcing)
        return torch.cat([self.fill(forcing), known.to(forcing.dtype)], dim=-1)

    def advance(self, model: Network, x: Tensor, state: Tensor) -> Tensor:
        change = model(x)
        if not self.settings.has_first_guess:
            return change
        given = x[..., -2 * self.num_observed :]
        values, known = given[..., : self.num_observed], given[..., self.num_observed :]
        # what is observed may have statistics of its own
        alike = self.mapped.standardise(self.observed.physical(values)) * known
        return change + alike.sum(-1, keepdim=True) / known.sum(-1, keepdim=True).clamp(min=1.0)

"""ensemble: members by noise, trained on what scores their law."""

from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor

from py4cast.dataset_info import DatasetInfo
from py4cast.errors import SettingsError
from py4cast.losses.base import LossABC
from py4cast.settings import Settings, setting
from py4cast.strategies.base import Loss, Network, Samples
from py4cast.strategies.correlated import CorrelatedNoise
from py4cast.strategies.scaled import ScaledABC

__all__ = ["Ensemble", "EnsembleSettings"]


@dataclass(frozen=True, slots=True, kw_only=True)
class EnsembleSettings(Settings):
    """Settings of ensemble: its noise, its members, inter steps and the border."""

    noise: Literal["cells", "vector", "both"] = setting(
        "cells",
        "cells: numbers on every cell, further features of the network; vector: numbers that steer its norms; both",
    )
    num_noise: int = setting(8, "numbers of noise per step, and per cell for cells")
    num_vector: int = setting(16, "numbers of the vector where noise is both")
    noise_lengths: tuple[float, ...] | None = setting(
        None,
        "over how many cells noise on cells is smoothed, in turn; 0 is white; by default [0, 1, 2] on rectangles, [0] on points",
    )
    num_members: int = setting(4, "members in training")
    num_members_val: int = setting(8, "members in validation and test, and of a forecast where no number is asked for")
    num_inter_steps: int = setting(1, "calls of the network per step of the data; more than 1 needs one input step")
    force_border: bool = setting(True, "whether truth is imposed in the border ring")

    def __post_init__(self) -> None:
        if self.num_inter_steps < 1:
            raise ValueError("num_inter_steps must be at least 1")
        for name in ("num_noise", "num_vector"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} {getattr(self, name)}: members by noise need at least 1 number")
        lengths = self.noise_lengths
        if lengths is not None and (not lengths or any(not 0 <= length < float("inf") for length in lengths)):
            raise ValueError(f"noise_lengths {list(lengths)}: expected numbers of 0 or more")
        if lengths is not None and self.noise == "vector":
            raise ValueError("noise_lengths: a vector has no cells; leave them out, or use noise cells")
        for name in ("num_members", "num_members_val"):
            if getattr(self, name) < 2:
                raise ValueError(f"{name} {getattr(self, name)}: the fair CRPS needs at least 2 members")


class Ensemble(ScaledABC):
    """Creates members x̂ⱼ(t+1) = x̂ⱼ(t) + σ_Δ·f(x̂ⱼ, ηⱼ) + μ_Δ, ηⱼ standard normal numbers of each member.

    By default noise stands on the cells and the objective is the almost fair CRPS of cells, of differences between neighbours
    and of means over boxes: the CRPS of cells alone is least for members whose neighbouring cells have nothing to do with
    each other, which lose their spread over the next steps. A vector moves the whole field at once and needs a network that
    takes a condition. With both a network has either way.

    Reference: S. Lang et al. (2024), AIFS-CRPS, arXiv 2412.15832; F. Alet et al. (2025), Skillful joint probabilistic weather
    forecasting from marginals, arXiv 2506.10772 (the vector).
    """

    settings_kls: ClassVar[type] = EnsembleSettings
    reference: ClassVar[str] = "Lang et al. (2024), arXiv 2412.15832"
    default_loss: ClassVar[str] = "sum"
    model_defaults: ClassVar[dict[str, Any]] = {"norm": "group"}

    def __init__(self, settings: Any, info: DatasetInfo) -> None:
        super().__init__(settings, info)
        # with both, the numbers of the vector are those that the first cell has behind its own
        self.num_conditions = settings.num_vector if settings.noise == "both" else 0
        self.noise = "vector" if settings.noise == "vector" else "cells"
        self.num_noise = settings.num_noise + self.num_conditions
        self.num_extra_inputs = -self.num_conditions
        self.num_members, self.num_members_val = settings.num_members, settings.num_members_val
        self.force_border, self.num_inter_steps = settings.force_border, settings.num_inter_steps
        lengths = settings.noise_lengths or ((0, 1, 2) if info.grid.is_rectangular else (0,))
        self.smoothed = CorrelatedNoise(info.grid, (0,) if self.noise == "vector" else lengths, settings.num_noise)

    def check_loss(self, loss: LossABC) -> None:
        """Refuses losses of one forecast, and that of cells alone where noise is white: it is wrong as a field."""
        super().check_loss(loss)
        if self.noise == "cells" and loss.is_of_cells:
            raise SettingsError(
                f"loss {type(loss).__name__} scores every cell for itself: with noise on the cells the members' neighbours would have "
                f"nothing to do with each other; use the default, --loss sum, or --set strategy.noise=vector"
            )

    def validation_loss(self, model: Network, loss: Loss, samples: Samples, prediction: Tensor) -> Tensor:
        """The fair CRPS of the members of the forecast, on noise that is the same in every epoch."""
        return self.fair(loss, prediction, samples.truth)

    def advance(self, model: Network, x: Tensor, state: Tensor) -> Tensor:
        if self.num_conditions:
            model = partial(model, condition=x[:, 0, 0, -self.num_conditions :])
            x = x[..., : -self.num_conditions]
        if not self.smoothed.is_white:
            num_cells = self.num_noise - self.num_conditions
            x = torch.cat([x[..., :-num_cells], self.smoothed(x[..., -num_cells:])], dim=-1)
        return self.changed(state, model(x))

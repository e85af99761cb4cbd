"""gaussian_nll: how likely the truth is under the normal law of the members' mean and deviation."""

import math
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from py4cast.losses.cells import CellLossABC
from py4cast.settings import Settings, setting

__all__ = ["GaussianNLL", "GaussianNLLSettings"]


@dataclass(frozen=True, slots=True, kw_only=True)
class GaussianNLLSettings(Settings):
    """Settings of gaussian_nll: the least spread that it believes."""

    least_spread: float = setting(0.01, "deviation below which none is believed, in units of what changes in one step")

    def __post_init__(self) -> None:
        if not 0 < self.least_spread < float("inf"):
            raise ValueError(f"least_spread {self.least_spread:g}: expected more than 0")


class GaussianNLL(CellLossABC):
    """Creates ℓ = Σ_features w·⟨½·log(2πs²) + (y − x̄)²/(2s²)⟩, x̄ and s² the members' mean and variance, in units of σ_Δ.

    s² = 1/(m − 1)·Σⱼ(xⱼ − x̄)², at least `least_spread`². Two members x̄ ± s/√2 stand for a spread s that a network predicts
    beside a mean. It knows nothing of the joint law, as the CRPS of cells.

    Reference: A. P. Dawid and P. Sebastiani (1999), Coherent dispersion criteria for optimal experimental design,
    doi 10.1214/aos/1018031101.
    """

    settings_kls: ClassVar[type] = GaussianNLLSettings
    reference: ClassVar[str] = "Dawid and Sebastiani (1999), doi 10.1214/aos/1018031101"
    takes_members = True
    needs_members = True

    def score(self, prediction: Tensor, target: Tensor, counted: Tensor | None) -> Tensor:
        members = prediction if prediction.ndim > target.ndim else prediction.unsqueeze(1)
        if members.shape[1] < 2:
            raise ValueError("gaussian_nll: one member has no spread; expected at least 2")
        if counted is not None:
            # before any square: what is missing must not reach the gradient
            members, target = members.masked_fill(~counted.unsqueeze(1), 0.0), target.masked_fill(~counted, 0.0)
        scale = self.field.step_std
        mean = members.mean(1)
        least = (self.settings.least_spread * scale) ** 2
        variance = (members - mean.unsqueeze(1)).square().sum(1) / (members.shape[1] - 1)
        variance = variance.clamp_min(0.0).maximum(least) / scale**2
        score = 0.5 * (2 * math.pi * variance).log() + ((target - mean) / scale).square() / (2 * variance)
        # the weights of the mean divide by σ_Δ once
        score = score * scale
        return score if counted is None else score.masked_fill(~counted, 0.0)

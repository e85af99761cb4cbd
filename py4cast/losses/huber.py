"""huber: squares of small errors, absolute values of large ones."""

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from py4cast.losses.cells import CellLossABC
from py4cast.settings import Settings, setting

__all__ = ["Huber", "HuberSettings"]


@dataclass(frozen=True, slots=True, kw_only=True)
class HuberSettings(Settings):
    """Settings of huber: where small errors end."""

    delta: float = setting(1.0, "error at which the square becomes a line, in units of what changes in one step")

    def __post_init__(self) -> None:
        if not 0 < self.delta < float("inf"):
            raise ValueError(f"delta {self.delta:g}: expected more than 0")


class Huber(CellLossABC):
    """Creates ℓ = Σ_features w·⟨h(d/σ_Δ)⟩, h(d) = d²/2 for |d| ≤ δ, else δ·(|d| − δ/2).

    Reference: P. J. Huber (1964), Robust estimation of a location parameter, doi 10.1214/aoms/1177703732.
    """

    settings_kls: ClassVar[type] = HuberSettings
    reference: ClassVar[str] = "Huber (1964), doi 10.1214/aoms/1177703732"

    def score(self, prediction: Tensor, target: Tensor, counted: Tensor | None) -> Tensor:
        difference = prediction - target
        if counted is not None:
            difference = difference.masked_fill(~counted, 0.0)
        scale, delta = self.field.step_std, self.settings.delta
        size = difference.abs() / scale
        # the weights of the mean divide by σ_Δ once
        score: Tensor = (0.5 * size.clamp(max=delta).square() + delta * (size - delta).clamp_min(0.0)) * scale
        return score

"""diffusion: members drawn by removing noise from the change of a step."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor

from py4cast.dataset_info import DatasetInfo
from py4cast.settings import Settings, setting
from py4cast.strategies.base import Network
from py4cast.strategies.generative.base import GenerativeABC
from py4cast.strategies.generative.mean_step import MeanSettings
from py4cast.strategies.generative.samplers import SAMPLERS
from py4cast.strategies.generative.schedule import NoiseSchedule

__all__ = ["Diffusion", "DiffusionSettings"]

Level = float | Tensor


@dataclass(frozen=True, slots=True, kw_only=True)
class DiffusionSettings(Settings):
    """Settings of diffusion: its sampler, its noise levels, its members."""

    sampler: Literal["heun", "ancestral", "multistep"] = setting(
        "heun", "heun: of second order, two calls a step; ancestral: with fresh noise; multistep: one call a step"
    )
    num_steps: int = setting(16, "steps of a draw; 8 of heun have 11 % too much spread even with a perfect network")
    smallest_noise: float = setting(0.02, "σ_min, in units of what changes in one step")
    largest_noise: float = setting(20.0, "σ_max")
    rho: float = setting(7.0, "how much closer the levels lie where there is little noise")
    train_mean: float = setting(-1.2, "mean of ln σ in training")
    train_deviation: float = setting(1.2, "deviation of ln σ in training")
    num_members_val: int = setting(4, "members in validation and test, and of a forecast where no number is asked for")
    residual_of: str = setting("", "a deterministic Forecaster (scaled_ar) of the same data, whose error is drawn")
    mean: MeanSettings | None = setting(None, "what a saved Forecaster holds of it; not to be given")
    force_border: bool = setting(True, "whether truth is imposed in the border ring")

    def __post_init__(self) -> None:
        if self.num_steps < 2 or self.num_members_val < 2:
            raise ValueError("num_steps and num_members_val must be at least 2")
        if not 0 < self.smallest_noise < self.largest_noise or self.rho <= 0 or self.train_deviation <= 0:
            raise ValueError(
                f"noise levels from {self.smallest_noise:g} to {self.largest_noise:g}: expected them to grow from above 0, rho and "
                f"train_deviation above 0"
            )

    def schedule(self) -> NoiseSchedule:
        """The noise levels that the settings name."""
        return NoiseSchedule(self.train_mean, self.train_deviation, self.smallest_noise, self.largest_noise, self.rho)


class Diffusion(GenerativeABC):
    """Creates x̂(t+1) = x̂(t) + σ_Δ·z + μ_Δ, z drawn by a denoiser D(y, σ) = y/(1 + σ²) + σ/√(1 + σ²)·f(y/√(1 + σ²), ¼ ln σ).

    D learns the mean of z from z + σ·ε: λ(σ)·⟨(D − z)²⟩ with λ = (1 + σ²)/σ². A draw takes 2N − 1 calls of the network with
    N steps of Heun, N with the other samplers.

    Reference: T. Karras et al. (2022), arXiv 2206.00364; I. Price et al. (2023), GenCast: diffusion-based ensemble forecasting
    for medium-range weather, arXiv 2312.15796.
    """

    settings_kls: ClassVar[type] = DiffusionSettings
    reference: ClassVar[str] = "Price et al. (2023), arXiv 2312.15796"

    def __init__(self, settings: Any, info: DatasetInfo) -> None:
        self._schedule = settings.schedule()
        self._sampler = SAMPLERS[settings.sampler](self._schedule.levels(settings.num_steps))
        super().__init__(settings, info, self._sampler.num_fields)

    def draw(self, model: Network, given: Tensor, noise: Sequence[Tensor]) -> Tensor:
        def denoise(y: Tensor, sigma: float) -> Tensor:
            return self._denoised(model, given, y, sigma, math.hypot(1.0, sigma), NoiseSchedule.label(sigma))

        return self._sampler.sample(denoise, noise)

    def guess(self, model: Network, given: Tensor, z: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
        # torch's generator is set anew for every batch of a training
        sigma = self._schedule.of_normal(torch.randn(z.shape[0], device=z.device, dtype=z.dtype))
        wide = sigma.reshape(-1, 1, 1, 1)
        scale = (1 + wide.square()).sqrt()
        clean = self._denoised(model, given, z + wide * noise, wide, scale, sigma.log() / 4)
        return clean, NoiseSchedule.weight(sigma)

    def _denoised(self, model: Network, given: Tensor, y: Tensor, sigma: Level, scale: Level, label: Level) -> Tensor:
        """D(y, σ), with √(1 + σ²) and ¼ ln σ made by who has σ as a number or as a tensor."""
        return y / scale**2 + self.called(model, given, y / scale, label) * (sigma / scale)

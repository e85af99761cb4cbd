"""Schedules: how much noise is learned to remove, and by which levels a sample is drawn."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

__all__ = ["NoiseSchedule"]


@dataclass(frozen=True, slots=True)
class NoiseSchedule:
    """Creates the noise levels of a diffusion, in units of the deviation of what is drawn.

    In training ln σ ~ N(P_mean, P_std²); a sample is drawn along σᵢ = (σ_max^{1/ρ} + i/(N − 1)·(σ_min^{1/ρ} − σ_max^{1/ρ}))^ρ.

    Args:
        mean: P_mean.
        deviation: P_std.
        smallest: σ_min.
        largest: σ_max.
        rho: ρ, how much closer the levels lie where there is little noise.

    Reference: T. Karras et al. (2022), Elucidating the design space of diffusion-based generative models, arXiv 2206.00364.
    """

    mean: float = -1.2
    deviation: float = 1.2
    smallest: float = 0.02
    largest: float = 20.0
    rho: float = 7.0

    def levels(self, num_steps: int) -> list[float]:
        """σ of every step and 0 at the end, `num_steps + 1` falling numbers."""
        first, last = self.largest ** (1 / self.rho), self.smallest ** (1 / self.rho)
        share = [i / (num_steps - 1) for i in range(num_steps)] if num_steps > 1 else [0.0]
        return [(first + s * (last - first)) ** self.rho for s in share] + [0.0]

    def of_normal(self, normal: Tensor) -> Tensor:
        """σ in training of standard normal numbers."""
        return torch.exp(self.mean + self.deviation * normal)

    @staticmethod
    def weight(sigma: Tensor) -> Tensor:
        """λ(σ) = (σ² + 1)/σ² of the squared error, so that every level counts alike."""
        return (sigma.square() + 1) / sigma.square()

    @staticmethod
    def label(sigma: float) -> float:
        """What tells a network the level, ¼ ln σ."""
        return math.log(sigma) / 4

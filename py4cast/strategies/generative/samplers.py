"""Samplers: a draw from a law of which only the denoiser D(y, σ), the mean of what noise hides, is known.

They follow dy/dσ = (y − D(y, σ))/σ from pure noise to none.

References: T. Karras et al. (2022), arXiv 2206.00364 (Heun); J. Song, C. Meng, S. Ermon (2020), arXiv 2010.02502 (ancestral);
C. Lu et al. (2022), DPM-Solver++, arXiv 2211.01095 (multistep).
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence

from torch import Tensor

__all__ = ["SAMPLERS", "Ancestral", "Heun", "Multistep", "SamplerABC"]

Denoiser = Callable[[Tensor, float], Tensor]


class SamplerABC(ABC):
    """Abstract sampler, from pure noise to a draw.

    Args:
        levels: σ of every step and 0 at the end.
    """

    def __init__(self, levels: Sequence[float]) -> None:
        self.levels = list(levels)

    @property
    def num_fields(self) -> int:
        """Fields of noise that a sample takes."""
        return 1

    @property
    @abstractmethod
    def num_calls(self) -> int:
        """Calls of the denoiser for a sample."""

    @abstractmethod
    def sample(self, denoise: Denoiser, noise: Sequence[Tensor]) -> Tensor:
        """A draw, of the shape of a field of noise.

        Args:
            denoise: D(y, σ).
            noise: `num_fields` standard normal fields.
        """


class Heun(SamplerABC):
    """Creates steps of second order: y ← y + Δσ·(d(y, σᵢ) + d(y′, σᵢ₊₁))/2, d = (y − D)/σ; the last one is of first order."""

    @property
    def num_calls(self) -> int:
        return 2 * (len(self.levels) - 1) - 1

    def sample(self, denoise: Denoiser, noise: Sequence[Tensor]) -> Tensor:
        y = noise[0] * self.levels[0]
        for here, there in zip(self.levels[:-1], self.levels[1:], strict=True):
            slope = (y - denoise(y, here)) / here
            ahead = y + (there - here) * slope
            if there > 0:
                slope = (slope + (ahead - denoise(ahead, there)) / there) / 2
            y = y + (there - here) * slope
        return y


class Ancestral(SamplerABC):
    """Creates steps of first order that go down too far and add fresh noise, which repairs errors of the steps before."""

    @property
    def num_fields(self) -> int:
        return len(self.levels) - 1

    @property
    def num_calls(self) -> int:
        return len(self.levels) - 1

    def sample(self, denoise: Denoiser, noise: Sequence[Tensor]) -> Tensor:
        y = noise[0] * self.levels[0]
        for i, (here, there) in enumerate(zip(self.levels[:-1], self.levels[1:], strict=True)):
            up = there * math.sqrt(1 - (there / here) ** 2)
            down = math.sqrt(there**2 - up**2)
            y = y + (down - here) * (y - denoise(y, here)) / here
            if up > 0:
                y = y + up * noise[i + 1]
        return y


class Multistep(SamplerABC):
    """Creates few steps: one call each, of second order by the call before (DPM-Solver++ 2M)."""

    @property
    def num_calls(self) -> int:
        return len(self.levels) - 1

    def sample(self, denoise: Denoiser, noise: Sequence[Tensor]) -> Tensor:
        y = noise[0] * self.levels[0]
        before: Tensor | None = None
        width = 0.0
        for here, there in zip(self.levels[:-1], self.levels[1:], strict=True):
            clean = denoise(y, here)
            if there == 0:
                return clean
            h = math.log(here / there)
            towards = clean if before is None else clean + (clean - before) * (h / (2 * width))
            y = y * (there / here) + (1 - there / here) * towards
            before, width = clean, h
        return y


SAMPLERS: dict[str, type[SamplerABC]] = {"heun": Heun, "ancestral": Ancestral, "multistep": Multistep}

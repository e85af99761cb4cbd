"""spectral: errors of amplitude and phase, wavelength by wavelength."""

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from py4cast.dataset_info import DatasetInfo
from py4cast.errors import SettingsError
from py4cast.losses.base import LossABC, LossTerms
from py4cast.losses.cells import tensor_of
from py4cast.losses.weights import FieldWeights
from py4cast.namedtensor import NamedTensor
from py4cast.settings import Settings, setting

__all__ = ["Spectral", "SpectralSettings"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SpectralSettings(Settings):
    """Settings of spectral: what phase weighs beside amplitude."""

    phase: float = setting(
        1.0, "weight of the phase; 0 for amplitude alone, which any field of the same spectrum has right"
    )

    def __post_init__(self) -> None:
        if not 0 <= self.phase < float("inf"):
            raise ValueError(f"phase {self.phase:g}: expected 0 or more")


class Spectral(LossABC):
    """Creates ℓ = Σ_features w·mean_k[(ln A_k − ln Â_k)² + c·(1 − γ_k)], A² the power of the truth in the shell k, Â² the forecast's.

    γ_k = Re Σ F̂·F*/(Â_k·A_k) is the coherence of both in the shell round(|k|) = k, k = 1 … n/2, n the shorter side [cells]. Sides that
    do not meet the opposite ones are tapered by a Hann window; values that are missing are 0, the mean, in both.

    Reference: C. Subich et al. (2025), Fixing the double penalty in data-driven weather forecasting through a modified spherical
    harmonic loss function, arXiv 2501.19374 (amplitude and coherence by wavenumber).
    """

    settings_kls: ClassVar[type] = SpectralSettings
    reference: ClassVar[str] = "Subich et al. (2025), arXiv 2501.19374"
    window: Tensor
    shells: Tensor
    counts: Tensor

    def __init__(self, info: DatasetInfo, settings: Any = None) -> None:
        super().__init__(info, settings)
        grid = info.grid
        if not grid.is_rectangular or min(grid.shape) < 4:
            raise SettingsError(
                f"loss spectral: waves along rows and columns, which {grid.describe()} has not; use crps_of_means"
            )
        # a logarithm has no units
        self.field = FieldWeights(info, power=0)
        tapers = [
            torch.ones(n) if is_round else torch.hann_window(n + 2, periodic=False)[1:-1]
            for n, is_round in zip(grid.shape, grid.periodicity, strict=True)
        ]
        self.register_buffer("window", torch.outer(tapers[0], tapers[1])[..., None], persistent=False)
        rows, columns = grid.shape
        shorter = min(rows, columns)
        square = torch.fft.fftfreq(rows)[:, None].square() + torch.fft.rfftfreq(columns)[None].square()
        number = (square.sqrt() * shorter).round().long()
        # half of the plane stands for all of it: columns but the first, and the last of an even number, have a twin
        counts = torch.full((rows, columns // 2 + 1, 1), 2.0)
        counts[:, 0] = 1.0
        if columns % 2 == 0:
            counts[:, -1] = 1.0
        self.register_buffer("counts", counts, persistent=False)
        # waves beyond the last shell, and the mean, go into a last one that is left out
        self._count = shorter // 2
        inside = (number >= 1) & (number <= self._count)
        self.register_buffer("shells", torch.where(inside, number - 1, self._count).flatten(), persistent=False)

    def terms(
        self, prediction: Tensor | NamedTensor, target: Tensor | NamedTensor, mask: Tensor | None = None
    ) -> LossTerms:
        y, truth = tensor_of(prediction), tensor_of(target)
        counted = self.field.counted(truth, mask)
        ours, theirs = (self._waves(field.masked_fill(~counted, 0.0)) for field in (y, truth))
        least = 1e-12
        power, true_power = (self._summed(waves.abs().square()) + least for waves in (ours, theirs))
        crossed = self._summed((ours * theirs.conj()).real) + least
        amplitude = (0.5 * (power / true_power).log()).square()
        phase = 1 - crossed / (power * true_power).sqrt()
        value = (amplitude + self.settings.phase * phase).mean(-2) * self.field.feature_weights
        known = counted.any(2).any(2).float()
        return LossTerms(value * known, known)

    def _waves(self, field: Tensor) -> Tensor:
        waves: Tensor = torch.fft.rfft2(field * self.window, dim=(2, 3))
        return waves

    def _summed(self, power: Tensor) -> Tensor:
        """Over the waves of each shell, `(batch, timestep, shell, features)`."""
        flat = (power * self.counts).flatten(2, 3)
        sums = flat.new_zeros(*flat.shape[:2], self._count + 1, flat.shape[-1])
        return sums.index_add(2, self.shells, flat)[:, :, : self._count]

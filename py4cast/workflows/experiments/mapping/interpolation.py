"""Optimal interpolation: the best linear map from observations whose covariances are known.

    x̂ = μ + C_go (C_oo + R)⁻¹ (y − μ),   C(Δt, Δx, Δy) = σ² exp(−(Δt/L_t)² − (Δx/L)² − (Δy/L)²),   R = ε²σ² I

The scales L_t and L are those that map instants of the training split best.

Reference: F. P. Bretherton, R. E. Davis, C. B. Fandry (1976), A technique for objective analysis and design of
oceanographic experiments applied to MODE-73, doi 10.1016/0011-7471(76)90001-2.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

__all__ = ["OptimalInterpolation"]


@dataclass(frozen=True, slots=True)
class OptimalInterpolation:
    """Creates the interpolation on a doubly periodic square.

    Args:
        mean: μ of the field.
        std: σ.
        noise: ε.
        length: L [cells].
        duration: L_t [instants].
    """

    mean: float
    std: float
    noise: float
    length: float
    duration: float

    def __call__(self, observed: Tensor) -> Tensor:
        """The field of the middle instant, `(lat, lon)`.

        Args:
            observed: at the instants around it, `(instant, lat, lon)`, NaN where nothing was seen.
        """
        count, size = observed.shape[0], observed.shape[1]
        place = torch.nonzero(torch.isfinite(observed))
        if not len(place):
            return torch.full(observed.shape[1:], self.mean)
        values = (observed[tuple(place.T)].double() - self.mean) / self.std
        along = self._decay(torch.arange(size, dtype=torch.float64), size, self.length)
        times = torch.arange(count, dtype=torch.float64)
        in_time = torch.exp(-(((times[:, None] - times[None, :]) / self.duration) ** 2))
        t, y, x = place.T
        kernel = in_time[t][:, t] * along[y][:, y] * along[x][:, x]
        kernel.diagonal().add_(max(self.noise, 1e-3) ** 2)
        weights = torch.cholesky_solve(values[:, None], torch.linalg.cholesky(kernel))[:, 0]
        # C_go w, one dimension after the other: the covariance is a product
        spread = torch.zeros(size, size, dtype=torch.float64)
        spread.index_put_((y, x), weights * in_time[count // 2, t], accumulate=True)
        return (self.mean + self.std * (along @ spread @ along)).to(observed.dtype)

    @staticmethod
    def _decay(points: Tensor, size: int, length: float) -> Tensor:
        """The covariance along one axis: the sum over all images of a point, which is one where exp(−d²) of the nearest is not."""
        apart = points[:, None] - points[None, :]
        images = torch.exp(-(((apart[..., None] + size * torch.arange(-3, 4)) / length) ** 2)).sum(-1)
        return images / images[0, 0]

    @classmethod
    def tuned(
        cls, observed: Sequence[Tensor], truth: Sequence[Tensor], mean: float, std: float, noise: float
    ) -> "OptimalInterpolation":
        """The interpolation whose scales map these instants best, of five lengths and five durations."""
        size, count = truth[0].shape[0], observed[0].shape[0]
        best, least = None, float("inf")
        for length in (size / 12, size / 8, size / 6, size / 4, size / 3):
            for duration in (count / 8, count / 4, count / 2, count, 2 * count):
                interpolation = cls(mean, std, noise, length, duration)
                error = sum(float((interpolation(o) - t).square().mean()) for o, t in zip(observed, truth, strict=True))
                if error < least:
                    best, least = interpolation, error
        assert best is not None, "there are scales to choose of"
        return best

"""Spectra: how much of a field's variance lies at which wavelength, and down to which one a forecast is right.

A field on a limited area does not repeat beyond its sides, so its power is that of the discrete cosine transform,
which needs no window; round the globe it is that of the Fourier transform along each circle of latitude.

References: B. Denis, J. Côté and R. Laprise (2002), Spectral decomposition of two-dimensional atmospheric fields on
limited-area domains using the discrete cosine transform, doi 10.1175/1520-0493(2002)130<1812:SDOTDA>2.0.CO;2;
M. Ballarotta et al. (2019), On the resolutions of ocean altimetry maps, doi 10.5194/os-15-1091-2019 (effective resolution).
"""

import math
from typing import Any

import torch
from torch import Tensor

__all__ = ["cosine_transform", "crossing_wavelength", "resolved_scales", "zonal_power"]


def cosine_transform(field: Tensor) -> Tensor:
    """Orthonormal two-dimensional DCT-II of `(..., lat, lon)`: Σ F² = Σ f² (Parseval)."""
    from scipy.fft import dctn

    waves = dctn(field.detach().cpu().numpy(), axes=(-2, -1), norm="ortho", workers=torch.get_num_threads())
    result: Tensor = torch.from_numpy(waves).to(field.device)
    return result


def zonal_power(field: Tensor) -> Tensor:
    """|F_k|² along the last dimension, `(..., lon)` → `(..., lon // 2 + 1)`, summing to the mean of f² over it.

    Waves k and −k count together; the mean (k = 0) and, for an even number of columns, the shortest wave stand alone.
    """
    n = field.shape[-1]
    power: Tensor = torch.fft.rfft(field, norm="forward").abs().square()
    twice = torch.full((power.shape[-1],), 2.0, device=field.device, dtype=field.dtype)
    twice[0] = 1.0
    if n % 2 == 0:
        twice[-1] = 1.0
    return power * twice


def crossing_wavelength(score: Tensor, wavelength: Tensor, level: float = 0.5) -> Tensor:
    """The shortest wavelength down to which a score of the wavenumbers stays at or above `level`.

    The score falls with the wavenumber 1/λ; where it first passes `level`, 1/λ is interpolated linearly.

    Args:
        score: `(..., wavenumber)`, long waves first; NaN ends the search like a low score.
        wavelength: `(wavenumber)`, falling.
        level: what counts as resolved.

    Returns:
        `(...)` in the units of `wavelength`: NaN where even the longest wave is below, the shortest wavelength where
        none is.
    """
    number = 1.0 / wavelength
    good = score >= level
    first = torch.where(good, torch.zeros_like(score), torch.ones_like(score)).argmax(-1)
    below = first.clamp(min=1)
    high, low = (score.gather(-1, i.unsqueeze(-1)).squeeze(-1) for i in (below - 1, below))
    # beyond a missing value nothing can be interpolated
    share = torch.where(torch.isfinite(low), (high - level) / (high - low).clamp(min=1e-300), torch.zeros_like(high))
    crossing = 1.0 / (number[below - 1] + share * (number[below] - number[below - 1]))
    crossing = torch.where(first == 0, torch.full_like(crossing, torch.nan), crossing)
    return torch.where(good.all(-1), wavelength[-1].expand_as(crossing), crossing)


def resolved_scales(
    prediction: Tensor, target: Tensor, step: float, spacing: float, level: float = 0.5
) -> tuple[float, float]:
    """λ_x and λ_t: the shortest waves in space and in time whose error has less than half the power of the truth.

    Both are windowed (Hann) over time and longitude, freed of their mean, and transformed; the power is averaged over
    latitudes, s(f_t, f_x) = 1 − P(ŷ − y)/P(y), and the contour s = `level` is followed: λ_x is the shortest wavelength
    on it, λ_t the shortest period.

    Args:
        prediction: `(time, lat, lon)`, evenly spaced in time.
        target: the same of the truth.
        step: between two times, in the units wanted of λ_t.
        spacing: between two longitudes, in the units wanted of λ_x.
        level: of the contour.

    Returns:
        (λ_x, λ_t); NaN where no wave is resolved, twice the sampling where all are.

    Reference: M. Ballarotta et al. (2019), doi 10.5194/os-15-1091-2019, as the ocean data challenges compute it.
    """
    from contourpy import contour_generator

    n_t, _, n_x = target.shape
    window = (torch.hann_window(n_t, periodic=True)[:, None, None] * torch.hann_window(n_x, periodic=True)).to(target)
    if min(n_t, n_x) < 4:
        raise ValueError(f"resolved scales of {n_t} times and {n_x} longitudes; expected at least 4 of each")

    def power(field: Tensor) -> Tensor:
        centred = field - field.mean((0, 2), keepdim=True)
        spectrum: Tensor = torch.fft.fft2(centred * window, dim=(0, 2)).abs().square().mean(1)
        return spectrum[1 : (n_t + 1) // 2, 1 : (n_x + 1) // 2]

    score = (1 - power(prediction - target) / power(target)).cpu().numpy()
    f_t = torch.fft.fftfreq(n_t, step)[1 : (n_t + 1) // 2].numpy()
    f_x = torch.fft.fftfreq(n_x, spacing)[1 : (n_x + 1) // 2].numpy()
    if (score >= level).all():
        return 2.0 * spacing, 2.0 * step
    lines: list[Any] = list(contour_generator(1.0 / f_x, 1.0 / f_t, score).lines(level))
    if not lines:
        return math.nan, math.nan
    return min(float(line[:, 0].min()) for line in lines), min(float(line[:, 1].min()) for line in lines)

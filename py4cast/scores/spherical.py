"""Spherical harmonics: how much of a global field's variance lies at which total wavenumber n.

    f(λ, φ) = Σ_n Σ_{|m| ≤ n} a_nm·P̄_nm(sin φ)·e^{imλ},   P_n = Σ_m |a_nm|²,   Σ_n P_n = the area mean of f²

with Legendre functions of mean square one. Along each row a Fourier transform, from row to row a sum with quadrature
weights: exact for fields of no more than the truncation's waves. Rows of a reduced grid each have their own length.

References: W. M. Washington, C. L. Parkinson (2005), An Introduction to Three-Dimensional Climate Modeling, ch. 4; J. Waldvogel (2006),
doi 10.1007/s10543-006-0045-4 (weights of equally spaced rows); S. A. Holmes, W. E. Featherstone (2002), doi
10.1007/s00190-002-0216-2 (Legendre functions).
"""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

__all__ = ["SphericalHarmonics", "equiangular_weights"]

Array = NDArray[np.float64]
_MOST_NUMBERS = 32_000_000  # of the table of Legendre functions; beyond, the shortest waves are left out


def equiangular_weights(latitude: Array) -> Array | None:
    """Quadrature weights of equally spaced rows [degrees] round the whole globe, whose sum is 2; None for other rows.

    With rows at both poles those of Clenshaw and Curtis, with half a spacing between pole and row those of Fejér: exact
    for polynomials in sin φ of a degree below the number of rows.
    """
    count = latitude.size
    steps = np.diff(latitude)
    if count < 4 or np.ptp(steps) > 1e-3 * abs(steps[0]):
        return None
    has_poles = abs(abs(latitude[0]) - 90) < 1e-3
    if abs(abs(steps[0]) * (count - (1 if has_poles else 0)) - 180) > 1e-2 * abs(steps[0]):
        return None
    theta = np.pi * np.arange(count) / (count - 1) if has_poles else np.pi * (np.arange(count) + 0.5) / count
    # ∫ cos kθ sin θ dθ over the polynomials cos kθ, whose sums over the rows are orthogonal
    k = np.arange(count)
    integral = np.where(k % 2 == 0, 2 / (1 - k.astype(float) ** 2 + (k == 1)), 0.0)
    cosines = np.cos(np.outer(theta, k))
    if has_poles:
        ends = np.where((np.arange(count) == 0) | (np.arange(count) == count - 1), 0.5, 1.0)
        scale = np.where((k == 0) | (k == count - 1), 1.0, 2.0) / (count - 1)
        return np.asarray(ends * (cosines * (scale * integral)).sum(1))
    return np.asarray((cosines * (np.where(k == 0, 1.0, 2.0) / count * integral)).sum(1))


class SphericalHarmonics:
    """Creates the transform of fields on rows round the globe.

    Args:
        latitude: of the rows [degrees north].
        weights: of the rows in means over the sphere, sum 2.
        counts: equally spaced points of each row.
        first: longitude of each row's first point [degrees east].
        truncation: the largest n.
    """

    def __init__(
        self, latitude: Array, weights: Array, counts: NDArray[np.int64], first: Array, truncation: int
    ) -> None:  # fmt: skip
        rows = latitude.size
        while truncation > 1 and truncation**2 // 2 * rows > _MOST_NUMBERS:
            truncation -= 1
        self.truncation = truncation
        self._counts, self._starts = counts, np.concatenate([[0], np.cumsum(counts)[:-1]])
        self._tables = [
            torch.from_numpy(0.5 * weights * table).float()
            for table in _legendre(np.sin(np.deg2rad(latitude)), truncation)
        ]
        turn = np.exp(-1j * np.outer(np.deg2rad(first), np.arange(truncation + 1)))
        self._turn = torch.from_numpy(turn).to(torch.complex64) if np.abs(first).max() > 1e-9 else None

    def power(self, fields: Tensor) -> Tensor:
        """P_n of fields whose points stand row after row, `(features, points)` → `(features, truncation + 1)`."""
        waves = self._waves(fields.float())
        power = fields.new_zeros(fields.shape[0], self.truncation + 1)
        for m, table in enumerate(self._tables):
            table = table.to(fields.device)
            of_m = torch.view_as_real(waves[..., m].contiguous())
            coefficients = torch.einsum("nr,frc->fnc", table, of_m)
            power[:, m:] += (1.0 if m == 0 else 2.0) * coefficients.square().sum(-1).to(power.dtype)
        return power

    def _waves(self, fields: Tensor) -> Tensor:
        """Fourier coefficients of every row, `(features, row, m)`; a short row has no short waves."""
        rows = len(self._counts)
        waves = torch.zeros(fields.shape[0], rows, self.truncation + 1, dtype=torch.complex64, device=fields.device)
        for count in np.unique(self._counts).tolist():
            places = np.flatnonzero(self._counts == count)
            index = torch.from_numpy(self._starts[places, None] + np.arange(count)[None]).to(fields.device)
            # a wave of half the points stands for two that it cannot tell apart
            most = min((count - 1) // 2, self.truncation)
            rings = torch.fft.rfft(fields[:, index], norm="forward")[..., : most + 1]
            waves[:, torch.from_numpy(places).to(fields.device), : most + 1] = rings
        return waves if self._turn is None else waves * self._turn.to(fields.device)


def _legendre(x: Array, truncation: int) -> list[Array]:
    """P̄_nm(x) of each m, `(n − m, rows)` for n = m … truncation, of mean square one on the sphere."""
    cosine = np.sqrt(1 - x**2)
    diagonal, tables = np.ones_like(x), []
    for m in range(truncation + 1):
        if m:
            diagonal = np.sqrt((2 * m + 1) / (2 * m)) * cosine * diagonal
        table = np.empty((truncation + 1 - m, x.size))
        table[0] = diagonal
        if len(table) > 1:
            table[1] = np.sqrt(2 * m + 3) * x * diagonal
        for n in range(m + 2, truncation + 1):
            a = np.sqrt((4 * n**2 - 1) / (n**2 - m**2))
            b = np.sqrt(((n - 1) ** 2 - m**2) / (4 * (n - 1) ** 2 - 1))
            table[n - m] = a * (x * table[n - m - 1] - b * table[n - m - 2])
        tables.append(table)
    return tables

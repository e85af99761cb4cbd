"""Power spectra, their ratio, and λ_x, the wavelength down to which a forecast is right."""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from py4cast.formats.reduced import NEAR, gaussian_rows
from py4cast.grid import EARTH_RADIUS, Grid
from py4cast.metrics.base import Dimension, MetricABC, StatisticABC
from py4cast.metrics.case import Case
from py4cast.metrics.layout import Layout
from py4cast.scores.spectral import cosine_transform, crossing_wavelength, zonal_power
from py4cast.scores.spherical import SphericalHarmonics, equiangular_weights

__all__ = ["Bands", "LambdaX", "SpectralRatio", "Spectrum", "harmonics_of"]


class Bands:
    """Creates the bands of a grid's wavenumbers.

    Round the whole globe they are total wavenumbers of spherical harmonics; of rows that go round a part of it zonal
    wavenumbers; else annuli as wide as the longest half wave.

    Args:
        grid: where the cells are.

    Attributes:
        wavelengths: of each band [km], falling.
    """

    def __init__(self, grid: Grid) -> None:
        self.harmonics = harmonics_of(grid)
        self.is_zonal = grid.is_periodic and grid.is_rectangular
        rows, columns = grid.shape
        around = 2 * np.pi * EARTH_RADIUS / 1000
        if self.is_zonal:
            waves = np.arange(1, columns // 2 + 1)
            cosines = np.cos(np.deg2rad(grid.latitude))
            self._rows = torch.from_numpy(np.maximum(cosines, 0.0) / np.maximum(cosines, 0.0).sum())
            mean = float((cosines**2).sum() / cosines.sum())
            self.wavelengths = around * mean / waves
        if self.harmonics is not None:
            self.wavelengths = around / np.arange(1, self.harmonics.truncation + 1)
        if self.is_zonal or self.harmonics is not None:
            return
        dy, dx = (s / 1000 for s in grid.spacing())
        # a cosine of index i over n cells has half a wave per n/i cells
        ky, kx = np.arange(rows) / (2 * rows * dy), np.arange(columns) / (2 * columns * dx)
        wavenumber = np.hypot(ky[:, None], kx[None, :])
        width = 1 / (2 * min(rows * dy, columns * dx))
        count = int(np.floor(1 / (2 * max(dy, dx)) / width + 1e-9))
        band = np.rint(wavenumber / width).astype(np.int64)
        inside = (band >= 1) & (band <= count)
        self._band = torch.from_numpy(np.where(inside, band, 0).ravel())
        self._counts = torch.bincount(self._band, minlength=count + 1)[1:].double()
        self.wavelengths = 1 / (width * np.arange(1, count + 1))

    def power(self, coefficients: Tensor) -> Tensor:
        """Radial mean of squared coefficients, `(features, lat, lon)` → `(features, band)`."""
        if self.is_zonal:
            return torch.einsum("flk,l->fk", coefficients[..., 1:], self._rows.to(coefficients))
        flat = coefficients.flatten(1)
        sums = torch.zeros(flat.shape[0], self._counts.numel() + 1, dtype=flat.dtype, device=flat.device)
        sums.index_add_(1, self._band.to(flat.device), flat)
        return sums[:, 1:] / self._counts.to(flat)

    def of(self, fields: Sequence[Tensor]) -> list[Tensor]:
        """The power of fields `(features, lat, lon)`, and last that of the first less the second."""
        if self.harmonics is not None:
            return [self.harmonics.power(f.flatten(1))[:, 1:] for f in (*fields, fields[0] - fields[1])]
        if self.is_zonal:
            return [self.power(zonal_power(f)) for f in (*fields, fields[0] - fields[1])]
        first, second = (cosine_transform(f) for f in fields)
        return [self.power(c.square()) for c in (first, second, first - second)]


def harmonics_of(grid: Grid) -> SphericalHarmonics | None:
    """The transform of a grid of rows round the whole globe; None for others.

    Regular rows resolve half as many waves as there are rows, Gaussian ones with as many points nearly as many as there
    are; the rows of a reduced grid have points for half of them (a cubic grid).
    """
    if grid.rows is not None:
        counts = np.array(grid.rows)
        firsts = np.concatenate([[0], np.cumsum(counts)[:-1]])
        weights = np.array([grid.cell_areas()[0, f] * n for f, n in zip(firsts, grid.rows, strict=True)])
        latitude, first = grid.latitude[0, firsts], grid.longitude[0, firsts]
        return SphericalHarmonics(latitude, 2 * weights / weights.sum(), counts, first, max(1, counts.size // 2 - 1))
    if grid.is_projected or not grid.is_periodic:
        return None
    rows, columns = grid.shape
    if np.unwrap(grid.longitude, period=360.0)[-1] < grid.longitude[0]:
        return None
    equal, nodes = equiangular_weights(grid.latitude), None
    if equal is None and rows % 2 == 0:
        latitude, nodes = gaussian_rows(rows)
        southward = grid.latitude if grid.latitude[0] > grid.latitude[-1] else grid.latitude[::-1]
        nodes = nodes if np.abs(latitude - southward).max() < NEAR else None
    weights_of = equal if equal is not None else nodes
    if weights_of is None:
        return None
    most = (rows - 1) // 2 if equal is not None else rows - 1
    first = np.full(rows, grid.longitude[0])
    return SphericalHarmonics(
        grid.latitude, weights_of, np.full(rows, columns), first, max(1, min(most, (columns - 1) // 2))
    )


class Power(StatisticABC):
    """Power of forecast, truth and error by band, `(features, band, 3)`; every forecast counts alike.

    Cells that do not count hold the mean of those that do, in forecast and truth alike.
    """

    name = "power"
    is_heavy = True

    def __init__(self, layout: Layout) -> None:
        super().__init__(layout)
        grid = layout.grid or layout.points
        assert grid is not None, "lacking() asks for one"
        self.bands = Bands(grid)

    def compute(self, case: Case) -> tuple[Tensor, Tensor]:
        # without their mean float32 holds what is left to 1e-7 of its size
        planes = [x.movedim(-1, 0) for x in (case.prediction, case.target)]
        fields = [(x - x.mean((1, 2), keepdim=True)).float() for x in planes]
        sums = torch.stack(self.bands.of(fields), -1).double()
        weight = (case.totals > 0).double()[:, None, None]
        return sums * weight, weight.expand_as(sums)


class _Spectral(MetricABC):
    """Abstract metric of the power by band."""

    is_for_fields = True

    def __init__(self, layout: Layout) -> None:
        super().__init__(layout)
        self.statistics = (Power(layout),)
        self._wavelengths = torch.from_numpy(self.statistics[0].bands.wavelengths)

    @classmethod
    def lacking(cls, layout: Layout) -> str:
        if layout.grid is None:
            # points of rows round the globe have spherical harmonics
            return "" if layout.points is not None and layout.points.rows is not None else "a grid"
        return "" if min(layout.grid.shape) >= 8 else "at least 8 rows and columns"

    @classmethod
    def seen(cls, layout: Layout) -> Layout:
        """Rows round the globe as they are; other points on the rows and columns to which they are brought."""
        return layout if layout.points is not None and layout.points.rows is not None else layout.of_fields

    def _dimension(self) -> Dimension:
        return Dimension("wavelength", self._wavelengths.tolist(), "km")


class Spectrum(_Spectral):
    """Radial mean of the power of forecast and truth, by wavelength."""

    name, long_name = "spectrum", "power spectrum"

    @property
    def dimensions(self) -> Sequence[Dimension]:
        return (self._dimension(), Dimension("part", ("forecast", "truth", "error"), ""))

    def units(self, feature: str) -> str:
        units = super().units(feature)
        return "1" if units == "1" else f"({units})2"

    def value(self, means: Mapping[str, Tensor]) -> Tensor:
        return means["power"]


class SpectralRatio(_Spectral):
    """Power of the forecast over that of the truth, by wavelength: below 1 is too smooth."""

    name, long_name = "spectral_ratio", "power of the forecast over that of the truth"

    @property
    def dimensions(self) -> Sequence[Dimension]:
        return (self._dimension(),)

    def units(self, feature: str) -> str:
        return "1"

    def value(self, means: Mapping[str, Tensor]) -> Tensor:
        forecast, truth, _ = means["power"].unbind(-1)
        return torch.where(truth > 0, forecast / truth, torch.full_like(truth, torch.nan))


class LambdaX(_Spectral):
    """λ_x: the shortest wavelength [km] down to which the error has at most half the power of the truth.

    NaN where even the longest wave is not resolved.
    """

    name, long_name, orientation = "lambda_x", "effective resolution", "low"
    is_compared = False  # the spectra of every forecast would fill the disk

    def units(self, feature: str) -> str:
        return "km"

    def value(self, means: Mapping[str, Tensor]) -> Tensor:
        _, truth, error = means["power"].unbind(-1)
        score = torch.where(truth > 0, 1 - error / truth, torch.full_like(truth, torch.nan))
        return crossing_wavelength(score, self._wavelengths.to(score))

"""Grids of points in GRIB: reduced Gaussian and other reduced grids and HEALPix, read and written again.

A reduced Gaussian grid has a row at every zero of the Legendre polynomial of degree 2N, north to south, with a number of
points of its own. A cell of row i is 2πR²·wᵢ/nᵢ large, with the row's quadrature weight wᵢ (their sum is 2) and its number
of points nᵢ, so that the cells of all rows are the sphere's 4πR².

References: M. Hortal, A. J. Simmons (1991), doi 10.1175/1520-0493(1991)119<1057:UORGGI>2.0.CO;2 (reduced grids);
K. M. Górski et al. (2005), doi 10.1086/427976 (HEALPix).
"""

import functools
from pathlib import Path
from typing import Any

import eccodes
import numpy as np
from numpy.typing import NDArray

from py4cast.errors import DataError
from py4cast.formats.grib_keys import get_key
from py4cast.grid import EARTH_RADIUS, Grid

__all__ = ["POINT_TYPES", "gaussian_rows", "octahedral", "points_of", "set_points"]

POINT_TYPES = ("reduced_gg", "reduced_ll", "healpix", "unstructured_grid")
_SPHERE = 4 * np.pi * EARTH_RADIUS**2
# GRIB tells latitudes to 1e-3 (GRIB 1) or 1e-6 degrees; rows of one resolution lie further apart
_NEAR = 2e-3  # [degrees]


@functools.lru_cache(maxsize=8)
def gaussian_rows(num_rows: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Latitudes [degrees north] of Gaussian rows, north to south, and their quadrature weights, whose sum is 2."""
    from scipy.special import roots_legendre

    nodes, weights = roots_legendre(num_rows)
    return np.rad2deg(np.arcsin(nodes[::-1])), weights[::-1]


def octahedral(n: int) -> Grid:
    """The octahedral reduced Gaussian grid O`n`: row i from a pole has 4i + 16 points, 4n(n + 9) in all."""
    half = 4 * np.arange(1, n + 1) + 16
    return _reduced_gaussian(np.concatenate([half, half[::-1]]))


def _reduced_gaussian(counts: NDArray[np.int64], name: str = "") -> Grid:
    latitude, weights = gaussian_rows(counts.size)
    return _of_rows(latitude, counts, 2 * np.pi * EARTH_RADIUS**2 * weights, name or _gaussian_name(counts))


def _of_rows(latitude: NDArray[np.float64], counts: NDArray[np.int64], bands: NDArray[np.float64], name: str) -> Grid:
    """The grid of equally spaced points from longitude 0 on every row; `bands` are the areas of the rows [m²]."""
    longitude = np.concatenate([np.arange(n) * (360.0 / n) for n in counts.tolist()])
    areas = np.repeat(bands / counts, counts)
    return Grid.points(np.repeat(latitude, counts), longitude, areas, tuple(counts.tolist()), name)


def _gaussian_name(counts: NDArray[np.int64]) -> str:
    n = counts.size // 2
    half = 4 * np.arange(1, n + 1) + 16
    is_octahedral = counts.size == 2 * n and np.array_equal(counts, np.concatenate([half, half[::-1]]))
    return f"{'O' if is_octahedral else 'N'}{n}"


def points_of(handle: int, path: Path) -> Grid:
    """The grid of points of a message.

    Raises:
        DataError: a grid of which a part lacks, or whose coordinates stand in a file of their own.
    """
    kind = str(get_key(handle, "gridType", str))
    if kind == "unstructured_grid":
        raise DataError(
            f"{path}: an unstructured grid (ICON), whose coordinates stand in a file of their own; regrid it first, or give "
            f"its NetCDF"
        )
    if any(get_key(handle, key, int) for key in ("iScansNegatively", "jScansPositively", "jPointsAreConsecutive")):
        raise DataError(f"{path}: a grid of type {kind} whose rows do not run eastward from north to south")
    latitude = np.asarray(eccodes.codes_get_array(handle, "latitudes"), dtype=np.float64)
    longitude = np.asarray(eccodes.codes_get_array(handle, "longitudes"), dtype=np.float64)
    if kind == "healpix":
        if str(get_key(handle, "orderingConvention", str) or "ring").lower() not in ("ring", "0", "1"):
            raise DataError(f"{path}: HEALPix in nested order; expected ring")
        side = int(get_key(handle, "Nside", int) or 0)
        areas = np.full(latitude.size, _SPHERE / latitude.size)
        return Grid.points(latitude, longitude, areas, name=f"HEALPix {side} ring")
    counts = np.asarray(eccodes.codes_get_array(handle, "pl"), dtype=np.int64)
    if counts.sum() != latitude.size or (counts <= 0).any():
        raise DataError(
            f"{path}: a grid of type {kind} of {latitude.size} points, whose {counts.size} rows hold {counts.sum()}; expected a whole globe"
        )
    if kind == "reduced_gg":
        n = int(get_key(handle, "N", int) or 0)
        rows = latitude[np.cumsum(counts) - 1]
        if counts.size != 2 * n or np.abs(rows - gaussian_rows(counts.size)[0]).max() > _NEAR:
            raise DataError(
                f"{path}: {counts.size} of the {2 * n} rows of a reduced Gaussian grid; expected a whole globe"
            )
        return _checked(_reduced_gaussian(counts), latitude, longitude, path)
    rows = latitude[np.cumsum(counts) - 1]
    edges = np.concatenate([[90.0], (rows[1:] + rows[:-1]) / 2, [-90.0]])
    bands = 2 * np.pi * EARTH_RADIUS**2 * -np.diff(np.sin(np.deg2rad(edges)))
    return _checked(_of_rows(rows, counts, bands, f"reduced {counts.size} rows"), latitude, longitude, path)


def _checked(grid: Grid, latitude: NDArray[np.float64], longitude: NDArray[np.float64], path: Path) -> Grid:
    """The grid, where its rows are those of the file."""
    beside = np.abs((grid.longitude[0] - longitude + 180.0) % 360.0 - 180.0)
    if np.abs(grid.latitude[0] - latitude).max() > _NEAR or beside.max() > 2 * _NEAR:
        raise DataError(
            f"{path}: a reduced grid whose rows are no whole circles from longitude 0; expected a whole globe"
        )
    return grid


def set_points(handle: int, grid: Grid) -> None:
    """Describes a grid of points in a message.

    Raises:
        DataError: GRIB has no template for them.
    """
    counts = None if grid.rows is None else np.asarray(grid.rows)
    if counts is None or counts.size % 2 or np.abs(_row_latitudes(grid) - gaussian_rows(counts.size)[0]).max() > _NEAR:
        raise DataError(
            f"GRIB output: no encoding for a grid on {grid.projection.get('grid_mapping_name')}; write NetCDF instead "
            f"(--output forecast.nc); it is {grid.describe()}"
        )
    latitude, n = gaussian_rows(counts.size)[0], counts.size // 2
    eccodes.codes_set(handle, "gridType", "reduced_gg")
    keys: dict[str, Any] = {
        "N": n, "Nj": 2 * n, "interpretationOfNumberOfPoints": 1,
        "latitudeOfFirstGridPointInDegrees": float(latitude[0]), "longitudeOfFirstGridPointInDegrees": 0.0,
        "latitudeOfLastGridPointInDegrees": float(latitude[-1]),
        "longitudeOfLastGridPointInDegrees": 360.0 - 360.0 / float(counts.max()),
        "iScansNegatively": 0, "jScansPositively": 0, "jPointsAreConsecutive": 0,
    }  # fmt: skip
    for key, value in keys.items():
        eccodes.codes_set(handle, key, value)
    eccodes.codes_set_array(handle, "pl", counts)


def _row_latitudes(grid: Grid) -> NDArray[np.float64]:
    return np.asarray(grid.latitude[0][np.cumsum(grid.rows or ()) - 1])

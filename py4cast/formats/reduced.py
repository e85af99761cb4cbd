"""Reduced Gaussian grids and HEALPix: where their points are, how large their cells, and which points are one.

A reduced Gaussian grid has a row at every zero of the Legendre polynomial of degree 2N, north to south, with a number of
points of its own. A cell of row i is 2πR²·wᵢ/nᵢ large, with the row's quadrature weight wᵢ (their sum is 2) and its number
of points nᵢ, so that the cells of all rows are the sphere's 4πR².

Reference: M. Hortal, A. J. Simmons (1991), doi 10.1175/1520-0493(1991)119<1057:UORGGI>2.0.CO;2.
"""

import functools
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from py4cast.errors import DataError
from py4cast.grid import EARTH_RADIUS, Grid

__all__ = [
    "NEAR",
    "HealpixOrder",
    "gaussian_number",
    "gaussian_of",
    "gaussian_rows",
    "healpix",
    "healpix_of",
    "octahedral",
    "of_rows",
    "reduced_gaussian",
    "stands_at",
]

# GRIB tells latitudes to 1e-3 (GRIB 1) or 1e-6 degrees; rows of one resolution lie further apart
HealpixOrder = Literal["ring", "nested"]
NEAR = 2e-3  # [degrees]
_LEAST_IN_ROW = 4  # no reduced grid has fewer; points whose latitudes meet by chance do


@functools.lru_cache(maxsize=8)
def gaussian_rows(num_rows: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Latitudes [degrees north] of Gaussian rows, north to south, and their quadrature weights, whose sum is 2."""
    from scipy.special import roots_legendre

    nodes, weights = roots_legendre(num_rows)
    return np.rad2deg(np.arcsin(nodes[::-1])), weights[::-1]


def gaussian_number(latitude: NDArray[np.float64]) -> int | None:
    """N of the Gaussian grid whose 2N rows, or neighbours among them, have these latitudes; None where even spacing fits as well."""
    if latitude.size < 2:
        return None
    southward = latitude if latitude[0] > latitude[-1] else latitude[::-1]
    spacing = float(np.abs(np.diff(southward)).mean())
    for number in sorted({max(1, round(90.0 / spacing) + k) for k in (-1, 0, 1)}):
        rows = gaussian_rows(2 * number)[0]
        first = int(np.abs(rows - southward[0]).argmin())
        near = rows[first : first + southward.size]
        if near.size != southward.size:
            continue
        strays, even = (float(np.abs(southward - other).max()) for other in (near, np.linspace(southward[0], southward[-1], southward.size)))  # fmt: skip
        if strays <= min(NEAR, even):
            return number
    return None


def octahedral(n: int) -> Grid:
    """The octahedral reduced Gaussian grid O`n`: row i from a pole has 4i + 16 points, 4n(n + 9) in all."""
    half = 4 * np.arange(1, n + 1) + 16
    return reduced_gaussian(np.concatenate([half, half[::-1]]))


def healpix(side: int, order: HealpixOrder = "ring") -> Grid:
    """The HEALPix grid of 12·side² cells of one area, in rings from north to south, or nested.

    Ring i of a polar cap has 4i points at sin φ = 1 − i²/(3·side²), from half a spacing on; those between have
    4·side points at sin φ = 2(2·side − i)/(3·side), from half a spacing on in every other one. Nested, the cells of each of
    twelve faces come one after the other, four neighbours together, four of these together, and so on.

    Raises:
        DataError: nested with a side that is no power of two.

    Reference: K. M. Górski et al. (2005), doi 10.1086/427976.
    """
    ring = np.arange(1, 4 * side)
    mirrored = np.minimum(ring, 4 * side - ring)
    in_cap = mirrored < side
    counts = 4 * np.minimum(mirrored, side)
    of_cap = np.sign(2 * side - ring) * (1 - mirrored**2 / (3 * side**2))
    sine = np.where(in_cap, of_cap, 2 * (2 * side - ring) / (3 * side))
    shift = np.where(in_cap | ((ring - side) % 2 == 0), 0.5, 0.0)
    longitude = np.concatenate([(np.arange(n) + s) * (360.0 / n) for n, s in zip(counts.tolist(), shift, strict=True)])
    areas = np.full(longitude.size, 4 * np.pi * EARTH_RADIUS**2 / longitude.size)
    latitude, name = np.repeat(np.rad2deg(np.arcsin(sine)), counts), f"HEALPix {side} {order}"
    if order == "ring":
        return Grid.points(latitude, longitude, areas, name=name)
    places = _nested_in_rings(side)
    return Grid.points(latitude[places], longitude[places], areas, name=name)


def _nested_in_rings(side: int) -> NDArray[np.int64]:
    """Where the cells of the nested order stand in that of the rings."""
    if side & (side - 1):
        raise DataError(f"HEALPix {side} nested: expected a power of two")
    cell = np.arange(side * side)
    # every other bit counts along one side of the face, the others along the other
    bits = np.arange(max(1, side.bit_length()))
    x, y = ((((cell[:, None] >> (2 * bits + turn)) & 1) << bits).sum(1) for turn in (0, 1))
    face = np.arange(12)
    ring = ((face // 4 + 2) * side)[:, None] - x - y - 1
    row = np.minimum(np.minimum(ring, 4 * side - ring), side)
    before = np.where(
        ring < side,
        2 * row * (row - 1),
        np.where(ring > 3 * side, 12 * side**2 - 2 * row * (row + 1), 2 * side * (side - 1) + (ring - side) * 4 * side),
    )
    shift = np.where((ring >= side) & (ring <= 3 * side), (ring - side) & 1, 0)
    first = np.where(face // 4 == 1, 2 * (face % 4), 2 * (face % 4) + 1)[:, None]
    along = (first * row + x - y + 1 + shift) // 2
    return np.asarray(before + (along - 1) % (4 * row)).ravel()


def reduced_gaussian(counts: NDArray[np.int64], name: str = "") -> Grid:
    """The reduced Gaussian grid of so many points on every row, both hemispheres."""
    latitude, weights = gaussian_rows(counts.size)
    return of_rows(latitude, counts, 2 * np.pi * EARTH_RADIUS**2 * weights, name or _gaussian_name(counts))


def of_rows(latitude: NDArray[np.float64], counts: NDArray[np.int64], bands: NDArray[np.float64], name: str) -> Grid:
    """The grid of equally spaced points from longitude 0 on every row; `bands` are the areas of the rows [m²]."""
    longitude = np.concatenate([np.arange(n) * (360.0 / n) for n in counts.tolist()])
    areas = np.repeat(bands / counts, counts)
    return Grid.points(np.repeat(latitude, counts), longitude, areas, tuple(counts.tolist()), name)


def _gaussian_name(counts: NDArray[np.int64]) -> str:
    n = counts.size // 2
    half = 4 * np.arange(1, n + 1) + 16
    is_octahedral = counts.size == 2 * n and np.array_equal(counts, np.concatenate([half, half[::-1]]))
    return f"{'O' if is_octahedral else 'N'}{n}"


def gaussian_of(latitude: NDArray[np.float64], longitude: NDArray[np.float64]) -> Grid | None:
    """The reduced Gaussian grid of which these are the points, in its order; None where they are of none."""
    ends = np.flatnonzero(np.append(np.abs(np.diff(latitude)) > NEAR, True))
    counts = np.diff(np.concatenate([[-1], ends]))
    if counts.size < 4 or counts.size % 2 or np.unique(counts).size < 2 or counts.min() < _LEAST_IN_ROW:
        return None
    if np.abs(latitude[ends] - gaussian_rows(counts.size)[0]).max() > NEAR:
        return None
    grid = reduced_gaussian(counts)
    return grid if stands_at(grid, latitude, longitude) else None


def healpix_of(latitude: NDArray[np.float64], longitude: NDArray[np.float64]) -> Grid | None:
    """The HEALPix grid of which these are the points, in its order; None where they are of none."""
    side = round((latitude.size / 12) ** 0.5)
    if 12 * side**2 != latitude.size:
        return None
    orders: tuple[HealpixOrder, ...] = ("ring",) if side & (side - 1) else ("ring", "nested")
    grids = (healpix(side, order) for order in orders)
    return next((grid for grid in grids if stands_at(grid, latitude, longitude)), None)


def stands_at(grid: Grid, latitude: NDArray[np.float64], longitude: NDArray[np.float64]) -> bool:
    """Whether the points of a grid are these, in their order, as exactly as GRIB tells places."""
    beside = np.abs((grid.longitude[0] - longitude + 180.0) % 360.0 - 180.0)
    return bool(np.abs(grid.latitude[0] - latitude).max() <= NEAR and beside.max() <= 2 * NEAR)

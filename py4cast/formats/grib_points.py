"""Grids of points in GRIB: reduced Gaussian and other reduced grids and HEALPix, read and written again.

Reference: K. M. Górski et al. (2005), doi 10.1086/427976 (HEALPix).
"""

import logging
from pathlib import Path
from typing import Any

import eccodes
import numpy as np
from numpy.typing import NDArray

from py4cast.edges import row_edges
from py4cast.errors import DataError
from py4cast.formats.grib_keys import get_key
from py4cast.formats.icon_grid import UUID, icon_grid, uuid_of, write_grid_file
from py4cast.formats.reduced import (
    NEAR,
    HealpixOrder,
    gaussian_of,
    gaussian_rows,
    healpix,
    healpix_of,
    of_rows,
    reduced_gaussian,
    stands_at,
)
from py4cast.grid import EARTH_RADIUS, Grid

__all__ = ["POINT_TYPES", "mark_of", "points_of", "set_points", "write_coordinates"]

logger = logging.getLogger(__name__)

_ORDERS: dict[str, HealpixOrder] = {"ring": "ring", "0": "ring", "nested": "nested", "1": "nested"}
POINT_TYPES = ("reduced_gg", "reduced_ll", "healpix", "unstructured_grid")


def mark_of(handle: int) -> str:
    """What tells grids of points apart that are alike in the keys of rectangles; empty for rectangles."""
    kind = get_key(handle, "gridType", str)
    if kind not in POINT_TYPES:
        return ""
    keys = ("numberOfDataPoints", "N", "Nside", "orderingConvention", "uuidOfHGrid", "numberOfGridUsed")
    rows = eccodes.codes_get_array(handle, "pl").tolist() if str(kind).startswith("reduced") else []
    return repr([get_key(handle, key) for key in keys] + rows)


def points_of(handle: int, path: Path) -> Grid:
    """The grid of points of a message.

    Raises:
        DataError: a grid of which a part lacks, or whose coordinates stand in a file of their own.
    """
    kind = str(get_key(handle, "gridType", str))
    if kind == "unstructured_grid":
        mark = str(get_key(handle, "uuidOfHGrid", str) or "").replace("-", "").lower()
        return icon_grid(path, mark, int(get_key(handle, "numberOfDataPoints", int) or 0))
    if any(get_key(handle, key, int) for key in ("iScansNegatively", "jScansPositively", "jPointsAreConsecutive")):
        raise DataError(f"{path}: a grid of type {kind} whose rows do not run eastward from north to south")
    latitude = np.asarray(eccodes.codes_get_array(handle, "latitudes"), dtype=np.float64)
    longitude = np.asarray(eccodes.codes_get_array(handle, "longitudes"), dtype=np.float64)
    if kind == "healpix":
        return _healpix(handle, latitude, longitude, path)
    counts = np.asarray(eccodes.codes_get_array(handle, "pl"), dtype=np.int64)
    if counts.sum() != latitude.size or (counts < 0).any():
        raise DataError(
            f"{path}: a grid of type {kind} of {latitude.size} points, whose {counts.size} rows hold {counts.sum()}; expected a whole globe, with as many"
        )
    if kind == "reduced_ll":
        return _checked(_even_rows(handle, counts, latitude, path), latitude, longitude, path)
    n = int(get_key(handle, "N", int) or 0)
    rows = latitude[np.cumsum(counts) - 1] if counts.all() else np.zeros(0)
    if n < 1 or rows.size != 2 * n or np.abs(rows - gaussian_rows(2 * n)[0]).max() > NEAR:
        raise DataError(
            f"{path}: {np.count_nonzero(counts)} of the {2 * n} rows of a reduced Gaussian grid; expected a whole globe"
        )
    return _checked(reduced_gaussian(counts), latitude, longitude, path)


def _even_rows(handle: int, counts: NDArray[np.int64], latitude: NDArray[np.float64], path: Path) -> Grid:
    """The grid of rows at even latitudes, of which some may be empty, as wave models leave out those near the poles."""
    first, last = (
        float(get_key(handle, f"latitudeOf{end}GridPointInDegrees", float) or 0.0) for end in ("First", "Last")
    )
    rows, is_full = np.linspace(first, last, counts.size), counts > 0
    if np.abs(np.repeat(rows, counts) - latitude).max(initial=0.0) > NEAR:
        raise DataError(
            f"{path}: a grid of type reduced_ll whose {counts.size} rows do not run evenly from {first:g} to {last:g} N"
        )
    bands = 2 * np.pi * EARTH_RADIUS**2 * -np.diff(np.sin(np.deg2rad(row_edges(rows, is_round=True))))
    return of_rows(rows[is_full], counts[is_full], bands[is_full], f"reduced {counts.size} rows")


def _healpix(handle: int, latitude: NDArray[np.float64], longitude: NDArray[np.float64], path: Path) -> Grid:
    side = int(get_key(handle, "Nside", int) or 0)
    said = str(get_key(handle, "orderingConvention", str) or "ring").lower()
    order = _ORDERS.get(said)
    if order is None:
        raise DataError(f"{path}: HEALPix in the order {said!r}; expected ring or nested")
    if latitude.size != 12 * side**2:
        raise DataError(
            f"{path}: {latitude.size} of the {12 * side**2} cells of HEALPix {side}; expected a whole globe"
        )
    grid = healpix(side, order)
    if not stands_at(grid, latitude, longitude):
        raise DataError(f"{path}: HEALPix whose first cell does not stand at 45 degrees east")
    return grid


def _checked(grid: Grid, latitude: NDArray[np.float64], longitude: NDArray[np.float64], path: Path) -> Grid:
    """The grid, where its rows are those of the file."""
    if not stands_at(grid, latitude, longitude):
        raise DataError(
            f"{path}: a reduced grid whose rows are no whole circles from longitude 0; expected a whole globe"
        )
    return grid


def set_points(handle: int, grid: Grid) -> None:
    """Describes a grid of points in a message; one without a template of its own by its mark, whose coordinates then stand in a file."""
    gaussian = None if UUID in grid.projection else gaussian_of(grid.latitude[0], grid.longitude[0])
    is_marked = gaussian is not None or UUID in grid.projection
    cells = None if is_marked else healpix_of(grid.latitude[0], grid.longitude[0])
    if cells is not None:
        _set_healpix(handle, cells)
        return
    if gaussian is None:
        eccodes.codes_set(handle, "gridDefinitionTemplateNumber", 101)
        eccodes.codes_set(handle, "numberOfDataPoints", grid.shape[1])
        eccodes.codes_set(handle, "uuidOfHGrid", uuid_of(grid))
        return
    counts, latitude = np.asarray(gaussian.rows), gaussian.latitude[0]
    n = counts.size // 2
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


def _set_healpix(handle: int, grid: Grid) -> None:
    _, side, order = grid.name.split()
    eccodes.codes_set(handle, "gridType", "healpix")
    eccodes.codes_set(handle, "Nside", int(side))
    eccodes.codes_set(handle, "orderingConvention", order)
    eccodes.codes_set(handle, "longitudeOfFirstGridPointInDegrees", 45.0)


def write_coordinates(folder: Path, grid: Grid, handle: int) -> None:
    """Writes the coordinates of a grid beside its fields where a message of it has but a mark of them."""
    if get_key(handle, "gridType", str) == "unstructured_grid":
        path = write_grid_file(folder, grid)
        logger.info("GRIB has no template for %s: its coordinates are in %s", grid.describe(), path)

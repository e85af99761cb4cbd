"""Stretched grids: a region's cells and those of the globe round it as one grid of points.

The region's cells all stay, and of each further grid those that lie on none before it and no nearer to it than asked for.

Reference: T. Nipen et al. (2024), Regional data-driven weather modeling with a global stretched-grid, arXiv 2409.02891.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from py4cast.areas import part_cells
from py4cast.errors import DataError
from py4cast.grid import EARTH_RADIUS, Grid, GridPart
from py4cast.polygons import nearest_angles
from py4cast.regrid import Regridder

__all__ = ["part_of", "stretched"]


def stretched(grids: Sequence[Grid], min_distance_km: float) -> tuple[Grid, list[NDArray[np.int64]]]:
    """The points of all grids, the first whole, and which cells of each they are, by number, row by row.

    Parts are called `region`, `region_2`, … and, the last, `globe`.

    Args:
        grids: from the inner to the outer one.
        min_distance_km: how near a cell may stand to one of a grid before its own [km].

    Raises:
        DataError: a grid that the next one does not cover, or of which no cell is left.
    """
    cells: list[NDArray[np.int64]] = []
    for number, grid in enumerate(grids):
        everywhere = grid.xyz().reshape(-1, 3)
        is_free = np.ones(len(everywhere), dtype=bool)
        places = _as_points(grid)
        for inner, chosen in zip(grids[:number], cells, strict=True):
            if not Regridder(grid, _as_points(inner), "nearest").covered.all():
                raise DataError(f"cutout: {grid.describe()} does not cover {inner.describe()}")
            is_free &= ~_on(inner, places)
            is_free &= (
                EARTH_RADIUS * nearest_angles(inner.xyz().reshape(-1, 3)[chosen], everywhere) >= 1000 * min_distance_km
            )
        if not is_free.any():
            raise DataError(f"cutout: no cell of {grid.describe()} lies outside the sources before it")
        cells.append(np.flatnonzero(is_free))
    names = ["region", *(f"region_{k}" for k in range(2, len(grids))), "globe"][-len(grids) :]
    parts = [
        GridPart(
            name, chosen.size, grid.shape if grid.is_rectangular and chosen.size == grid.xyz()[..., 0].size else None
        )
        for name, grid, chosen in zip(names, grids, cells, strict=True)
    ]
    latitude, longitude = (
        np.concatenate([axis.ravel()[chosen] for axis, chosen in zip(axes, cells, strict=True)])
        for axes in ([g.latitude_2d() for g in grids], [g.longitude_2d() for g in grids])
    )
    whole = Grid.points(latitude, longitude, name=" in ".join(g.name for g in grids if g.name))
    return Grid(whole.latitude, whole.longitude, name=whole.name, areas=whole.areas, parts=tuple(parts)), cells


def part_of(grid: Grid, name: str) -> tuple[slice, Grid]:
    """The cells of a part, and its grid: the rectangle that it was, or points.

    Raises:
        SettingsError: no such part.
    """
    cells = part_cells(grid, name)
    part = next(part for part in grid.parts if part.name == name)
    latitude, longitude = grid.latitude[0, cells], grid.longitude[0, cells]
    if part.shape is None:
        areas = grid.cell_areas()[0, cells]
        return cells, Grid.points(latitude, longitude, areas, name=f"{grid.name} {name}".strip())
    lat, lon = latitude.reshape(part.shape), longitude.reshape(part.shape)
    if np.ptp(lat, axis=1).max() < 1e-9 and np.ptp(lon, axis=0).max() < 1e-9:
        return cells, Grid(lat[:, 0], lon[0], name=f"{grid.name} {name}".strip())
    return cells, Grid(lat, lon, name=f"{grid.name} {name}".strip())


def _as_points(grid: Grid) -> Grid:
    """The cells' places alone, whose areas nobody asks for."""
    latitude, longitude = grid.latitude_2d().reshape(1, -1), grid.longitude_2d().reshape(1, -1)
    return Grid(latitude, longitude)


def _on(grid: Grid, places: Grid) -> NDArray[np.bool_]:
    """Which places lie on the cells of a grid."""
    try:
        return np.asarray(Regridder(grid, places, "linear").covered.ravel())
    except DataError:
        return np.zeros(places.shape[1], dtype=bool)

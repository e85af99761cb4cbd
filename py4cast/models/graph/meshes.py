"""Which mesh stands over which grid: rows and columns over a map, icosahedra or even grids round the globe, icosahedra
that are refined again where points crowd.
"""

from math import sqrt

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from py4cast.errors import SettingsError
from py4cast.formats.reduced import healpix, octahedral
from py4cast.grid import EARTH_RADIUS, Grid
from py4cast.models.graph.geometry import Geometry
from py4cast.models.graph.mesh import Level, icosahedral_mesh, integer_log, rectangular_mesh, spacing_in_step
from py4cast.models.graph.settings import MeshSettings
from py4cast.models.graph.triangulated import stretched_icosahedra, triangulated_mesh

__all__ = ["is_even_globe", "mesh_over"]

ROUND = ("icosahedral", "octahedral", "healpix")
_EVEN = 4.0  # how many times as large as small ones large cells of an even grid are
_COARSER = 1.5  # how many times as many nodes the finer of two levels has


def mesh_over(grid: Grid, geometry: Geometry, settings: MeshSettings) -> list[Level]:
    """The levels of the mesh that the settings ask for.

    Raises:
        SettingsError: no such mesh stands over the grid.
    """
    rows, columns = grid.shape
    if not grid.is_rectangular:
        return _of_points(grid, settings)
    if settings.mesh in ROUND or (settings.mesh == "auto" and grid.is_periodic):
        if not grid.is_periodic:
            raise SettingsError(
                f"mesh {settings.mesh!r} is for grids round the globe; expected 'rectangular' on this one"
            )
        return _global(grid, settings)
    if grid.is_periodic:
        raise SettingsError(
            f"mesh {settings.mesh!r} would have a seam on a grid round the globe; expected 'icosahedral'"
        )
    if max(rows, columns) < 9 or min(rows, columns) < 2:
        raise SettingsError(f"a grid of {rows} x {columns} cells is too small for a mesh; expected at least 2 x 9")
    if settings.mesh == "neural_lam":
        # the original's count of levels, rounding of the logarithm included
        depth = int(np.log(max(rows, columns)) / np.log(3))
        counts, available = (3 ** (depth - 1), 3 ** (depth - 1)), depth - 1
        box = (rows - 1) / counts[0], (columns - 1) / counts[1]
        return rectangular_mesh(geometry, counts, _levels(grid, settings, available), box, radius_factor=0.67)
    counts, available = _counts(grid, geometry, settings)
    box = spacing_in_step(rows, counts[0]), spacing_in_step(columns, counts[1])
    return rectangular_mesh(geometry, counts, _levels(grid, settings, available), box)


def _of_points(grid: Grid, settings: MeshSettings) -> list[Level]:
    """The mesh of points: round the globe, refined where they crowd, or over the region where they are."""
    if settings.mesh not in ("auto", *ROUND):
        raise SettingsError(
            f"mesh {settings.mesh!r} stands in rows and columns; points have none: expected 'icosahedral'"
        )
    if is_even_globe(grid):
        return _global(grid, settings)
    if settings.mesh in ("octahedral", "healpix"):
        raise SettingsError(
            f"mesh {settings.mesh!r} is even round the globe; these points are not: expected 'icosahedral'"
        )
    return _stretched(grid, settings)


def is_even_globe(grid: Grid) -> bool:
    """Whether the cells go round the globe, and points among them are nearly of one size."""
    if grid.is_rectangular:
        return grid.is_periodic
    areas = grid.cell_areas()[0]
    small, large = np.quantile(areas, [0.05, 0.95])
    is_global = 0.95 < areas.sum() / (4 * np.pi * EARTH_RADIUS**2) < 1.05
    return bool(is_global and large < _EVEN * small)


def _global(grid: Grid, settings: MeshSettings) -> list[Level]:
    """An even mesh round the globe, of the kind that the settings name."""
    if settings.mesh not in ("octahedral", "healpix"):
        return _icosahedral(grid, settings)
    num_nodes = grid.shape[0] * grid.shape[1] / (settings.mesh_spacing or 3.0) ** 2
    # 4n(n + 9) nodes, or 12n²
    n = int((sqrt(81 + num_nodes) - 9) / 2 if settings.mesh == "octahedral" else sqrt(num_nodes / 12))
    if n < 1:
        raise SettingsError(f"{grid.describe()}: too few cells for mesh {settings.mesh!r}; expected a smaller mesh_spacing")  # fmt: skip
    sizes = [n // 2**k for k in range(integer_log(n, 2) + 1)]
    kind = octahedral if settings.mesh == "octahedral" else healpix
    sizes = sizes[: _levels(grid, settings, len(sizes))]
    return triangulated_mesh([kind(size).xyz()[0] for size in sizes])


def _stretched(grid: Grid, settings: MeshSettings) -> list[Level]:
    """Icosahedra that are refined again where the points crowd; of nodes far from any point none is kept."""
    per_node = (settings.mesh_spacing or 3.0) ** 2
    cells = grid.xyz()[0]
    if len(cells) < 4 * per_node:
        raise SettingsError(f"{len(cells)} points are too few for a mesh; expected at least {int(4 * per_node)}")
    refined = stretched_icosahedra(cells, grid.cell_areas()[0] / EARTH_RADIUS**2, per_node)
    sets = refined[:1]
    for nodes in refined[1:]:
        # a level of hardly fewer nodes adds edges of the same lengths
        if _COARSER * len(nodes) <= len(sets[-1]):
            sets.append(nodes)
    levels = triangulated_mesh(sets[: _levels(grid, settings, len(sets))])
    return _near(levels, EARTH_RADIUS * cells)


def _near(levels: list[Level], cells: NDArray[np.float64]) -> list[Level]:
    """The levels without the nodes that would hear no cell, nor be a parent of one that does."""
    distance = cKDTree(cells).query(levels[0].points)[0]
    kept = distance <= levels[0].radius
    masks = [kept]
    for level in levels[:-1]:
        children, parents = level.parents
        kept = np.zeros(len(levels[len(masks)].points), bool)
        kept[parents[masks[-1][children]]] = True
        masks.append(kept)
    numbers = [np.where(mask, np.cumsum(mask) - 1, -1) for mask in masks]
    result = []
    for k, (level, mask) in enumerate(zip(levels, masks, strict=True)):
        edges = numbers[k][level.edges]
        parents = level.parents
        if parents.size:
            parents = np.stack([numbers[k][parents[0]], numbers[k + 1][parents[1]]])
            parents = parents[:, (parents >= 0).all(0)]
        twins = numbers[k - 1][level.twins[mask]] if k else level.twins
        result.append(Level(level.points[mask], edges[:, (edges >= 0).all(0)], level.radius[mask], parents, twins))
    return result


def _counts(grid: Grid, geometry: Geometry, settings: MeshSettings) -> tuple[tuple[int, int], int]:
    """Nodes along rows and columns of the finest level, at one spacing on both, and how many levels they allow."""
    extent = [(n - 1) * d for n, d in zip(grid.shape, geometry.spacing, strict=True)]
    long = int(np.argmax(extent))
    if settings.mesh_spacing is None:
        on_long = float(3 ** (integer_log(max(grid.shape), 3) - 1))
    else:
        on_long = max(3.0, grid.shape[long] / settings.mesh_spacing)
    on_short = max(1.0, on_long * extent[1 - long] / extent[long])
    available = max(1, min(integer_log(int(on_long), 3), 1 + integer_log(round(on_short), 3)))
    block = 3 ** (_levels(grid, settings, available) - 1)
    counts = [max(1, round(n / block)) * block for n in (on_long, on_short)]
    return (counts[long], counts[1 - long]), available


def _levels(grid: Grid, settings: MeshSettings, available: int) -> int:
    asked = settings.mesh_levels
    if asked is not None and asked > available:
        raise SettingsError(
            f"mesh_levels {asked}: the grid of {grid.shape[0]} x {grid.shape[1]} cells carries {available} at this spacing"
        )
    return asked or available


def _icosahedral(grid: Grid, settings: MeshSettings) -> list[Level]:
    """Refined until a node has some nine cells (or the spacing asked for, squared)."""
    cells, per_node = grid.shape[0] * grid.shape[1], (settings.mesh_spacing or 3.0) ** 2
    if cells < 12 * per_node:
        raise SettingsError(
            f"a grid of {grid.shape[0]} x {grid.shape[1]} cells is too small for an icosahedral mesh; expected at least "
            f"{int(12 * per_node)} cells"
        )
    refinements = integer_log(int(cells / per_node / 10), 4)
    return icosahedral_mesh(refinements, _levels(grid, settings, refinements + 1))

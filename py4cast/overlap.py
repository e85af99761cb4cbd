"""Overlaps of the cells of two grids on the sphere: what a conservative mean is made of.

Cells that are boxes of latitude and longitude (regular grids, rows of reduced ones) overlap in boxes,

    a = R²·(sin φ₂ − sin φ₁)·(λ₂ − λ₁),

with the rows of a reduced Gaussian grid as high as their quadrature weights say. All other cells are polygons of great
circles: the quadrilaterals of a map's cells, the Voronoi cells of points. One is cut by the sides of the other, and what is
left has the area of its triangles.

References: P. W. Jones (1999), doi 10.1175/1520-0493(1999)127<2204:FASOCR>2.0.CO;2.
"""

import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from py4cast.edges import edges_of
from py4cast.errors import SettingsError
from py4cast.grid import Grid
from py4cast.polygons import cut_areas, polygon_areas, voronoi_cells
from py4cast.triangulation import distinct

__all__ = ["overlap_areas"]

Array = NDArray[np.float64]
_PAIRS = 50_000  # at once
_LEAST = 1e-9  # of a cell: what is less is rounding


def overlap_areas(source: Grid, target: Grid) -> Any:
    """Areas that cells share, on the unit sphere: a sparse matrix `(target cells, source cells)`.

    Where both grids cover the globe, its rows and columns sum to the cells' areas.

    Raises:
        SettingsError: a doubly periodic plane, whose cells are nowhere on the sphere.
    """
    if source.is_plane or target.is_plane:
        raise SettingsError('regrid "mean": a doubly periodic plane is nowhere on the globe; use linear')
    if _has_boxes(source) and _has_boxes(target):
        return _of_boxes(source, target)
    return _of_polygons(source, target)


def _sparse(values: Array, rows: NDArray[Any], columns: NDArray[Any], shape: tuple[int, int]) -> Any:
    from scipy.sparse import csr_array

    return csr_array((values, (rows, columns)), shape=shape)


def _has_boxes(grid: Grid) -> bool:
    return not grid.is_projected or grid.rows is not None


def _rows_of(grid: Grid) -> list[tuple[float, float, Array, int]]:
    """Of every row: the sines of its edges, the longitudes of its cells' edges [degrees], and its first cell."""
    if grid.rows is None:
        edges = np.sin(np.deg2rad(grid.row_edges()))
        longitudes = edges_of(np.unwrap(grid.longitude, period=360.0))
        longitudes = longitudes if longitudes[-1] > longitudes[0] else longitudes[::-1]
        pairs = enumerate(itertools.pairwise(edges.tolist()))
        return [(min(pair), max(pair), longitudes, k * grid.longitude.size) for k, pair in pairs]
    firsts = np.cumsum((0, *grid.rows[:-1]))
    # a row is as high as its cells are large: the sum of all is the sphere
    heights = [grid.cell_areas()[0, f] * n for f, n in zip(firsts, grid.rows, strict=True)]
    ends = np.concatenate([[0.0], np.cumsum(heights)]) * 2 / np.sum(heights)
    sines = 1 - ends if grid.latitude[0, 0] > grid.latitude[0, -1] else ends - 1
    rows: list[tuple[float, float, Array, int]] = []
    for (a, b), first, count in zip(itertools.pairwise(sines), firsts, grid.rows, strict=True):
        width = 360.0 / count
        start = float(grid.longitude[0, first]) - width / 2
        rows.append(
            (float(min(a, b)), float(max(a, b)), np.asarray(start + width * np.arange(count + 1.0)), int(first))
        )
    return rows


def _of_boxes(source: Grid, target: Grid) -> Any:
    sources, rows, columns, values = _rows_of(source), [], [], []
    southern, northern = (np.array([row[k] for row in sources]) for k in (0, 1))
    is_descending = {id(g): not g.is_projected and np.unwrap(g.longitude, period=360.0)[-1] < g.longitude[0] for g in (source, target)}  # fmt: skip
    for low, high, longitudes, first in _rows_of(target):
        shared = np.minimum(northern, high) - np.maximum(southern, low)
        for k in np.flatnonzero(shared > 1e-15):
            _, _, others, other_first = sources[k]
            i, j, width = _intervals(longitudes, others)
            i = longitudes.size - 2 - i if is_descending[id(target)] else i
            j = others.size - 2 - j if is_descending[id(source)] else j
            rows.append(first + i)
            columns.append(other_first + j)
            values.append(shared[k] * np.deg2rad(width))
    shape = (int(np.prod(target.shape)), int(np.prod(source.shape)))
    if not values:
        return _sparse(np.zeros(0), np.zeros(0, int), np.zeros(0, int), shape)
    return _sparse(np.concatenate(values), np.concatenate(rows), np.concatenate(columns), shape)


def _intervals(wanted: Array, given: Array) -> tuple[NDArray[np.int64], NDArray[np.int64], Array]:
    """Which intervals of two rows of rising edges meet on the circle, and how widely [degrees]."""
    pairs = []
    turns = np.arange(np.floor((wanted[0] - given[-1]) / 360), np.ceil((wanted[-1] - given[0]) / 360) + 1)
    for shift in 360.0 * turns:
        edges = np.unique(np.concatenate([wanted, given + shift]))
        middles, widths = (edges[1:] + edges[:-1]) / 2, np.diff(edges)
        i, j = np.searchsorted(wanted, middles) - 1, np.searchsorted(given + shift, middles) - 1
        meets = (i >= 0) & (i < wanted.size - 1) & (j >= 0) & (j < given.size - 1) & (widths > 1e-10)
        pairs.append((i[meets], j[meets], widths[meets]))
    i, j, width = (np.concatenate(parts) for parts in zip(*pairs, strict=True))
    return i.astype(np.int64), j.astype(np.int64), np.asarray(width)


# Polygons ----------------------------------------------------------------------------------------------


def _of_polygons(source: Grid, target: Grid) -> Any:
    (ours, our_centres, of_ours), (theirs, their_centres, of_theirs) = (_polygons(grid) for grid in (target, source))
    areas = _shared_areas(ours, theirs, (our_centres, their_centres))
    # points at one place, as a row at a pole is, share its cell
    return of_ours @ areas @ of_theirs.T


def _shared_areas(ours: Array, theirs: Array, centres: tuple[Array, Array]) -> Any:
    """What polygons around these centres share, `(ours, theirs)`."""
    from scipy.spatial import cKDTree

    reach = [np.linalg.norm(p - c[:, None], axis=2).max(1) for p, c in zip((ours, theirs), centres, strict=True)]
    near = cKDTree(centres[1]).query_ball_point(centres[0], np.minimum(reach[0] + reach[1].max(), 2.0))
    t = np.repeat(np.arange(len(near)), [len(n) for n in near])
    s = np.concatenate(near).astype(np.int64) if t.size else t
    is_near = np.linalg.norm(centres[0][t] - centres[1][s], axis=1) <= reach[0][t] + reach[1][s]
    t, s = t[is_near], s[is_near]
    values, our_sides, their_sides = np.zeros(t.size), _num_sides(ours)[t], _num_sides(theirs)[s]
    for pairs in _alike(our_sides, their_sides):
        most = int(our_sides[pairs].max()), int(their_sides[pairs].max())
        values[pairs] = cut_areas(ours[t[pairs], : most[0]], theirs[s[pairs], : most[1]])
    kept = values > _LEAST * polygon_areas(ours)[t]
    return _sparse(values[kept], t[kept], s[kept], (len(ours), len(theirs)))


def _num_sides(polygons: Array) -> NDArray[np.int64]:
    """How many corners of each are no repeats of the last one, and that one once more."""
    is_other = np.any(polygons[:, ::-1] != polygons[:, -1:], axis=2)
    return np.asarray(polygons.shape[1] - np.argmax(is_other, axis=1) + 1)


def _alike(our_sides: NDArray[np.int64], their_sides: NDArray[np.int64]) -> Iterator[NDArray[np.int64]]:
    """Pairs that are cut at once, of about as many sides: a few cells of a stretched grid have a hundred."""
    classes = np.ceil(np.log2(our_sides)) * 64 + np.ceil(np.log2(their_sides))
    for one in np.unique(classes):
        pairs = np.flatnonzero(classes == one)
        for first in range(0, pairs.size, _PAIRS):
            yield pairs[first : first + _PAIRS]


def _polygons(grid: Grid) -> tuple[Array, Array, Any]:
    """The cell of every place: its corners, counter-clockwise from outside, `(places, corners, 3)`, the last one repeated, and its centre.

    With them comes the share of it that each cell of the grid has, `(cells, places)`.
    """
    if not grid.is_rectangular:
        points = grid.xyz()[0]
        first, place = distinct(points)
        shares = 1.0 / np.bincount(place)[place]
        of_places = _sparse(shares, np.arange(place.size), place, (place.size, first.size))
        return voronoi_cells(points[first]), points[first], of_places
    corners = _corners(grid)
    quads = np.stack([corners[:-1, :-1], corners[:-1, 1:], corners[1:, 1:], corners[1:, :-1]], axis=2).reshape(-1, 4, 3)
    turns_left = polygon_areas(quads) < 0
    quads[turns_left] = quads[turns_left, ::-1]
    every = np.arange(len(quads))
    return quads, grid.xyz().reshape(-1, 3), _sparse(np.ones(len(quads)), every, every, (len(quads), len(quads)))


def _corners(grid: Grid) -> Array:
    """Unit vectors to where four cells meet, those of the sides as far out as inside, `(lat + 1, lon + 1, 3)`."""
    if not grid.is_projected:
        lat, lon = grid.row_edges(), edges_of(np.unwrap(grid.longitude, period=360.0))
        phi, lam = np.deg2rad(lat)[:, None], np.deg2rad(lon)[None]
        return np.stack(np.broadcast_arrays(np.cos(phi) * np.cos(lam), np.cos(phi) * np.sin(lam), np.sin(phi)), axis=-1)
    r = grid.xyz()
    for axis in (0, 1):
        r = np.moveaxis(r, axis, 0)
        first, last = (2 * r[0] - r[1], 2 * r[-1] - r[-2]) if len(r) > 1 else (r[0], r[0])
        r = np.concatenate([first[None], r, last[None]])
        r = np.moveaxis((r[1:] + r[:-1]) / 2, 0, axis)
    return np.asarray(r / np.linalg.norm(r, axis=-1, keepdims=True))

"""Polygons of great circles: Voronoi cells (what is nearer to one point than to any other), what two share, their areas.

References: J. M. Augenbaum, C. S. Peskin (1985), doi 10.1016/0021-9991(85)90140-8 (the diagram); A. van Oosterom,
J. Strackee (1983), doi 10.1109/TBME.1983.325207 (the area of a triangle); I. E. Sutherland, G. W. Hodgman (1974), doi
10.1145/360767.360802 (cutting).
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "NoCells",
    "covers_sphere",
    "cut",
    "cut_areas",
    "mean_nearest",
    "nearest_angles",
    "polygon_areas",
    "side_points",
    "voronoi_areas",
    "voronoi_cells",
]

Array = NDArray[np.float64]
_REACH = 1.06  # spacings: more than half a diagonal of squares
# of the spacing at all three corners of a triangle, or at most of them where one beside it is beyond: how wide its circle is
_FAR_WIDER, _WIDER = 5.0, 1.1
# of the usual circle round a triangle, where circles are alike: wider ones close a hole
_EVEN_WIDER, _EVEN = 1.5, 1.3
_NEARER = 0.3  # share of the neighbours that tells the spacing, since those across a gap are neighbours too


class NoCells(ValueError):
    """Raised where points have no cells: fewer than four of them, or all on one circle."""


def voronoi_cells(points: Array) -> Array:
    """The corners of every point's cell, counter-clockwise from outside, `(points, corners, 3)`, the last one repeated.

    Cells at the sides of a region, and of large holes in it, end about half a spacing beyond their points.

    Args:
        points: unit vectors, `(points, 3)`.

    Raises:
        NoCells: fewer than four points, or points on one circle.
        ValueError: several points at one place.
    """
    from scipy.spatial import QhullError, SphericalVoronoi

    try:
        guards = _guards(points)
    except QhullError as error:
        raise NoCells(str(error).strip().splitlines()[0]) from None
    generators = np.concatenate([points, guards])
    try:
        diagram = SphericalVoronoi(generators)
    except ValueError as error:
        if len(generators) < 4 or np.linalg.matrix_rank(generators - generators[0], tol=1e-6) < 3:
            raise NoCells(str(error)) from None
        raise
    diagram.sort_vertices_of_regions()
    regions = diagram.regions[: len(points)]
    most = max(len(region) for region in regions)
    cells = np.asarray(diagram.vertices[np.array([region + [region[-1]] * (most - len(region)) for region in regions])])
    for k in np.flatnonzero(polygon_areas(cells) < 0):
        backward = regions[k][::-1]
        cells[k] = diagram.vertices[backward + [backward[-1]] * (most - len(backward))]
    return _trimmed(cells, points) if len(guards) else cells


def voronoi_areas(points: Array) -> Array:
    """Areas of the cells of points on the unit sphere, `(points,)`; points at one place, as a row at a pole is, share its cell.

    Raises:
        NoCells: fewer than four places, or places on one circle.
        ValueError: places that are all but one.
    """
    _, first, place, count = np.unique(np.round(points, 9), axis=0, return_index=True, return_inverse=True, return_counts=True)  # fmt: skip
    if first.size == len(points):
        return polygon_areas(voronoi_cells(points))
    return np.asarray((polygon_areas(voronoi_cells(points[first])) / count)[place.reshape(-1)])


def mean_nearest(points: Array) -> float:
    """Mean angle between a point and its nearest neighbour [rad]; NaN for one alone."""
    return float(np.mean(nearest_angles(points, points, 2))) if len(points) > 1 else float("nan")


def nearest_angles(points: Array, places: Array, which: int = 1) -> Array:
    """Angles from places to the nearest of the points, or to the second one [rad], `(places,)`.

    Args:
        points: unit vectors, `(points, 3)`.
        places: unit vectors, `(places, 3)`.
        which: 1 for the nearest, 2 for the one after it.
    """
    from scipy.spatial import cKDTree

    chords = cKDTree(points).query(places, k=[which])[0][:, 0]
    return np.asarray(2 * np.arcsin(np.clip(chords / 2, 0, 1)))


def covers_sphere(points: Array) -> bool:
    """Whether no place of the sphere is more than 60 degrees from all points."""
    from scipy.spatial import ConvexHull, QhullError

    try:
        equations = ConvexHull(points).equations
    except (QhullError, ValueError):
        return False
    # a face's plane is as far from the centre as the cosine of the empty circle's radius
    return bool((equations[:, 3] < -0.5).all())


def side_points(points: Array) -> NDArray[np.bool_]:
    """Which points stand at the sides of the region that they cover, `(points,)`; islands within it have none."""
    from scipy.sparse import csr_array
    from scipy.sparse.csgraph import connected_components

    triangles = _triangles(points)
    here, there = np.repeat(np.arange(len(triangles.corners)), 3), triangles.beside.ravel()
    joins = triangles.is_beyond[here] & triangles.is_beyond[there]
    matrix = csr_array((np.ones(joins.sum()), (here[joins], there[joins])), shape=(here.size // 3,) * 2)
    outside = connected_components(matrix, directed=False)[1]
    # what lies round a region, or on both sides of a band, is the widest of what is beyond its points
    width = np.zeros(len(outside))
    np.maximum.at(width, outside, triangles.radius)
    of_side = np.zeros(len(points), dtype=bool)
    of_side[triangles.corners[triangles.is_beyond & (width[outside] >= width.max() / 2)]] = True
    return of_side


class _Triangles(NamedTuple):
    """Triangles between points.

    Args:
        corners: indices of points, `(triangles, 3)`.
        beside: the triangle opposite to each corner, `(triangles, 3)`.
        radius: of the circle through the corners [rad].
        is_beyond: whether it lies beyond what the points cover.
        spacing: at each point, `(points,)`.
    """

    corners: NDArray[np.int64]
    beside: NDArray[np.int64]
    radius: Array
    is_beyond: NDArray[np.bool_]
    spacing: Array


def _triangles(points: Array) -> _Triangles:
    """Triangles between the points, which of them are beyond what the points cover, and the spacing at each point.

    Beyond is a triangle whose circle is far wider than the spacing at all of its corners, or wider than 60 degrees, or, among
    points as far apart as those round them, wider than is usual there; and next to such a one, a triangle whose circle is
    wider than the spacing at most of its corners. Where points stand ever closer, as in a stretched grid, no circle is far
    wider than the spacing on its coarser side; where they stand anyhow, as stations do, circles are of any width.
    """
    from scipy.spatial import ConvexHull

    hull = ConvexHull(points)
    corners, beside = np.asarray(hull.simplices, np.int64), np.asarray(hull.neighbors)
    # the plane of a face is as far from the centre as the cosine of its circle's radius; the far side holds no point
    radius = np.arccos(np.clip(-hull.equations[:, 3], -1, 1))
    spacing = _spacings(points, corners, beside, hull.equations[:, :3])
    is_beyond = (radius > np.pi / 3) | (radius > _FAR_WIDER * spacing[corners].max(axis=1))
    is_beyond |= _closes_hole(corners, radius, len(points))
    is_wide = radius > _WIDER * np.median(spacing[corners], axis=1)
    while (reached := is_wide & ~is_beyond & is_beyond[beside].any(axis=1)).any():
        is_beyond |= reached
    return _Triangles(corners, beside, radius, is_beyond, spacing)


def _closes_hole(corners: NDArray[np.int64], radius: Array, count: int) -> NDArray[np.bool_]:
    """Which triangles are wider than is usual at all of their corners, where what is usual changes little from point to point.

    Usual at a point is the lower quartile of its triangles: of a point at a coast most may reach over the land.
    """
    from scipy.sparse import csr_array, eye_array

    usual = _quantiles(corners.ravel(), np.repeat(radius, 3), count, 0.25)
    here, there = corners[:, [0, 1, 2]].ravel(), corners[:, [1, 2, 0]].ravel()
    beside = csr_array((np.ones(here.size), (here, there)), shape=(count, count))
    beside = beside + beside.T + eye_array(count)
    around = (beside @ beside).tocoo()
    low, high = (_quantiles(around.coords[0], usual[around.coords[1]], count, share) for share in (0.1, 0.9))
    is_even = (high < _EVEN * low)[corners].all(axis=1)
    return np.asarray(is_even & (radius > _EVEN_WIDER * usual[corners].max(axis=1)))


def _quantiles(owners: NDArray[Any], values: Array, count: int, share: float) -> Array:
    """The quantile of the values of each owner, `(count,)`; infinite for one without any."""
    order, sizes = np.lexsort((values, owners)), np.bincount(owners, minlength=count)
    places = np.cumsum(sizes) - sizes + np.minimum((share * sizes).astype(np.int64), np.maximum(sizes - 1, 0))
    return np.where(sizes > 0, values[order][np.minimum(places, values.size - 1)], np.inf)


def _spacings(points: Array, corners: NDArray[np.int64], beside: NDArray[np.int64], centres: Array) -> Array:
    """How far the nearer neighbours of each point stand, those whose cells have a side in common with its own.

    It is the third one's distance at least: along the rows of a grid near a pole two neighbours stand close.
    """
    here, there = np.repeat(np.arange(len(corners)), 3), beside.ravel()
    # the side between two triangles lies opposite to the corner that the neighbour is numbered by
    ends = corners[:, [[1, 2], [2, 0], [0, 1]]].reshape(-1, 2)
    lengths = np.linalg.norm(points[ends[:, 0]] - points[ends[:, 1]], axis=1)
    # cells that meet at a corner alone, as those of a square do, are no neighbours
    is_side = np.linalg.norm(centres[here] - centres[there], axis=1) > 1e-4 * lengths
    owners, values = ends[is_side].T.ravel(), np.tile(lengths[is_side], 2)
    order = np.lexsort((values, owners))
    counts = np.bincount(owners, minlength=len(points))
    firsts = np.concatenate([[0], np.cumsum(counts)[:-1]])
    # every side is met from both triangles
    chosen = np.minimum(np.maximum((counts - 1) * _NEARER, 4).astype(np.int64), counts - 1)
    spacing, has_any = np.full(len(points), np.inf), counts > 0
    spacing[has_any] = values[order][(firsts + chosen)[has_any]]
    return spacing


def _guards(points: Array) -> Array:
    """Points beyond a region's sides: what stands beside a point of a side, mirrored at it, where nothing is."""
    from scipy.spatial import cKDTree

    corners, _, _, is_beyond, _ = _triangles(points)
    if not is_beyond.any():
        return np.zeros((0, 3))
    of_side = np.zeros(len(points), dtype=bool)
    of_side[corners[is_beyond]] = True
    pairs = corners[~is_beyond][:, [[0, 1], [1, 2], [2, 0], [1, 0], [2, 1], [0, 2]]].reshape(-1, 2)
    here, beside = np.unique(pairs[of_side[pairs[:, 0]]], axis=0).T
    mirrored = 2 * points[here] - points[beside]
    mirrored /= np.linalg.norm(mirrored, axis=1, keepdims=True)
    spacing = np.linalg.norm(points[here] - points[beside], axis=1)
    is_free = cKDTree(points).query(mirrored)[0] > 0.9 * spacing
    guards, spacing = mirrored[is_free], spacing[is_free]
    # of those that stand nearly together, as both sides of a corner make them, the first is kept
    is_kept = np.ones(len(guards), dtype=bool)
    for k, near in enumerate(cKDTree(guards).query_ball_point(guards, 0.4 * spacing) if len(guards) else []):
        if is_kept[k]:
            is_kept[[other for other in near if other != k]] = False
    centre = -points.mean(0)
    norm = float(np.linalg.norm(centre))
    # one on the other side of the sphere, without which the cells of few guards would reach round it
    far = np.zeros((0, 3)) if norm <= 1e-6 or covers_sphere(points) else (centre / norm)[None]
    return np.concatenate([guards[is_kept], far])


def _trimmed(cells: Array, points: Array) -> Array:
    """The cells, those at ragged sides cut to an octagon that reaches as far as neighbours stand."""
    corners, _, _, is_beyond, spacing = _triangles(points)
    reach = _REACH * spacing
    is_wide = np.linalg.norm(cells - points[:, None], axis=2).max(1) > 1.5 * reach
    is_beside = np.zeros(len(points), dtype=bool)
    is_beside[corners[is_beyond]] = True
    wide = np.flatnonzero(is_wide & is_beside)
    if not wide.size:
        return cells
    p, parts = points[wide], cells[wide]
    east = np.cross(np.where(np.abs(p[:, 2:]) < 0.9, [[0.0, 0.0, 1.0]], [[1.0, 0.0, 0.0]]), p)
    east /= np.linalg.norm(east, axis=1, keepdims=True)
    north = np.cross(p, east)
    for angle in np.arange(8) * np.pi / 4:
        ahead = np.cos(angle) * east + np.sin(angle) * north
        # the great circle at that distance, across that direction
        parts = cut(parts, reach[wide, None] * p - ahead)
    width = max(cells.shape[1], parts.shape[1])
    cells, parts = (
        np.concatenate([c, np.repeat(c[:, -1:], width - c.shape[1], axis=1)], axis=1) for c in (cells, parts)
    )
    cells[wide] = parts
    return cells


def polygon_areas(polygons: Array) -> Array:
    """Signed areas on the unit sphere, counter-clockwise positive: tan(Ω/2) = a·(b × c) / (1 + a·b + b·c + c·a) of triangles.

    Args:
        polygons: `(polygons, corners, 3)`.
    """
    a = polygons[:, :1]
    b, c = polygons[:, 1:-1], polygons[:, 2:]
    triple = np.einsum("pkd,pkd->pk", np.broadcast_to(a, b.shape), np.cross(b, c))
    below = 1 + (a * b).sum(2) + (b * c).sum(2) + (c * a).sum(2)
    return np.asarray(2 * np.arctan2(triple, below).sum(1))


def cut_areas(polygons: Array, knives: Array) -> Array:
    """Areas of what lies in both of each pair of convex polygons, `(pairs,)`."""
    for k in range(knives.shape[1]):
        normal = np.cross(knives[:, k], knives[:, (k + 1) % knives.shape[1]])
        polygons = cut(polygons, normal)
    return np.maximum(polygon_areas(polygons), 0.0)


def cut(polygons: Array, normal: Array) -> Array:
    """What lies to the left of a great circle; a side between a corner and itself cuts nothing."""
    height = np.einsum("pkd,pd->pk", polygons, normal)
    inside = height >= -1e-15
    following, height_after = np.roll(polygons, -1, axis=1), np.roll(height, -1, axis=1)
    crosses = inside != np.roll(inside, -1, axis=1)
    share = np.where(crosses, height / np.where(crosses, height - height_after, 1.0), 0.0)[..., None]
    crossing = polygons + share * (following - polygons)
    crossing /= np.maximum(np.linalg.norm(crossing, axis=2, keepdims=True), 1e-300)
    # each corner that stays, then the crossing behind it
    corners = np.stack([polygons, crossing], axis=2).reshape(len(polygons), -1, 3)
    stays = np.stack([inside, crosses], axis=2).reshape(len(polygons), -1)
    order = np.argsort(~stays, axis=1, kind="stable")
    count = stays.sum(1)
    width = max(int(count.max(initial=1)), 1)
    # the last one repeated; of a polygon that is gone any corner
    order = order[np.arange(len(order))[:, None], np.minimum(np.arange(width)[None], np.maximum(count - 1, 0)[:, None])]
    return np.take_along_axis(corners, order[..., None], axis=1)

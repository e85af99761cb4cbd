"""Polygons of great circles: Voronoi cells (what is nearer to one point than to any other), what two share, their areas.

References: J. M. Augenbaum, C. S. Peskin (1985), doi 10.1016/0021-9991(85)90140-8 (the diagram); A. van Oosterom,
J. Strackee (1983), doi 10.1109/TBME.1983.325207 (the area of a triangle); I. E. Sutherland, G. W. Hodgman (1974), doi
10.1145/360767.360802 (cutting).
"""

import numpy as np
from numpy.typing import NDArray

from py4cast.triangulation import NoCells, Triangulation, covers_sphere, distinct

__all__ = [
    "cut",
    "cut_areas",
    "mean_nearest",
    "nearest_angles",
    "polygon_areas",
    "voronoi_areas",
    "voronoi_cells",
]

Array = NDArray[np.float64]
_REACH = 1.06  # spacings: more than half a diagonal of squares


def voronoi_cells(points: Array) -> Array:
    """The corners of every point's cell, counter-clockwise from outside, `(points, corners, 3)`, the last one repeated.

    Cells at the sides of a region, and of large holes in it, end about half a spacing beyond their points.

    Args:
        points: unit vectors, `(points, 3)`.

    Raises:
        NoCells: fewer than four points, or points on one circle.
        ValueError: several points at one place.
    """
    from scipy.spatial import SphericalVoronoi

    triangles = Triangulation(points)
    guards = _guards(triangles)
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
    return _trimmed(cells, triangles) if len(guards) else cells


def voronoi_areas(points: Array) -> Array:
    """Areas of the cells of points on the unit sphere, `(points,)`; points at one place, as a row at a pole is, share its cell.

    Raises:
        NoCells: fewer than four places, or places on one circle.
        ValueError: places that are all but one.
    """
    first, place = distinct(points)
    return np.asarray((polygon_areas(voronoi_cells(points[first])) / np.bincount(place))[place])


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


def _guards(triangles: Triangulation) -> Array:
    """Points beyond a region's sides: what stands beside a point of a side, mirrored at it, where nothing is."""
    from scipy.spatial import cKDTree

    points, corners, is_beyond = triangles.points, triangles.corners, triangles.is_beyond
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


def _trimmed(cells: Array, triangles: Triangulation) -> Array:
    """The cells, those at ragged sides cut to an octagon that reaches as far as neighbours stand."""
    points, reach = triangles.points, _REACH * triangles.spacing
    is_wide = np.linalg.norm(cells - points[:, None], axis=2).max(1) > 1.5 * reach
    is_beside = np.zeros(len(points), dtype=bool)
    is_beside[triangles.corners[triangles.is_beyond]] = True
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

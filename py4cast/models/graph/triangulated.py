"""Meshes of points on the sphere that stand in no rows of a map: each level is a set, its edges are those of its triangles.

The triangles are Delaunay's: any place is nearer to one of its triangle's corners than the largest circle round a
triangle at that corner is wide, so that nodes that listen so far leave no place of the globe unheard, whether they
stand evenly (an octahedral grid, HEALPix) or crowd in a region (a stretched mesh).

References: C. L. Lawson (1977), Software for C¹ surface interpolation (a convex hull on the sphere is its Delaunay
triangulation); T. Nipen et al. (2024), arXiv 2409.02891 (stretched grids).
"""

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import ConvexHull, cKDTree

from py4cast.grid import EARTH_RADIUS
from py4cast.models.graph.mesh import Level, icosahedron, refine, triangle_edges

__all__ = ["stretched_icosahedra", "triangulated_mesh"]

Array = NDArray[np.float64]
Index = NDArray[np.int64]
_NUM_PARENTS = 3
_MOST_REFINEMENTS = 15  # edges of some 200 m


def triangulated_mesh(sets: list[Array]) -> list[Level]:
    """The levels of sets of unit vectors, from the finest to the coarsest.

    A node's parents are the three nearest nodes of the next level, or the one at its place.
    """
    levels = []
    for number, nodes in enumerate(sets):
        edges, reach = _triangles(nodes)
        parents, twins = np.zeros((2, 0), np.int64), np.zeros(0, np.int64)
        if number + 1 < len(sets):
            parents = _parents(nodes, sets[number + 1])
        if number:
            twins = np.asarray(cKDTree(sets[number - 1]).query(nodes)[1], np.int64)
        levels.append(Level(EARTH_RADIUS * nodes, edges, EARTH_RADIUS * reach, parents, twins))
    return levels


def _triangles(nodes: Array) -> tuple[Index, Array]:
    """Both directions of every edge, and how far from a node a place can be that is nearest to it."""
    # four nodes on one circle have two triangulations: moved by nothing to speak of, they have one on every machine
    index = np.arange(nodes.size).reshape(nodes.shape)
    moved = nodes + 1e-9 * (index * 2654435761 % 2**32 / 2**32 - 0.5)
    moved /= np.linalg.norm(moved, axis=1, keepdims=True)
    corners = np.asarray(ConvexHull(moved).simplices, np.int64)
    one_way = triangle_edges(corners).T
    a, b, c = (nodes[corners[:, k]] for k in range(3))
    normal = np.cross(b - a, c - a)
    normal /= np.linalg.norm(normal, axis=1, keepdims=True)
    # the hull's faces look outward, whichever way their corners run
    normal *= np.sign((normal * (a + b + c)).sum(1, keepdims=True))
    wide = np.linalg.norm(a - normal, axis=1)
    reach = np.zeros(len(nodes))
    np.maximum.at(reach, corners.ravel(), np.repeat(wide, 3))
    return np.concatenate([one_way, one_way[::-1]], axis=1), 1.02 * reach


def _parents(nodes: Array, coarser: Array) -> Index:
    distances, near = cKDTree(coarser).query(nodes, k=np.arange(1, 1 + min(_NUM_PARENTS, len(coarser))))
    is_itself = distances[:, 0] < 1e-9
    child, place = np.nonzero(np.where(is_itself[:, None], np.arange(near.shape[1]) == 0, True))
    return np.stack([child, np.asarray(near)[child, place]]).astype(np.int64)


def stretched_icosahedra(cells: Array, areas: Array, per_node: float) -> list[Array]:
    """Sets of nodes of icosahedra that are refined again where the cells are small, finest first, unit vectors.

    A triangle is split while its quarters would still hold half of `per_node` of the smallest cells in it; beside
    a triangle that is split twice more than its neighbours one is split too, so that edges grow step by step.

    Args:
        cells: unit vectors, `(cells, 3)`.
        areas: of the cells, in those of the unit sphere, `(cells,)`.
        per_node: cells per node.
    """
    points, faces = icosahedron()
    middles = points[faces].sum(1)
    of_cell = np.asarray(cKDTree(middles / np.linalg.norm(middles, axis=1, keepdims=True)).query(cells)[1], np.int64)
    sets = [points]
    for _ in range(_MOST_REFINEMENTS):
        chosen = _to_split(points, faces, of_cell, areas, per_node)
        if not chosen.any():
            break
        edges = triangle_edges(faces[chosen])
        points, parts = refine(points, faces[chosen], edges)
        # each cell goes to the quarter whose middle is nearest
        number = np.cumsum(chosen) - 1
        count = int(chosen.sum())
        moving = np.flatnonzero(chosen[of_cell])
        quarters = number[of_cell[moving]][:, None] + count * np.arange(4)[None]
        middles = points[parts].sum(1)
        middles /= np.linalg.norm(middles, axis=1, keepdims=True)
        nearest = np.einsum("nkd,nd->nk", middles[quarters], cells[moving]).argmax(1)
        kept = np.cumsum(~chosen) - 1
        of_cell = np.where(chosen[of_cell], of_cell, kept[of_cell])
        of_cell[moving] = int((~chosen).sum()) + quarters[np.arange(moving.size), nearest]
        faces = np.concatenate([faces[~chosen], parts])
        sets.append(points)
    return sets[::-1]


def _to_split(points: Array, faces: Index, of_cell: Index, areas: Array, per_node: float) -> NDArray[np.bool_]:
    smallest = np.full(len(faces), np.inf)
    np.minimum.at(smallest, of_cell, areas)
    a, b, c = (points[faces[:, k]] for k in range(3))
    size = np.linalg.norm(np.cross(b - a, c - a), axis=1) / 2
    # two triangles to a node: how many times over a quarter of the triangle is large enough
    ratio = size / 4 / (per_node / 2 * smallest)
    at_node = np.zeros(len(points))
    np.maximum.at(at_node, faces.ravel(), np.repeat(ratio, 3))
    return np.asarray((ratio >= 1) | (at_node[faces].max(1) >= 4))

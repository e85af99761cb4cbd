"""Meshes: levels of nodes, each coarser than the one before, laid over a grid.

A rectangular mesh has 3 × 3 children per parent and eight neighbours per node; an icosahedral one, for grids
round the globe, halves its edges from level to level. Every level is an array operation, no loop over nodes.

References: J. Oskarsson, T. Landelius, F. Lindsten (2023), Graph-based Neural Weather Prediction for Limited Area
Modeling, arXiv 2309.17370; R. Lam et al. (2023), GraphCast, doi 10.1126/science.adi2336 (the refined icosahedron).
"""

from dataclasses import dataclass
from math import ceil

import numpy as np
from numpy.typing import NDArray

from py4cast.grid import EARTH_RADIUS
from py4cast.models.graph.geometry import Geometry

__all__ = [
    "Level",
    "icosahedral_mesh",
    "icosahedron",
    "integer_log",
    "rectangular_mesh",
    "refine",
    "spacing_in_step",
    "triangle_edges",
    "unique_pairs",
]

Array = NDArray[np.float64]
Index = NDArray[np.int64]


@dataclass(frozen=True)
class Level:
    """One level of a mesh; levels run from the finest to the coarsest.

    Args:
        points: of the nodes, in the geometry's metres.
        edges: both directions of every edge within the level, `(2, edges)`.
        radius: within which a node listens to cells [m], `(nodes,)`; only the finest level's is used.
        parents: edges from this level's nodes to the next one's, `(2, edges)`; none for the coarsest.
        twins: the node of the level before at the place of each node, `(nodes,)`; none for the finest.
    """

    points: Array
    edges: Index
    radius: Array
    parents: Index
    twins: Index


def integer_log(value: int, base: int) -> int:
    """The largest e with baseᵉ ≤ value, in whole numbers: log(243)/log(3) is 4.999… in floating point."""
    exponent = 0
    while base ** (exponent + 1) <= value:
        exponent += 1
    return exponent


def rectangular_mesh(
    geometry: Geometry,
    counts: tuple[int, int],
    num_levels: int,
    box: tuple[float, float],
    radius_factor: float | None = None,
) -> list[Level]:
    """Levels of nodes that stand in rows and columns, in the middles of equal boxes that cover the grid.

    Args:
        geometry: of the grid.
        counts: nodes along rows and columns of the finest level, divisible by 3^(num_levels − 1).
        num_levels: how many.
        box: height and width of a box of the finest level, in cells.
        radius_factor: nodes listen within this many spacings along x; None for their box and a little more.
    """
    levels = []
    for level in range(num_levels):
        rows, columns = counts[0] // 3**level, counts[1] // 3**level
        i, j = (a.ravel() for a in np.meshgrid(np.arange(rows), np.arange(columns), indexing="ij"))
        height, width = (size * 3**level for size in box)
        # what the boxes stick out is shared by both sides
        y, x = (
            (index + 0.5) * size - (size * count - (cells - 1)) / 2
            for index, size, count, cells in zip(
                (i, j), (height, width), (rows, columns), geometry.grid.shape, strict=True
            )
        )
        points = geometry.at(y, x)
        if radius_factor is None:
            corners = [geometry.at(y + a * height / 2, x + b * width / 2) for a in (-1, 1) for b in (-1, 1)]
            radius = 1.02 * np.max([np.linalg.norm(c - points, axis=1) for c in corners], axis=0)
        else:
            spacing = np.linalg.norm(geometry.at(y, x + width / 2) - geometry.at(y, x - width / 2), axis=1)
            radius = radius_factor * spacing
        parents = np.stack([i * columns + j, (i // 3) * (columns // 3) + j // 3]) if level + 1 < num_levels else _none()
        twins = (3 * i + 1) * 3 * columns + 3 * j + 1 if level else np.zeros(0, np.int64)
        levels.append(Level(points, _eight_neighbours(rows, columns), radius, parents, twins))
    return levels


def spacing_in_step(num_cells: int, count: int) -> float:
    """The least spacing, a fraction of small numerator, at which `count` boxes cover the cells and stick out by less than one.

    At p/q cells, nodes and cells stand to each other in p ways: an edge's features repeat along the whole axis, and
    a network embeds them once.
    """
    least = (num_cells - 1) / count
    for q in range(1, 17):
        spacing = ceil(least * q - 1e-9) / q
        if count * spacing - (num_cells - 1) < spacing and 3 * spacing * q < num_cells:
            return spacing
    return least


def _none() -> Index:
    return np.zeros((2, 0), np.int64)


def _eight_neighbours(rows: int, columns: int) -> Index:
    """Edges between nodes that touch, corners included, `(2, edges)`."""
    index = np.arange(rows * columns).reshape(rows, columns)
    pairs = [(index[:-1], index[1:]), (index[:, :-1], index[:, 1:]), (index[:-1, :-1], index[1:, 1:]), (index[1:, :-1], index[:-1, 1:])]  # fmt: skip
    one_way = np.concatenate([np.stack([a.ravel(), b.ravel()]) for a, b in pairs], axis=1)
    return np.concatenate([one_way, one_way[::-1]], axis=1)


def icosahedral_mesh(num_refinements: int, num_levels: int) -> list[Level]:
    """The last `num_levels` of an icosahedron whose faces are split in four `num_refinements` times.

    A node listens within 0.6 of the longest edge, which leaves no place of the sphere unheard, and its parents are
    the ends of the edge that it halves, or itself.
    """
    points, faces = icosahedron()
    mesh_levels = []
    for step in range(num_refinements + 1):
        edges = triangle_edges(faces)
        mesh_levels.append((points, edges))
        if step < num_refinements:
            points, faces = refine(points, faces, edges)
    levels = []
    kept = mesh_levels[::-1][:num_levels]
    for level, (nodes, edges) in enumerate(kept):
        longest = float(np.linalg.norm(nodes[edges[:, 0]] - nodes[edges[:, 1]], axis=1).max())
        parents = _none()
        if level + 1 < len(kept):
            coarse_nodes, coarse_edges = kept[level + 1]
            places = np.arange(len(coarse_nodes))
            middles = len(coarse_nodes) + np.arange(len(coarse_edges))
            parents = np.concatenate(
                [np.stack([places, places]), *(np.stack([middles, coarse_edges[:, k]]) for k in (0, 1))], axis=1
            )
        twins = np.arange(len(nodes)) if level else np.zeros(0, np.int64)
        both = np.concatenate([edges.T, edges.T[::-1]], axis=1)
        levels.append(
            Level(EARTH_RADIUS * nodes, both, np.full(len(nodes), 0.6 * longest * EARTH_RADIUS), parents, twins)
        )
    return levels


def unique_pairs(pairs: Index) -> Index:
    """Each pair of numbers once, by the first and then the second, `(2, pairs)`.

    As one whole number each they are sorted in a tenth of the time of rows.
    """
    count = max(int(pairs.max(initial=-1)) + 1, 1)
    # by sorting: numpy's unique looks every number up, which takes ten times as long
    both = np.sort(pairs[0] * count + pairs[1])
    both = both[np.diff(both, prepend=-1) > 0]
    return np.stack([both // count, both % count])


def triangle_edges(faces: Index) -> Index:
    """The edges of triangles, each once and its smaller end first, `(edges, 2)`."""
    return unique_pairs(np.sort(faces[:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2), axis=1).T).T


def icosahedron() -> tuple[Array, Index]:
    """Twelve unit vectors, two of them the poles, and twenty faces."""
    ring = np.arange(5)
    lat = np.arctan(0.5)
    upper, lower = 2 * np.pi * ring / 5, 2 * np.pi * (ring + 0.5) / 5

    def at(phi: float, lam: Array) -> Array:
        return np.stack([np.cos(phi) * np.cos(lam), np.cos(phi) * np.sin(lam), np.full(5, np.sin(phi))], axis=1)

    points = np.concatenate([[[0.0, 0.0, 1.0]], at(lat, upper), at(-lat, lower), [[0.0, 0.0, -1.0]]])
    u, v = 1 + ring, 1 + (ring + 1) % 5
    a, b = 6 + ring, 6 + (ring + 1) % 5
    zero, last = np.zeros(5, np.int64), np.full(5, 11)
    faces = [np.stack(f, axis=1) for f in ((zero, u, v), (u, a, v), (v, a, b), (a, last, b))]
    return points, np.concatenate(faces)


def refine(points: Array, faces: Index, edges: Index) -> tuple[Array, Index]:
    """Every edge halved on the sphere, every face split in four; old nodes keep their index."""
    middles = points[edges[:, 0]] + points[edges[:, 1]]
    middles /= np.linalg.norm(middles, axis=1, keepdims=True)
    keys = edges[:, 0] * len(points) + edges[:, 1]

    def middle(a: Index, b: Index) -> Index:
        return len(points) + np.searchsorted(keys, np.minimum(a, b) * len(points) + np.maximum(a, b))

    a, b, c = faces.T
    ab, bc, ca = middle(a, b), middle(b, c), middle(c, a)
    split = [np.stack(f, axis=1) for f in ((a, ab, ca), (b, bc, ab), (c, ca, bc), (ab, bc, ca))]
    return np.concatenate([points, middles]), np.concatenate(split)

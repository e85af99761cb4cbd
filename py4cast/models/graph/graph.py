"""Graph: a grid's cells, a mesh over them, and all edges between, from the coordinates alone.

grid→mesh  every cell within a node's radius speaks to it; that no cell is unheard is asserted
mesh→grid  every cell hears its four nearest nodes of the finest level
mesh       neighbours of a level; in a flat graph all levels' edges on the finest nodes, in a hierarchy one set a
           level and edges up to parents and down to children
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from py4cast.errors import SettingsError
from py4cast.grid import EARTH_RADIUS, Grid
from py4cast.models.graph.geometry import Geometry, geometry_of
from py4cast.models.graph.mesh import Level, icosahedral_mesh, integer_log, rectangular_mesh, spacing_in_step
from py4cast.models.graph.settings import GraphSettings

__all__ = ["Connections", "Graph", "build_graph"]

NUM_NEAREST = 4
Index = NDArray[np.int64]
Features = NDArray[np.float32]


@dataclass(frozen=True)
class Connections:
    """Edges j→i sorted by receiver, and their features: length and difference vector, over the mesh's longest edge."""

    senders: Index
    receivers: Index
    features: Features

    @property
    def num_edges(self) -> int:
        """The number of edges in the set."""
        return int(self.senders.size)


@dataclass(frozen=True)
class Graph:
    """A graph, ready for a network.

    Args:
        num_cells: of the grid.
        nodes: features of the nodes of each level, finest first, `(nodes, 2 or 3)`.
        places: of the nodes of each level on a plane [m], `(nodes, 2)`, to draw them.
        grid_to_mesh: from cells to the finest nodes.
        mesh_to_grid: from the finest nodes to cells, four each.
        same: within each level.
        up: from each level to the next coarser one.
        down: from each level to the next finer one.
    """

    num_cells: int
    nodes: tuple[Features, ...]
    places: tuple[NDArray[np.float64], ...]
    grid_to_mesh: Connections
    mesh_to_grid: Connections
    same: tuple[Connections, ...]
    up: tuple[Connections, ...] = ()
    down: tuple[Connections, ...] = ()

    @property
    def num_levels(self) -> int:
        """Levels of nodes; a flat graph has one."""
        return len(self.nodes)

    @property
    def digest(self) -> int:
        """Of who is joined to whom, the same on every machine: 63 bits of a SHA-256."""
        digest = hashlib.sha256(str([len(n) for n in self.nodes]).encode())
        for connections, _, _ in self.sets().values():
            digest.update(connections.senders.astype("<i8").tobytes())
            digest.update(connections.receivers.astype("<i8").tobytes())
        return int.from_bytes(digest.digest()[:8], "little") >> 1

    def sets(self) -> dict[str, tuple[Connections, int, int]]:
        """All edge sets by name, with the number of senders and of receivers."""
        counts = [len(n) for n in self.nodes]
        sets = {"grid_to_mesh": (self.grid_to_mesh, self.num_cells, counts[0])}
        sets |= {f"level {k}": (c, counts[k], counts[k]) for k, c in enumerate(self.same)}
        sets |= {f"up {k} to {k + 1}": (c, counts[k], counts[k + 1]) for k, c in enumerate(self.up)}
        sets |= {f"down {k + 1} to {k}": (c, counts[k + 1], counts[k]) for k, c in enumerate(self.down)}
        return sets | {"mesh_to_grid": (self.mesh_to_grid, counts[0], self.num_cells)}

    def pack(self) -> dict[str, NDArray[Any]]:
        """Plain arrays, from which `unpack` makes it again."""
        arrays: dict[str, NDArray[Any]] = {"num_cells": np.array(self.num_cells)}
        for key in ("nodes", "places"):
            arrays |= {f"{key}.{k}": a for k, a in enumerate(getattr(self, key))}
        lists = {
            "g2m": [self.grid_to_mesh],
            "m2g": [self.mesh_to_grid],
            "same": self.same,
            "up": self.up,
            "down": self.down,
        }
        for key, members in lists.items():
            for k, c in enumerate(members):
                arrays |= {
                    f"{key}.{k}.senders": c.senders,
                    f"{key}.{k}.receivers": c.receivers,
                    f"{key}.{k}.features": c.features,
                }
        return arrays

    @classmethod
    def unpack(cls, arrays: Mapping[str, NDArray[Any]]) -> "Graph":
        """The inverse of `pack`; KeyError when arrays lack."""

        def rows(key: str) -> tuple[NDArray[Any], ...]:
            return tuple(arrays[f"{key}.{k}"] for k in range(sum(a.startswith(f"{key}.") for a in arrays)))

        def edges(key: str) -> tuple[Connections, ...]:
            count = sum(a.startswith(f"{key}.") and a.endswith(".senders") for a in arrays)
            return tuple(Connections(*(arrays[f"{key}.{k}.{part}"] for part in ("senders", "receivers", "features"))) for k in range(count))  # fmt: skip

        return cls(
            int(arrays["num_cells"]), rows("nodes"), rows("places"), edges("g2m")[0], edges("m2g")[0],
            edges("same"), edges("up"), edges("down"),
        )  # fmt: skip


def build_graph(grid: Grid, settings: GraphSettings, is_hierarchical: bool) -> Graph:
    """The graph of a grid; the same input gives the same graph, ties included.

    Raises:
        SettingsError: the grid is too small or too large for the mesh asked for, or nodes or cells would be isolated.
    """
    geometry = geometry_of(grid)
    mesh = _mesh(grid, geometry, settings)
    levels = mesh if is_hierarchical else [_flat(mesh)]
    cells = geometry.cells
    distances, neighbours = _nearest(cells, levels[0].points, levels[0].radius)
    heard = distances <= levels[0].radius[neighbours]
    cell, order = np.nonzero(heard)
    longest = max((_lengths(level.points, level.edges).max() for level in mesh if level.edges.size), default=1.0)

    def connect(pairs: Any, from_points: Any, to_points: Any) -> Connections:
        senders, receivers = pairs
        order = np.lexsort((senders, receivers))
        senders, receivers = senders[order], receivers[order]
        features = geometry.differences(from_points[senders], to_points[receivers]) / longest
        return Connections(senders, receivers, features.astype(np.float32))

    finest = levels[0].points
    k = min(NUM_NEAREST, neighbours.shape[1])
    graph = Graph(
        num_cells=len(cells),
        nodes=tuple(_node_features(geometry, settings, finest, level.points) for level in levels),
        places=tuple(geometry.plane(level.points) for level in levels),
        grid_to_mesh=connect((cell, neighbours[cell, order]), cells, finest),
        mesh_to_grid=connect((neighbours[:, :k].ravel(), np.repeat(np.arange(len(cells)), k)), finest, cells),
        same=tuple(connect(level.edges, level.points, level.points) for level in levels),
        up=tuple(connect(a.parents, a.points, b.points) for a, b in pairwise(levels)),
        down=tuple(connect(a.parents[::-1], b.points, a.points) for a, b in pairwise(levels)),
    )
    _check(graph, settings, int((~heard.any(1)).sum()))
    return graph


def _mesh(grid: Grid, geometry: Geometry, settings: GraphSettings) -> list[Level]:
    """The levels of the mesh that the settings ask for."""
    rows, columns = grid.shape
    if not grid.is_rectangular:
        return _of_points(grid, settings)
    if settings.mesh == "icosahedral" or (settings.mesh == "auto" and grid.is_periodic):
        if not grid.is_periodic:
            raise SettingsError("mesh 'icosahedral' is for grids round the globe; expected 'rectangular' on this one")
        return _icosahedral(grid, settings)
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


def _of_points(grid: Grid, settings: GraphSettings) -> list[Level]:
    """The mesh of points round the globe."""
    if settings.mesh not in ("auto", "icosahedral"):
        raise SettingsError(
            f"mesh {settings.mesh!r} stands in rows and columns; points have none: expected 'icosahedral'"
        )
    share = float(grid.cell_areas().sum() / (4 * np.pi * EARTH_RADIUS**2))
    if not 0.95 < share < 1.05:
        raise SettingsError(
            f"mesh {settings.mesh!r}: the points cover {100 * share:.0f} % of the globe; meshes of points are for all of it"
        )
    return _icosahedral(grid, settings)


def _counts(grid: Grid, geometry: Geometry, settings: GraphSettings) -> tuple[tuple[int, int], int]:
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


def _levels(grid: Grid, settings: GraphSettings, available: int) -> int:
    asked = settings.mesh_levels
    if asked is not None and asked > available:
        raise SettingsError(
            f"mesh_levels {asked}: the grid of {grid.shape[0]} x {grid.shape[1]} cells carries {available} at this spacing"
        )
    return asked or available


def _icosahedral(grid: Grid, settings: GraphSettings) -> list[Level]:
    """Refined until a node has some nine cells (or the spacing asked for, squared)."""
    cells, per_node = grid.shape[0] * grid.shape[1], (settings.mesh_spacing or 3.0) ** 2
    if cells < 12 * per_node:
        raise SettingsError(
            f"a grid of {grid.shape[0]} x {grid.shape[1]} cells is too small for an icosahedral mesh; expected at least "
            f"{int(12 * per_node)} cells"
        )
    refinements = integer_log(int(cells / per_node / 10), 4)
    return icosahedral_mesh(refinements, _levels(grid, settings, refinements + 1))


def _flat(mesh: list[Level]) -> Level:
    """One level: the finest nodes with the edges of all levels."""
    edges, numbers = [mesh[0].edges], np.arange(len(mesh[0].points))
    for level in mesh[1:]:
        numbers = numbers[level.twins]
        edges.append(numbers[level.edges])
    both = np.unique(np.concatenate(edges, axis=1), axis=1)
    return Level(mesh[0].points, both, mesh[0].radius, np.zeros((2, 0), np.int64), np.zeros(0, np.int64))


def _nearest(
    cells: NDArray[np.float64], nodes: NDArray[np.float64], radius: NDArray[np.float64]
) -> tuple[NDArray[np.float64], Index]:
    """Distances [m] and indices of the nodes nearest to each cell, all within reach among them, by distance, then index."""
    tree, count, reach = cKDTree(nodes), 6, float(radius.max())
    while True:
        count = min(count, len(nodes))
        distances, index = tree.query(cells, k=np.arange(1, count + 1))
        if count == len(nodes) or (distances[:, -1] > reach).all():
            break
        count *= 2
    # equal distances differ in their last digits: rounded, so that the choice is the same everywhere
    rounded = np.round(distances / reach, 9)
    tied = np.flatnonzero((np.diff(rounded, axis=1) == 0).any(1))
    order = np.lexsort((index[tied], rounded[tied]), axis=1)
    index[tied] = np.take_along_axis(index[tied], order, axis=1)
    distances[tied] = np.take_along_axis(distances[tied], order, axis=1)
    return distances, index.astype(np.int64)


def _lengths(points: NDArray[np.float64], edges: Index) -> NDArray[np.float64]:
    return np.asarray(np.linalg.norm(points[edges[0]] - points[edges[1]], axis=1))


def _node_features(geometry: Geometry, settings: GraphSettings, finest: Any, points: Any) -> Features:
    """Positions over the extent of the cells: on the plane and centred, or unit vectors where the mesh is a sphere."""
    if geometry.grid.is_periodic or not geometry.grid.is_rectangular:
        return np.asarray(points / np.linalg.norm(points, axis=1, keepdims=True), np.float32)
    cells = geometry.plane(geometry.cells)
    low, high = cells.min(0), cells.max(0)
    centre = 0.0 if settings.mesh == "neural_lam" else (low + high) / 2
    return np.asarray((geometry.plane(points) - centre) / (high - low).max(), np.float32)


def _check(graph: Graph, settings: GraphSettings, num_unheard: int) -> None:
    """Refuses isolated cells and nodes; the original's graph is known to leave some cells unheard."""
    if num_unheard and settings.mesh != "neural_lam":
        raise SettingsError(f"mesh: {num_unheard} of {graph.num_cells} cells are heard by no node")
    count = len(graph.nodes[0])
    deaf = count - np.unique(graph.grid_to_mesh.receivers).size
    if deaf:
        raise SettingsError(
            f"mesh: {deaf} of {count} nodes hear no cell, it is finer than the grid; expected a larger mesh_spacing"
        )

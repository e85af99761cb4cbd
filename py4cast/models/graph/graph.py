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
from math import sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from py4cast.errors import SettingsError
from py4cast.grid import Grid
from py4cast.models.graph.geometry import Geometry, geometry_of
from py4cast.models.graph.halo import Halo
from py4cast.models.graph.mesh import Level, unique_pairs
from py4cast.models.graph.meshes import mesh_over
from py4cast.models.graph.settings import MeshSettings

__all__ = ["Connections", "Graph", "build_graph"]

_EVEN_REACH = 3.0  # beyond, radii differ so much that each node looks for its own cells
Index = NDArray[np.int64]
Features = NDArray[np.float32]


@dataclass(frozen=True)
class Connections:
    """Edges j→i sorted by receiver, and their features: length and difference vector, over the mesh's longest edge.

    Args:
        senders: of each edge.
        receivers: of each edge, not decreasing.
        features: of each edge.
        halo: how a rank gets the senders that it lacks, where it has a part of the graph.
    """

    senders: Index
    receivers: Index
    features: Features
    halo: Halo | None = None

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
    def order(self) -> Index:
        """The finest nodes by rows, from the north (or the end of y) on, each from west to east.

        Where no nodes stand in rows, bands of a mean spacing take their place.
        """
        x, y = self.places[0].T
        height = max(float(np.ptp(y)), 1.0)
        rows = np.unique(np.round(-y / height, 9), return_inverse=True)[1]
        if 3 * (rows.max() + 1) ** 2 > 16 * y.size:
            rows = np.floor(-y / sqrt(height * max(float(np.ptp(x)), 1.0) / y.size)).astype(np.int64)
        return np.lexsort((x, rows)).astype(np.int64)

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
            parts = [
                [arrays[f"{key}.{k}.{part}"] for part in ("senders", "receivers", "features")] for k in range(count)
            ]
            return tuple(Connections(senders, receivers, features) for senders, receivers, features in parts)

        return cls(
            int(arrays["num_cells"]), rows("nodes"), rows("places"), edges("g2m")[0], edges("m2g")[0],
            edges("same"), edges("up"), edges("down"),
        )  # fmt: skip


def build_graph(grid: Grid, settings: MeshSettings, is_hierarchical: bool) -> Graph:
    """The graph of a grid; the same input gives the same graph, ties included.

    Raises:
        SettingsError: the grid is too small or too large for the mesh asked for, or nodes or cells would be isolated.
    """
    geometry = geometry_of(grid)
    mesh = mesh_over(grid, geometry, settings)
    levels = mesh if is_hierarchical else [_flat(mesh)]
    cells = geometry.cells
    neighbours, within = _neighbours(settings, cells, levels[0])
    to_mesh = _speakers(settings, cells, levels[0].points, neighbours, within)
    longest = max((_lengths(level.points, level.edges).max() for level in mesh if level.edges.size), default=1.0)

    def connect(pairs: Any, from_points: Any, to_points: Any) -> Connections:
        senders, receivers = pairs
        order = np.argsort(receivers * np.int64(len(from_points)) + senders)
        senders, receivers = senders[order], receivers[order]
        features = geometry.differences(from_points[senders], to_points[receivers]) / longest
        return Connections(senders, receivers, features.astype(np.float32))

    finest = levels[0].points
    k = min(settings.num_nearest, neighbours.shape[1])
    graph = Graph(
        num_cells=len(cells),
        nodes=tuple(_node_features(geometry, settings, finest, level.points) for level in levels),
        places=tuple(geometry.plane(level.points) for level in levels),
        grid_to_mesh=connect(to_mesh, cells, finest),
        mesh_to_grid=connect((neighbours[:, :k].ravel(), np.repeat(np.arange(len(cells)), k)), finest, cells),
        same=tuple(connect(level.edges, level.points, level.points) for level in levels),
        up=tuple(connect(a.parents, a.points, b.points) for a, b in pairwise(levels)),
        down=tuple(connect(a.parents[::-1], b.points, a.points) for a, b in pairwise(levels)),
    )
    _check(graph, settings)
    return graph


def _flat(mesh: list[Level]) -> Level:
    """One level: the finest nodes with the edges of all levels."""
    edges, numbers = [mesh[0].edges], np.arange(len(mesh[0].points))
    for level in mesh[1:]:
        # a node of a coarser level may stand where the finest has none
        numbers = np.where(level.twins < 0, -1, numbers[level.twins])
        between = numbers[level.edges]
        edges.append(between[:, (between >= 0).all(0)])
    both = unique_pairs(np.concatenate(edges, axis=1))
    return Level(mesh[0].points, both, mesh[0].radius, np.zeros((2, 0), np.int64), np.zeros(0, np.int64))


def _neighbours(settings: MeshSettings, cells: NDArray[np.float64], level: Level) -> tuple[Index, Index]:
    """The nodes nearest to each cell, `(cells, some)`, and all pairs of a cell and a node within its radius, `(2, edges)`."""
    widest = float(level.radius.max())
    if widest <= _EVEN_REACH * level.radius.min():
        distances, neighbours = _nearest(cells, level.points, widest, settings.num_nearest, widest)
        cell, order = np.nonzero(distances <= level.radius[neighbours])
        return neighbours, np.stack([cell, neighbours[cell, order]])
    # few nodes hear far: the others' neighbours are not looked for so far away
    heard = cKDTree(cells).query_ball_point(level.points, level.radius, return_sorted=True)
    counts = [len(each) for each in heard]
    within = np.stack([np.concatenate(heard).astype(np.int64), np.repeat(np.arange(len(heard)), counts)])
    return _nearest(cells, level.points, widest, settings.num_nearest, 0.0)[1], within


def _speakers(settings: MeshSettings, cells: NDArray[np.float64], nodes: NDArray[np.float64], neighbours: Index, within: Index) -> Index:  # fmt: skip
    """Cells and the nodes that hear them, `(2, edges)`: within a node's radius, the nearest of both sides, or both."""
    if settings.mesh_edges == "cutoff":
        return within
    k = min(settings.num_nearest, neighbours.shape[1])
    of_nodes = np.asarray(cKDTree(cells).query(nodes, k=np.arange(1, 1 + min(settings.num_nearest, len(cells))))[1])
    pairs = [
        np.stack([np.repeat(np.arange(len(cells)), k), neighbours[:, :k].ravel()]),
        np.stack([of_nodes.ravel(), np.repeat(np.arange(len(nodes)), of_nodes.shape[1])]),
    ]
    if settings.mesh_edges == "both":
        pairs.append(within)
    return unique_pairs(np.concatenate(pairs, axis=1))


def _nearest(
    cells: NDArray[np.float64], nodes: NDArray[np.float64], scale: float, num_nearest: int, reach: float
) -> tuple[NDArray[np.float64], Index]:
    """Distances [m] and indices of the nodes nearest to each cell, all within reach among them, by distance, then index."""
    tree, count = cKDTree(nodes), max(6, num_nearest + 2)
    while True:
        count = min(count, len(nodes))
        distances, index = tree.query(cells, k=np.arange(1, count + 1))
        if count == len(nodes) or (distances[:, -1] > reach).all():
            break
        count *= 2
    # equal distances differ in their last digits: rounded, so that the choice is the same everywhere
    rounded = np.round(distances / scale, 9)
    tied = np.flatnonzero((np.diff(rounded, axis=1) == 0).any(1))
    order = np.lexsort((index[tied], rounded[tied]), axis=1)
    index[tied] = np.take_along_axis(index[tied], order, axis=1)
    distances[tied] = np.take_along_axis(distances[tied], order, axis=1)
    return distances, index.astype(np.int64)


def _lengths(points: NDArray[np.float64], edges: Index) -> NDArray[np.float64]:
    return np.asarray(np.linalg.norm(points[edges[0]] - points[edges[1]], axis=1))


def _node_features(geometry: Geometry, settings: MeshSettings, finest: Any, points: Any) -> Features:
    """Positions over the extent of the cells: on the plane and centred, or unit vectors where the mesh is a sphere."""
    if geometry.grid.is_periodic or not geometry.grid.is_rectangular:
        return np.asarray(points / np.linalg.norm(points, axis=1, keepdims=True), np.float32)
    cells = geometry.plane(geometry.cells)
    low, high = cells.min(0), cells.max(0)
    centre = 0.0 if settings.mesh == "neural_lam" else (low + high) / 2
    return np.asarray((geometry.plane(points) - centre) / (high - low).max(), np.float32)


def _check(graph: Graph, settings: MeshSettings) -> None:
    """Refuses isolated cells and nodes; the original's graph is known to leave some cells unheard."""
    num_unheard = int((np.bincount(graph.grid_to_mesh.senders, minlength=graph.num_cells) == 0).sum())
    if num_unheard and settings.mesh != "neural_lam":
        raise SettingsError(f"mesh: {num_unheard} of {graph.num_cells} cells are heard by no node")
    count = len(graph.nodes[0])
    deaf = int((np.bincount(graph.grid_to_mesh.receivers, minlength=count) == 0).sum())
    if deaf:
        raise SettingsError(
            f"mesh: {deaf} of {count} nodes hear no cell, it is finer than the grid; expected a larger mesh_spacing"
        )

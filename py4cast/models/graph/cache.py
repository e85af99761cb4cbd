"""Graphs on disk, found by what they are made from, so that they are built once for all ranks, jobs and starts."""

import hashlib
from pathlib import Path

from py4cast.grid import Grid
from py4cast.kept_arrays import kept_arrays
from py4cast.models.graph.graph import Graph, build_graph
from py4cast.models.graph.settings import MeshSettings
from py4cast.settings import cache_dir

__all__ = ["cached_graph", "graph_path"]

_VERSION = 3  # of what build_graph makes; a new one where its result changes


def graph_path(grid: Grid, settings: MeshSettings, is_hierarchical: bool) -> Path:
    """The file of a graph, named by the SHA-256 of the grid's coordinates and of the settings that shape the mesh."""
    names = ("mesh", "mesh_levels", "mesh_spacing", "mesh_edges", "num_nearest")
    shaping = (*(getattr(settings, name) for name in names), is_hierarchical)
    digest = hashlib.sha256(f"{_VERSION} {grid.shape} {grid.is_periodic} {shaping}".encode())
    for axis in (grid.latitude, grid.longitude, grid.x, grid.y, grid.areas):
        digest.update(b"-" if axis is None else axis.tobytes())
    return cache_dir() / "graphs" / f"{digest.hexdigest()[:32]}.npz"


def cached_graph(grid: Grid, settings: MeshSettings, is_hierarchical: bool) -> Graph:
    """The graph of a grid, from the cache or built and put there.

    Raises:
        SettingsError: no graph can be made of this grid with these settings.
    """
    path = graph_path(grid, settings, is_hierarchical)
    return kept_arrays(path, Graph.unpack, lambda: build_graph(grid, settings, is_hierarchical), Graph.pack)

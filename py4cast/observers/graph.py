"""Pictures of graphs: the levels of a mesh, and how cells and nodes hear each other."""

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from py4cast.grid import EARTH_RADIUS
from py4cast.models.graph.graph import Connections, Graph

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["draw_graph"]

_MAX_EDGES = 40_000  # more would be a solid block
Points = NDArray[np.float64]


def draw_graph(graph: Graph, cells: Points, title: str) -> "Figure":
    """A figure with one panel per level, then the centre of grid→mesh and of mesh→grid; x and y in km.

    Args:
        graph: what is drawn.
        cells: of the grid on the same plane as the graph's places, `(cells, 2)` [m].
        title: of the figure.
    """
    from matplotlib.figure import Figure

    count = graph.num_levels + 2
    columns = min(3, count)
    rows = -(-count // columns)
    figure = Figure(figsize=(5.2 * columns, 4.6 * rows), layout="constrained")
    axes = list(np.ravel(figure.subplots(rows, columns)))
    for level in range(graph.num_levels):
        places, same = graph.places[level], graph.same[level]
        _draw_edges(axes[level], same, places, places, "tab:blue", width=0.6)
        axes[level].plot(*(places / 1000).T, ".", color="black", markersize=2)
        axes[level].set_title(f"level {level}: {len(places)} nodes, {same.num_edges} edges")
    finest = graph.places[0]
    pairs = [("grid to mesh", graph.grid_to_mesh, cells, finest), ("mesh to grid", graph.mesh_to_grid, finest, cells)]
    for panel, (name, connections, senders, receivers) in zip(axes[graph.num_levels :], pairs, strict=False):
        inside = _centre(connections, senders, receivers, finest)
        _draw_edges(panel, inside, senders, receivers, "tab:orange", width=0.5)
        for points, colour, size in ((cells, "tab:gray", 2), (finest, "black", 6)):
            near = _near(points, finest)
            panel.plot(*(points[near] / 1000).T, ".", color=colour, markersize=size)
        panel.set_title(f"{name}: {connections.num_edges} edges (centre)")
    for panel in axes:
        panel.set_aspect("equal")
        panel.tick_params(labelsize=7)
    for panel in axes[count:]:
        panel.set_axis_off()
    figure.suptitle(title)
    return figure


def _near(points: Points, finest: Points) -> Any:
    """Which points lie in the middle, some three nodes wide."""
    low, high = finest.min(0), finest.max(0)
    spacing = np.sqrt(np.prod(np.maximum(high - low, 1.0)) / len(finest))
    return np.abs(points - (low + high) / 2).max(1) <= 2.2 * spacing


def _centre(connections: Connections, senders: Points, receivers: Points, finest: Points) -> Connections:
    near = _near(senders, finest)[connections.senders] & _near(receivers, finest)[connections.receivers]
    return Connections(connections.senders[near], connections.receivers[near], connections.features[near])


def _draw_edges(
    axes: "Axes", connections: Connections, senders: Points, receivers: Points, colour: str, width: float
) -> None:
    from matplotlib.collections import LineCollection

    lines = np.stack([senders[connections.senders], receivers[connections.receivers]], axis=1) / 1000
    # round the globe an edge over the map's side would cross the whole of it
    lines = lines[np.abs(lines[:, 0, 0] - lines[:, 1, 0]) <= np.pi * EARTH_RADIUS / 1000]
    step = -(-len(lines) // _MAX_EDGES) if len(lines) else 1
    axes.add_collection(LineCollection(list(lines[::step]), colors=colour, linewidths=width))
    axes.autoscale()

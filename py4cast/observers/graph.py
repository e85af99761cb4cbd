"""Pictures of graphs: the levels of a mesh on the globe or a map, and how cells and nodes hear each other."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from py4cast.grid import EARTH_RADIUS, Grid
from py4cast.models.graph.geometry import geometry_of
from py4cast.models.graph.graph import Connections, Graph
from py4cast.observers.style import INK, LINE, PANEL, SERIES, SOFT, TICK

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["Scene", "draw_graph", "scenes_of"]

_MAX_EDGES = 40_000  # more would be a solid block
_DENSE = (
    3.0  # times that the coarsest cells are as wide as the finest, from which on the fine part has a picture of its own
)
_FROM = (25.0, 10.0)  # above which place a globe without such a part is seen: latitude and longitude
Points = NDArray[np.float64]


@dataclass(frozen=True)
class Scene:
    """Where the things of a graph stand in one view.

    Args:
        name: of the view.
        cells: `(cells, 2)` [km]; NaN for what cannot be seen from there.
        nodes: of each level, `(nodes, 2)` [km].
        coasts: lines, `(points, 2)` [km].
        half: half of the width that is shown [km]; None for all.
        middle: of what is shown [km].
    """

    name: str
    cells: Points
    nodes: Sequence[Points]
    coasts: Sequence[Points] = field(default_factory=list)
    half: float | None = None
    middle: tuple[float, float] = (0.0, 0.0)

    def near(self, points: Points) -> NDArray[np.bool_]:
        """Which points are seen in this view."""
        is_seen = np.isfinite(points).all(axis=1)
        if self.half is None:
            return np.asarray(is_seen)
        return np.asarray(is_seen & (np.abs(points - self.middle).max(axis=1) <= self.half))


def scenes_of(graph: Graph, grid: Grid) -> tuple[list[Scene], Scene]:
    """The views of the levels (all of it; where cells are of several sizes the finest part too), and a close one, three nodes wide.

    Args:
        graph: what is looked at.
        grid: that it was made for.
    """
    geometry = geometry_of(grid)
    cells, nodes = geometry.cells, [geometry.from_plane(places) for places in graph.places]
    if cells.shape[1] == 2:
        whole = Scene("", cells / 1000, [points / 1000 for points in nodes])
        return [whole], _close(whole)
    finest, spacing = _finest_part(grid)
    mean = grid.xyz().reshape(-1, 3).mean(axis=0)
    is_global = bool(np.linalg.norm(mean) < 0.3)
    centre = finest if finest is not None else _unit(*_FROM) if is_global else mean / np.linalg.norm(mean)
    latitude, longitude = np.degrees(np.arcsin(centre[2])), np.degrees(np.arctan2(centre[1], centre[0]))
    place = f"{abs(latitude):.0f}°{'N' if latitude >= 0 else 'S'} {abs(longitude):.0f}°{'E' if longitude >= 0 else 'W'}"
    whole = _above(centre, f"from above {place}", cells, nodes, 1.03 * EARTH_RADIUS / 1000 if is_global else None)
    scenes = [whole]
    if finest is not None:
        scenes.append(Scene(f"the finest part, about {place}", whole.cells, whole.nodes, whole.coasts, spacing / 1000))
    return scenes, _close(whole, (0.0, 0.0))


def _finest_part(grid: Grid) -> tuple[Points | None, float]:
    """The middle of the finest cells, and half of the width that they and their surroundings have [m]; None where all are alike."""
    width = np.sqrt(np.asarray(grid.cell_areas()).ravel())
    low, high = np.quantile(width, [0.05, 0.95])
    # a row by row grid is finest at its poles, which is no part of its own
    if grid.is_rectangular or high < _DENSE * low:
        return None, 0.0
    points = grid.xyz().reshape(-1, 3)[width < 2 * low]
    middle = points.mean(axis=0)
    middle /= np.linalg.norm(middle)
    angles = np.arccos(np.clip(points @ middle, -1, 1))
    return middle, 1.5 * EARTH_RADIUS * float(np.sin(min(np.quantile(angles, 0.98), 1.0)))


def _unit(latitude: float, longitude: float) -> Points:
    lat, lon = np.radians(latitude), np.radians(longitude)
    return np.array([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)])


def _above(centre: Points, name: str, cells: Points, nodes: Sequence[Points], half: float | None) -> Scene:
    """The sphere as it is seen from far above a place (orthographic): x eastward, y northward there."""
    from py4cast.observers.coast import world_lines

    east = np.array([-centre[1], centre[0], 0.0])
    east = east / np.linalg.norm(east) if np.linalg.norm(east) > 1e-9 else np.array([0.0, 1.0, 0.0])
    north = np.cross(centre, east)

    def seen(points: Points) -> Points:
        flat = np.stack([points @ east, points @ north], axis=1) / 1000
        flat[points @ centre < 0] = np.nan
        return flat

    coasts = [
        seen(EARTH_RADIUS * np.stack([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)], axis=1))
        for lon, lat in (np.radians(line).T for line in world_lines())
    ]
    return Scene(name, seen(cells), [seen(points) for points in nodes], coasts, half)


def _close(whole: Scene, middle: tuple[float, float] | None = None) -> Scene:
    """The same a few nodes wide, about a place, by default the middle."""
    finest = whole.nodes[0][np.isfinite(whole.nodes[0]).all(axis=1)]
    if middle is None:
        low, high = finest.min(axis=0), finest.max(axis=0)
        middle = (float((low + high)[0]) / 2, float((low + high)[1]) / 2)
        spacing = float(np.sqrt(np.prod(np.maximum(high - low, 1e-3)) / len(finest)))
    else:
        away = np.sort(np.linalg.norm(finest - middle, axis=1))
        count = min(12, away.size)
        spacing = float(away[count - 1] * np.sqrt(np.pi / count))
    return Scene("", whole.cells, whole.nodes, whole.coasts, 2.2 * spacing, middle)


def draw_graph(graph: Graph, scenes: Sequence[Scene], close: Scene, title: str) -> "Figure":
    """A figure with a panel per level and view, then of grid→mesh and of mesh→grid a close one; x and y in km.

    Args:
        graph: what is drawn.
        scenes: views of the levels.
        close: view of what cells and nodes hear.
        title: of the figure.
    """
    from matplotlib.figure import Figure

    # of a view of a part, the levels that have more there than a line
    levels = [
        (level, scene)
        for scene in scenes
        for level in range(graph.num_levels)
        if scene is scenes[0] or scene.near(scene.nodes[level]).sum() > 3
    ]
    count = len(levels) + 2
    columns = min(3, count)
    rows = -(-count // columns)
    figure = Figure(figsize=(5.2 * columns, 4.6 * rows), layout="constrained")
    axes = list(np.ravel(figure.subplots(rows, columns)))
    for panel, (level, scene) in zip(axes, levels, strict=False):
        same, nodes = graph.same[level], scene.nodes[level]
        _draw_edges(panel, _within(scene, same, nodes, nodes), nodes, nodes, SERIES[0], width=0.6)
        _draw_points(panel, scene, nodes, INK, 2 if len(nodes) < 5000 else 1)
        text = f"level {level}: {len(nodes)} nodes, {same.num_edges} edges"
        panel.set_title(f"{text}\n{scene.name}" if scene.name else text, fontsize=PANEL)
        _frame(panel, scene)
    finest = close.nodes[0]
    pairs = [
        ("grid to mesh", graph.grid_to_mesh, close.cells, finest),
        ("mesh to grid", graph.mesh_to_grid, finest, close.cells),
    ]
    for panel, (name, connections, senders, receivers) in zip(axes[len(levels) :], pairs, strict=False):
        _draw_edges(panel, _within(close, connections, senders, receivers), senders, receivers, SERIES[1], width=0.5)
        _draw_points(panel, close, close.cells, SOFT, 2)
        _draw_points(panel, close, finest, INK, 6)
        panel.set_title(f"{name}: {connections.num_edges} edges (a part)", fontsize=PANEL)
        _frame(panel, close)
    for panel in axes[count:]:
        panel.set_axis_off()
    figure.suptitle(title)
    return figure


def _within(scene: Scene, connections: Connections, senders: Points, receivers: Points) -> Connections:
    near = scene.near(senders)[connections.senders] & scene.near(receivers)[connections.receivers]
    return Connections(connections.senders[near], connections.receivers[near], connections.features[near])


def _draw_points(panel: "Axes", scene: Scene, points: Points, colour: str, size: float) -> None:
    panel.plot(*points[scene.near(points)].T, ".", color=colour, markersize=size)


def _draw_edges(
    panel: "Axes", connections: Connections, senders: Points, receivers: Points, colour: str, width: float
) -> None:
    from matplotlib.collections import LineCollection

    lines = np.stack([senders[connections.senders], receivers[connections.receivers]], axis=1)
    step = -(-len(lines) // _MAX_EDGES) if len(lines) else 1
    panel.add_collection(LineCollection(list(lines[::step]), colors=colour, linewidths=width))


def _frame(panel: "Axes", scene: Scene) -> None:
    """Coasts, limits and equal scales."""
    panel.autoscale()
    across, upward = panel.get_xlim(), panel.get_ylim()
    for line in scene.coasts:
        panel.plot(*line.T, color=SOFT, linewidth=LINE, scalex=False, scaley=False)
    if scene.half is not None:
        across, upward = ((m - scene.half, m + scene.half) for m in scene.middle)
    panel.set_xlim(across)
    panel.set_ylim(upward)
    panel.set_aspect("equal")
    panel.tick_params(labelsize=TICK)

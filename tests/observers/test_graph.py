"""Pictures of graphs: levels on maps and globes, and a part of what cells and nodes hear."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure

from py4cast.formats.reduced import octahedral
from py4cast.grid import EARTH_RADIUS, Grid
from py4cast.models.graph.graph import Connections, Graph, build_graph
from py4cast.models.graph.settings import MeshSettings
from py4cast.observers import graph as module
from py4cast.observers.graph import Scene, draw_graph, scenes_of
from py4cast.stretched import stretched

CELLS = 1e3 * np.array([[x, y] for y in range(6) for x in range(6)], dtype=float)
NODES = 1e3 * np.array([[x, y] for y in (1, 4) for x in (1, 4)], dtype=float)


def joined(senders: list[int], receivers: list[int]) -> Connections:
    features = np.zeros((len(senders), 3), np.float32)
    return Connections(np.array(senders), np.array(receivers), features)


def levels(count: int) -> Graph:
    """Four nodes at every level, joined to the next one round the square."""
    same = joined([0, 1, 3, 2], [1, 3, 2, 0])
    features = np.zeros((4, 2), np.float32)
    nearest = [int(np.linalg.norm(NODES - cell, axis=1).argmin()) for cell in CELLS]
    return Graph(
        36, (features,) * count, (NODES,) * count, joined(list(range(36)), nearest), joined(nearest, list(range(36))),
        (same,) * count,
    )  # fmt: skip


def segments(axes: Any) -> list[Any]:
    (edges,) = axes.collections
    return list(edges.get_segments())


def scene(count: int = 1, cells: Any = CELLS, **further: Any) -> Scene:
    return Scene("", cells / 1e3, [NODES / 1e3] * count, **further)


CLOSE = {"half": 3.3, "middle": (2.5, 2.5)}


@pytest.mark.parametrize(("count", "num_panels"), [(1, 3), (2, 6)])
def test_there_is_a_panel_per_level_and_two_of_the_ways_between(count: int, num_panels: int) -> None:
    figure = draw_graph(levels(count), [scene(count)], scene(count, **CLOSE), "a mesh")
    expected = [f"level {k}: 4 nodes, 4 edges" for k in range(count)]
    expected += ["grid to mesh: 36 edges (a part)", "mesh to grid: 36 edges (a part)"]
    assert [axes.get_title() for axes in figure.axes[: count + 2]] == expected
    assert len(figure.axes) == num_panels and not any(axes.axison for axes in figure.axes[count + 2 :])
    assert figure.get_suptitle() == "a mesh" and all(axes.get_aspect() == 1.0 for axes in figure.axes[: count + 2])


def test_edges_lead_from_sender_to_receiver_in_kilometres() -> None:
    level, _, _ = draw_graph(levels(1), [scene()], scene(**CLOSE), "").axes
    np.testing.assert_allclose(
        segments(level), [[[1, 1], [4, 1]], [[4, 1], [4, 4]], [[4, 4], [1, 4]], [[1, 4], [1, 1]]]
    )
    (nodes,) = level.lines
    np.testing.assert_allclose(np.asarray(nodes.get_xydata()), NODES / 1e3)


def test_the_ways_between_are_drawn_close_by_alone() -> None:
    far = np.concatenate([CELLS, [[9e3, 2e3]]])
    to_far = joined([*range(36), 36], [0] * 37)
    graph = replace(levels(1), num_cells=37, grid_to_mesh=to_far)
    _, up, down = draw_graph(graph, [scene(cells=far)], scene(cells=far, **CLOSE), "").axes
    assert len(segments(up)) == 36 and len(segments(down)) == 36
    assert np.asarray(up.lines[0].get_xydata()).max() == 5.0 and up.get_xlim() == pytest.approx((-0.8, 5.8))
    _, up, _ = draw_graph(levels(1), [scene()], scene(half=1.5, middle=(0.0, 2.5)), "").axes
    assert len(segments(up)) == 8, "both ends lie there"


def test_of_too_many_edges_every_second_is_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_MAX_EDGES", 3)
    axes = Figure().subplots()
    module._draw_edges(axes, joined([0, 1, 3, 2], [1, 3, 2, 0]), NODES / 1e3, NODES / 1e3, "red", 1.0)
    np.testing.assert_allclose(segments(axes), [[[1, 1], [4, 1]], [[4, 4], [1, 4]]])


def test_a_map_has_one_view_and_a_close_one_of_its_middle() -> None:
    grid = Grid.plane(64, 64e3)
    graph = build_graph(grid, MeshSettings(), False)
    (whole,), close = scenes_of(graph, grid)
    assert (whole.half, whole.name) == (None, "") and not whole.coasts
    np.testing.assert_allclose(whole.nodes[0], graph.places[0] / 1e3)
    np.testing.assert_allclose(close.middle, (graph.places[0].min(0) + graph.places[0].max(0)) / 2e3)
    assert 4 <= close.near(close.nodes[0]).sum() <= 36


def test_a_globe_is_seen_from_above_and_its_far_side_is_not() -> None:
    grid = octahedral(32)
    graph = build_graph(grid, MeshSettings(), False)
    (globe,), close = scenes_of(graph, grid)
    assert globe.name == "from above 25°N 10°E" and globe.half == pytest.approx(1.03 * EARTH_RADIUS / 1e3)
    is_seen = np.isfinite(globe.cells).all(axis=1)
    centre = module._unit(25.0, 10.0)
    np.testing.assert_array_equal(is_seen, grid.xyz()[0] @ centre >= 0)
    # straight ahead stands the middle, a quarter turn north of it the upper edge
    np.testing.assert_allclose(globe.cells[is_seen], EARTH_RADIUS / 1e3 * np.stack([
        np.cos(np.radians(grid.latitude[0])) * np.sin(np.radians(grid.longitude[0] - 10)),
        np.cos(np.radians(25)) * np.sin(np.radians(grid.latitude[0]))
        - np.sin(np.radians(25)) * np.cos(np.radians(grid.latitude[0])) * np.cos(np.radians(grid.longitude[0] - 10)),
    ], axis=1)[is_seen], atol=1e-6)  # fmt: skip
    assert sum(np.isfinite(line).all() for line in globe.coasts) > 100
    figure = draw_graph(graph, [globe], close, "")
    assert len(segments(figure.axes[0])) < graph.same[0].num_edges, "edges over the far side are left out"


def test_the_fine_part_of_a_stretched_grid_has_a_view_of_its_own() -> None:
    region = Grid(np.arange(64, 56, -0.25), np.arange(2, 14, 0.5))
    grid, _ = stretched([region, octahedral(32)], 60)
    graph = build_graph(grid, MeshSettings(), True)
    (globe, fine), close = scenes_of(graph, grid)
    assert globe.name == "from above 60°N 8°E" and fine.name == "the finest part, about 60°N 8°E"
    assert fine.half is not None and 500 < fine.half < 1500 and fine.near(fine.cells).sum() > region.cell_areas().size
    panels = draw_graph(graph, [globe, fine], close, "").axes
    of_levels = [p.get_title() for p in panels if p.get_title().startswith("level")]
    assert [t.split(":")[0] for t in of_levels[: graph.num_levels]] == [f"level {k}" for k in range(graph.num_levels)]
    assert all("finest part" in t for t in of_levels[graph.num_levels :]) and len(of_levels) > graph.num_levels
    assert len(of_levels) < 2 * graph.num_levels, "coarse levels have nothing there"
    assert close.half is not None and close.half < fine.half

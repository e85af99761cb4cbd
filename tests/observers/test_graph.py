"""Pictures of graphs: levels, and the middle of what cells and nodes hear."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure

from py4cast.grid import EARTH_RADIUS
from py4cast.models.graph.graph import Connections, Graph
from py4cast.observers import graph as module
from py4cast.observers.graph import draw_graph

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


@pytest.mark.parametrize(("count", "num_panels"), [(1, 3), (2, 6)])
def test_there_is_a_panel_per_level_and_two_of_the_ways_between(count: int, num_panels: int) -> None:
    figure = draw_graph(levels(count), CELLS, "a mesh")
    expected = [f"level {k}: 4 nodes, 4 edges" for k in range(count)]
    expected += ["grid to mesh: 36 edges (centre)", "mesh to grid: 36 edges (centre)"]
    assert [axes.get_title() for axes in figure.axes[: count + 2]] == expected
    assert len(figure.axes) == num_panels and not any(axes.axison for axes in figure.axes[count + 2 :])
    assert figure.get_suptitle() == "a mesh" and all(axes.get_aspect() == 1.0 for axes in figure.axes)


def test_edges_lead_from_sender_to_receiver_in_kilometres() -> None:
    level, _, _ = draw_graph(levels(1), CELLS, "").axes
    np.testing.assert_allclose(
        segments(level), [[[1, 1], [4, 1]], [[4, 1], [4, 4]], [[4, 4], [1, 4]], [[1, 4], [1, 1]]]
    )
    (nodes,) = level.lines
    np.testing.assert_allclose(np.asarray(nodes.get_xydata()), NODES / 1e3)


def test_the_ways_between_are_drawn_in_the_middle_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    # nodes span 3 km: with four of them a spacing is 1.5 km, and the middle reaches 3.3 km from (2.5, 2.5)
    far = np.concatenate([CELLS, [[9e3, 2e3]]])
    to_far = joined([*range(36), 36], [0] * 37)
    _, up, down = draw_graph(replace(levels(1), num_cells=37, grid_to_mesh=to_far), far, "").axes
    assert len(segments(up)) == 36 and len(segments(down)) == 36
    assert np.asarray(up.lines[0].get_xydata()).max() == 5.0
    monkeypatch.setattr(module, "_near", lambda points, finest: points[:, 0] < 1500.0)
    _, up, _ = draw_graph(levels(1), CELLS, "").axes
    assert len(segments(up)) == 12, "both ends lie there"


def test_edges_over_the_side_of_the_map_are_left_out() -> None:
    half = np.pi * EARTH_RADIUS
    places = np.array([[-0.9 * half, 0.0], [0.9 * half, 0.0], [0.0, 0.0], [0.2 * half, 0.0]])
    axes = Figure().subplots()
    module._draw_edges(axes, joined([0, 1, 3, 2], [1, 3, 2, 0]), places, places, "red", 1.0)
    ends = np.array(segments(axes))[:, :, 0] * 1e3 / half
    np.testing.assert_allclose(ends, [[0.9, 0.2], [0.2, 0.0], [0.0, -0.9]], atol=1e-9)


def test_of_too_many_edges_every_second_is_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_MAX_EDGES", 3)
    axes = Figure().subplots()
    module._draw_edges(axes, joined([0, 1, 3, 2], [1, 3, 2, 0]), NODES, NODES, "red", 1.0)
    np.testing.assert_allclose(segments(axes), [[[1, 1], [4, 1]], [[4, 4], [1, 4]]])

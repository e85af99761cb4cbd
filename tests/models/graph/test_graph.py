"""Graphs against what they must be on any grid: covered, connected, symmetric, nested, and the same every time."""

from itertools import pairwise

import numpy as np
import pytest

from py4cast.errors import SettingsError
from py4cast.grid import EARTH_RADIUS, Grid
from py4cast.models.graph.graph import Connections, build_graph
from py4cast.models.graph.mesh import icosahedral_mesh, integer_log, spacing_in_step
from py4cast.models.graph.settings import GraphSettings


def projected(rows: int, columns: int, dx: float = 2500.0) -> Grid:
    y, x = 1e6 + np.arange(rows) * 2500.0, -4e5 + np.arange(columns) * dx
    lat = np.broadcast_to(np.linspace(45, 47, rows)[:, None], (rows, columns))
    lon = np.broadcast_to(np.linspace(0, 3, columns)[None], (rows, columns))
    return Grid(lat, lon, x, y, {"grid_mapping_name": "lambert_conformal_conic"})


def regional(rows: int, columns: int) -> Grid:
    return Grid(np.linspace(70, 35, rows), np.linspace(-20, 40, columns))


def curvilinear(rows: int, columns: int) -> Grid:
    turned = regional(rows, columns)
    return Grid(turned.latitude_2d() + 0.1 * turned.longitude_2d(), turned.longitude_2d())


def globe(rows: int = 61, columns: int = 120) -> Grid:
    return Grid(np.linspace(90, -90, rows), np.arange(columns) * 360 / columns)


GRIDS = {
    "odd": projected(17, 23), "even": projected(64, 64), "flat": projected(30, 180), "tall": projected(100, 11), "stretched": projected(40, 60, 9000.0),
    "latlon": regional(60, 110), "turned": curvilinear(41, 52), "narrow": projected(2, 50), "globe": globe(), "small globe": globe(9, 18),
}  # fmt: skip


def keys(c: Connections) -> set[tuple[int, int]]:
    return set(zip(c.senders.tolist(), c.receivers.tolist(), strict=True))


@pytest.mark.parametrize("name", GRIDS)
@pytest.mark.parametrize("is_hierarchical", [False, True])
def test_every_graph(name: str, is_hierarchical: bool) -> None:
    grid = GRIDS[name]
    graph = build_graph(grid, GraphSettings(), is_hierarchical)
    cells = grid.shape[0] * grid.shape[1]
    assert set(graph.grid_to_mesh.senders) == set(range(cells)), "every cell is heard"
    assert set(graph.grid_to_mesh.receivers) == set(range(len(graph.nodes[0]))), "every node hears"
    degree = np.bincount(graph.mesh_to_grid.receivers, minlength=cells)
    assert (degree == min(4, len(graph.nodes[0]))).all()
    for connections, num_senders, num_receivers in graph.sets().values():
        assert (np.diff(connections.receivers) >= 0).all() and len(keys(connections)) == connections.num_edges
        assert connections.senders.max() < num_senders and connections.receivers.max() < num_receivers
        lengths, parts = connections.features[:, 0], connections.features[:, 1:]
        assert np.isfinite(connections.features).all()
        assert (np.linalg.norm(parts, axis=1) <= lengths * (1 + 1e-5) + 1e-6).all()
    for same in graph.same:
        pairs = keys(same)
        assert {(b, a) for a, b in pairs} == pairs and not any(a == b for a, b in pairs)
    longest = max(float(c.features[:, 0].max()) for c in graph.same)
    assert longest == pytest.approx(1, abs=1e-6)
    for up, down, finer in zip(graph.up, graph.down, graph.nodes, strict=False):
        assert keys(up) == {(b, a) for a, b in keys(down)} and set(up.senders) == set(range(len(finer)))
    assert all(np.abs(nodes).max() <= 1 for nodes in graph.nodes)


def test_the_nearest_nodes_are_the_nearest() -> None:
    grid = projected(31, 40)
    graph = build_graph(grid, GraphSettings(), False)
    cells = np.stack([np.tile(grid.x, 31), np.repeat(grid.y, 40)], 1)
    distances = np.linalg.norm(cells[:, None] - graph.places[0][None], axis=2)
    found = distances[graph.mesh_to_grid.receivers, graph.mesh_to_grid.senders].reshape(-1, 4)
    assert np.allclose(np.sort(found, 1), np.sort(distances, 1)[:, :4])


def test_features_are_length_and_difference_over_the_longest_edge() -> None:
    graph = build_graph(projected(31, 40), GraphSettings(), False)
    places, same = graph.places[0], graph.same[0]
    vectors = places[same.senders] - places[same.receivers]
    lengths = np.linalg.norm(vectors, axis=1)
    assert np.allclose(same.features, np.column_stack([lengths, vectors]) / lengths.max(), atol=1e-6)


def test_on_the_sphere_components_point_east_and_north() -> None:
    grid = regional(40, 60)
    graph = build_graph(grid, GraphSettings(mesh_levels=1), False)
    same, places = graph.same[0], graph.places[0]
    east = np.flatnonzero(np.isclose(places[same.senders, 1], places[same.receivers, 1]) & (places[same.senders, 0] > places[same.receivers, 0]))  # fmt: skip
    north = np.flatnonzero(np.isclose(places[same.senders, 0], places[same.receivers, 0]) & (places[same.senders, 1] > places[same.receivers, 1]))  # fmt: skip
    assert (same.features[east, 1] > 0.9 * same.features[east, 0]).all()
    assert (same.features[north, 2] > 0.9 * same.features[north, 0]).all()


def test_flat_graphs_hold_the_edges_of_all_levels() -> None:
    flat, levels = (build_graph(projected(90, 90), GraphSettings(), h) for h in (False, True))
    sizes = [c.num_edges for c in levels.same]
    assert len(sizes) == 3 and flat.same[0].num_edges == sum(sizes)
    one = build_graph(projected(90, 90), GraphSettings(mesh_levels=1), False)
    assert one.same[0].num_edges == sizes[0] and keys(one.same[0]) < keys(flat.same[0])


@pytest.mark.parametrize(("num_cells", "count", "expected"), [(64, 9, 7.0), (128, 27, 4.75), (268, 81, 10 / 3), (49, 9, 5.5), (17, 3, 16 / 3)])  # fmt: skip
def test_spacing_in_step(num_cells: int, count: int, expected: float) -> None:
    spacing = spacing_in_step(num_cells, count)
    assert spacing == pytest.approx(expected)
    assert 0 <= count * spacing - (num_cells - 1) < spacing


def test_edges_repeat_where_nodes_stand_in_step_with_cells() -> None:
    graph = build_graph(projected(128, 128), GraphSettings(), False)
    different = np.unique(np.round(graph.mesh_to_grid.features, 6), axis=0)
    # 19 places of a cell between nodes 4.75 cells apart, along either axis, and what the rim adds
    assert graph.mesh_to_grid.num_edges == 4 * 128 * 128 and len(different) < 4 * 25 * 25
    low, high = graph.places[0].min(0), graph.places[0].max(0)
    assert (low >= [-4e5, 1e6]).all() and (high <= [-4e5 + 127 * 2500, 1e6 + 127 * 2500]).all()


def test_the_icosahedron() -> None:
    levels = icosahedral_mesh(3, 4)
    for step, level in enumerate(reversed(levels)):
        assert len(level.points) == 10 * 4**step + 2 and level.edges.shape[1] == 2 * 30 * 4**step
        assert np.allclose(np.linalg.norm(level.points, axis=1), EARTH_RADIUS)
        degree = np.bincount(level.edges[1])
        assert sorted(set(degree.tolist())) == ([5] if step == 0 else [5, 6]) and (degree == 5).sum() == 12
    for fine, coarse in pairwise(levels):
        assert np.array_equal(fine.points[coarse.twins], coarse.points)
        a, b = fine.parents
        angle = np.linalg.norm(fine.points[a] - coarse.points[b], axis=1) / EARTH_RADIUS
        assert (np.bincount(a) <= 2).all() and angle.max() < 0.7


@pytest.mark.parametrize(("value", "expected"), [(1, 0), (2, 0), (3, 1), (80, 3), (81, 4), (242, 4), (243, 5)])
def test_integer_log(value: int, expected: int) -> None:
    assert integer_log(value, 3) == expected


def test_the_same_grid_gives_the_same_graph() -> None:
    first, again = (build_graph(projected(64, 64), GraphSettings(), True).pack() for _ in range(2))
    assert all(np.array_equal(first[k], again[k]) for k in first)


@pytest.mark.parametrize(
    ("grid", "settings", "message"),
    [
        (projected(5, 7), {}, "a grid of 5 x 7 cells is too small for a mesh; expected at least 2 x 9"),
        (projected(64, 64), {"mesh_levels": 5}, "mesh_levels 5: the grid of 64 x 64 cells carries 2 at this spacing"),
        (projected(64, 64), {"mesh": "icosahedral"}, "for grids round the globe; expected 'rectangular'"),
        (globe(), {"mesh": "rectangular"}, "would have a seam on a grid round the globe; expected 'icosahedral'"),
        (globe(4, 8), {}, "too small for an icosahedral mesh; expected at least 108 cells"),
        (globe(9, 180), {"mesh_spacing": 1.2}, r"nodes hear no cell, it is finer than the grid; expected a larger mesh_spacing"),
    ],
)  # fmt: skip
def test_wrong_meshes_are_refused(grid: Grid, settings: dict, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        build_graph(grid, GraphSettings(**settings), False)


@pytest.mark.parametrize(
    ("settings", "message"),
    [({"hidden_dims": 0}, "hidden_dims must be at least 1"), ({"mesh_levels": 0}, "mesh_levels must be at least 1"),
     ({"mesh_spacing": 0.5}, "mesh_spacing must be at least 1 cell"), ({"mesh_spacing": 4.0, "mesh": "neural_lam"}, "no effect")],
)  # fmt: skip
def test_wrong_settings_are_refused(settings: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        GraphSettings(**settings)


def test_spacing_is_what_was_asked_for() -> None:
    for shape in ((64, 64), (200, 120), (301, 97)):
        graph = build_graph(projected(*shape), GraphSettings(mesh_spacing=4.0), False)
        per_node = shape[0] * shape[1] / len(graph.nodes[0])
        assert 9 < per_node < 25

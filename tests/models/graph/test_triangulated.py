"""Meshes of points on the sphere: no place is unheard, crowds have more nodes, regions have no others."""

import numpy as np
import pytest

from py4cast.errors import SettingsError
from py4cast.formats.reduced import healpix, octahedral
from py4cast.grid import EARTH_RADIUS, Grid
from py4cast.models.graph.graph import build_graph
from py4cast.models.graph.settings import MeshSettings
from py4cast.models.graph.triangulated import triangulated_mesh

O16 = octahedral(16)


def region() -> tuple[np.ndarray, np.ndarray]:
    """A box of points at half a degree, across the meridian of Greenwich."""
    lat, lon = np.meshgrid(np.linspace(40, 60, 41), np.linspace(-10, 10, 41), indexing="ij")
    return lat.ravel(), lon.ravel()


def stretched() -> Grid:
    lat, lon = region()
    far = (np.abs(O16.latitude[0] - 50) > 12) | (np.abs((O16.longitude[0] + 180) % 360 - 180) > 14)
    return Grid.points(
        np.concatenate([lat, O16.latitude[0][far]]), np.concatenate([lon, O16.longitude[0][far]]), name="stretched"
    )


@pytest.mark.parametrize("kind", ["octahedral", "healpix"])
def test_no_place_of_the_globe_is_unheard(kind: str) -> None:
    nodes = (octahedral(6) if kind == "octahedral" else healpix(5)).xyz()[0]
    (level,) = triangulated_mesh([nodes])
    places = np.random.default_rng(0).standard_normal((20_000, 3))
    places *= EARTH_RADIUS / np.linalg.norm(places, axis=1, keepdims=True)
    distance = np.linalg.norm(places[:, None] - level.points[None], axis=2)
    assert (distance <= level.radius).any(1).all()
    # Euler: a triangulated sphere of N nodes has 3N − 6 edges
    assert level.edges.shape[1] == 2 * (3 * len(nodes) - 6)


@pytest.mark.parametrize(
    ("mesh", "counts"),
    [("icosahedral", [162, 42, 12]), ("octahedral", [208, 88, 40]), ("healpix", [192, 48, 12])],
)
def test_even_meshes_of_an_octahedral_grid(mesh: str, counts: list[int]) -> None:
    grid = octahedral(18)
    graph = build_graph(grid, MeshSettings(mesh=mesh), True)
    assert [len(nodes) for nodes in graph.nodes][:3] == counts
    assert set(graph.grid_to_mesh.senders) == set(range(grid.shape[1]))
    assert set(graph.grid_to_mesh.receivers) == set(range(counts[0]))
    for up, finer, coarser in zip(graph.up, graph.nodes, graph.nodes[1:], strict=False):
        assert set(up.senders) == set(range(len(finer))) and set(up.receivers) == set(range(len(coarser)))
        ends = finer[up.senders] * coarser[up.receivers]
        assert ends.sum(1).min() > 0.3, "parents are near"


def test_octahedral_nodes_stand_in_the_order_of_their_rows() -> None:
    graph = build_graph(octahedral(18), MeshSettings(mesh="octahedral"), False)
    z, x, y = graph.nodes[0][graph.order][:, [2, 0, 1]].T
    ends = np.flatnonzero(np.abs(np.diff(z)) > 1e-4)
    assert ends.size == 2 * 4 - 1, "O4 has eight rows"
    assert (np.diff(z)[ends] < 0).all(), "north first"
    first_row = np.unwrap(np.arctan2(y, x)[: ends[0] + 1])
    assert (np.diff(first_row) > 0).all()


def test_where_points_crowd_nodes_do() -> None:
    grid = stretched()
    graph = build_graph(grid, MeshSettings(), False)
    nodes = graph.nodes[0]
    lat = np.rad2deg(np.arcsin(nodes[:, 2]))
    lon = np.rad2deg(np.arctan2(nodes[:, 1], nodes[:, 0]))
    inside = (np.abs(lat - 50) < 10) & (np.abs(lon) < 10)
    # the box is 0.35 % of the globe's area
    assert inside.sum() > 20 * 0.0035 * len(nodes)
    assert set(graph.grid_to_mesh.senders) == set(range(grid.shape[1]))
    degree = np.bincount(graph.grid_to_mesh.receivers)
    assert degree.min() >= 1 and degree.size == len(nodes)


def test_a_region_has_nodes_where_its_points_are() -> None:
    lat, lon = region()
    grid = Grid.points(lat, lon)
    for is_hierarchical in (False, True):
        graph = build_graph(grid, MeshSettings(), is_hierarchical)
        places = np.rad2deg(np.arcsin(graph.nodes[0][:, 2]))
        assert places.min() > 30 and places.max() < 70
        assert set(graph.grid_to_mesh.senders) == set(range(grid.shape[1]))
        for kind in (*graph.up, *graph.down, *graph.same):
            assert kind.num_edges > 0
    with pytest.raises(SettingsError, match="mesh 'healpix' is even round the globe; these points are not"):
        build_graph(grid, MeshSettings(mesh="healpix"), False)


def test_edges_by_nearness_and_both() -> None:
    cut, nearest, both = (
        build_graph(O16, MeshSettings(mesh_edges=kind, num_nearest=3), False) for kind in ("cutoff", "nearest", "both")
    )

    def pairs(graph) -> set:
        edges = graph.grid_to_mesh
        return set(zip(edges.senders.tolist(), edges.receivers.tolist(), strict=True))

    assert pairs(both) == pairs(cut) | pairs(nearest)
    assert np.bincount(nearest.grid_to_mesh.senders).min() >= 3 <= np.bincount(nearest.grid_to_mesh.receivers).min()
    assert nearest.mesh_to_grid.num_edges == 3 * O16.shape[1]

"""Levels of meshes: where their nodes stand, who neighbours whom, and how far they listen."""

from itertools import pairwise

import numpy as np
import pytest

from py4cast.grid import EARTH_RADIUS, Grid
from py4cast.models.graph.geometry import Geometry, geometry_of
from py4cast.models.graph.mesh import icosahedral_mesh, rectangular_mesh, spacing_in_step


def plane(rows: int, columns: int, dy: float = 1000.0, dx: float = 1000.0) -> Geometry:
    lat, lon = np.meshgrid(np.linspace(45, 46, rows), np.linspace(0, 1, columns), indexing="ij")
    projection = {"grid_mapping_name": "lambert_conformal_conic"}
    return geometry_of(Grid(lat, lon, np.arange(float(columns)) * dx, np.arange(float(rows)) * dy, projection))


def test_nodes_stand_in_the_middles_of_boxes_that_stick_out_alike() -> None:
    # 13 cells cover 12 km; three boxes of 5 km stick out by 1.5 km on both sides
    (level,) = rectangular_mesh(plane(13, 10), (3, 3), 1, (5.0, 3.0))
    y, x = [1.0e3, 6.0e3, 11.0e3], [1.5e3, 4.5e3, 7.5e3]
    expected = [(east, north) for north in y for east in x]
    np.testing.assert_allclose(level.points, expected)
    assert level.parents.shape == (2, 0) and level.twins.size == 0


@pytest.mark.parametrize(("rows", "columns"), [(3, 3), (9, 3), (1, 9)])
def test_every_node_neighbours_those_that_touch_it(rows: int, columns: int) -> None:
    (level,) = rectangular_mesh(plane(30, 30), (rows, columns), 1, (3.0, 3.0))
    straight = rows * (columns - 1) + columns * (rows - 1)
    assert level.edges.shape == (2, 2 * (straight + 2 * (rows - 1) * (columns - 1)))
    place = np.stack(np.divmod(np.arange(rows * columns), columns), 1)
    apart = np.abs(place[level.edges[0]] - place[level.edges[1]]).max(1)
    assert set(apart.tolist()) == {1} and np.unique(level.edges, axis=1).shape == level.edges.shape


def test_a_parent_stands_on_the_middle_one_of_its_nine_children() -> None:
    fine, coarse = rectangular_mesh(plane(28, 10), (9, 3), 2, (3.0, 3.0))
    assert len(fine.points) == 27 and len(coarse.points) == 3
    assert np.bincount(fine.parents[1]).tolist() == [9, 9, 9] and sorted(fine.parents[0]) == list(range(27))
    for parent in range(3):
        children = fine.points[fine.parents[0][fine.parents[1] == parent]]
        np.testing.assert_allclose(children.mean(0), coarse.points[parent])
    assert coarse.twins.tolist() == [4, 13, 22]
    np.testing.assert_allclose(fine.points[coarse.twins], coarse.points)


def test_a_node_listens_to_its_box_and_a_little_more() -> None:
    # corners of the middle box are 1.5 km and 2 km away: 2.5 km, with 2 % more
    (level,) = rectangular_mesh(plane(10, 13), (3, 3), 1, (3.0, 4.0))
    assert level.radius[4] == pytest.approx(1.02 * 2.5e3)


def test_a_node_listens_within_a_share_of_the_spacing_along_x() -> None:
    (level,) = rectangular_mesh(plane(10, 13, dx=2000.0), (3, 3), 1, (3.0, 4.0), radius_factor=0.67)
    np.testing.assert_allclose(level.radius, 0.67 * 8e3)


def test_a_fraction_that_does_not_repeat_often_enough_is_left_for_the_least_spacing() -> None:
    assert spacing_in_step(10, 3) == 3.0, "three boxes of 3 cells, thrice in 10"
    assert spacing_in_step(9, 3) == pytest.approx(8 / 3), "not thrice in 9"


def test_an_icosahedron_has_the_edge_of_its_formula_and_listens_within_six_tenths_of_it() -> None:
    (level,) = icosahedral_mesh(0, 1)
    edge = EARTH_RADIUS * 4 / np.sqrt(10 + 2 * np.sqrt(5))
    lengths = np.linalg.norm(level.points[level.edges[0]] - level.points[level.edges[1]], axis=1)
    np.testing.assert_allclose(lengths, edge)
    np.testing.assert_allclose(level.radius, 0.6 * edge)
    np.testing.assert_allclose(level.points[[0, -1]], [[0, 0, EARTH_RADIUS], [0, 0, -EARTH_RADIUS]])
    np.testing.assert_allclose(level.points.sum(0), 0.0, atol=1e-6)


def test_a_node_of_a_halved_edge_has_its_two_ends_for_parents() -> None:
    fine, coarse = icosahedral_mesh(1, 2)
    node, parent = fine.parents
    assert np.bincount(node).tolist() == [1] * 12 + [2] * 30
    assert np.array_equal(parent[:12], np.arange(12)) and np.array_equal(coarse.twins, np.arange(12))
    for middle in range(12, 42):
        ends = coarse.points[parent[node == middle]]
        halfway = ends.sum(0) / np.linalg.norm(ends.sum(0))
        np.testing.assert_allclose(fine.points[middle], EARTH_RADIUS * halfway, atol=1e-6)
    assert np.bincount(parent).tolist() == [6] * 12, "itself and its five edges"


def test_levels_asked_for_are_the_finest_ones() -> None:
    levels = icosahedral_mesh(3, 2)
    assert [len(level.points) for level in levels] == [642, 162]
    assert levels[-1].parents.size == 0 and levels[0].twins.size == 0
    for level in levels:
        both = {tuple(pair) for pair in level.edges.T.tolist()}
        assert {(b, a) for a, b in both} == both and len(both) == level.edges.shape[1]
    assert all(fine.radius[0] < coarse.radius[0] for fine, coarse in pairwise(levels))


def test_no_place_of_the_sphere_is_unheard() -> None:
    (level,) = icosahedral_mesh(1, 1)
    places = np.random.default_rng(0).standard_normal((500, 3))
    places *= EARTH_RADIUS / np.linalg.norm(places, axis=1, keepdims=True)
    nearest = np.linalg.norm(places[:, None] - level.points[None], axis=2).min(1)
    assert (nearest < level.radius[0]).all()

"""Places of coasts on axes and grids, by hand."""

import numpy as np
import pytest

from py4cast.grid import Grid
from py4cast.observers import coast
from py4cast.observers.coast import coastlines

Line = np.ndarray


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_fractions_of_an_axis_are_linear_and_go_on_beyond_it(sign: float) -> None:
    axis = sign * np.array([10.0, 12.0, 16.0])
    values = sign * np.array([10.0, 11.0, 14.0, 16.0, 7.0, 19.0])
    np.testing.assert_allclose(coast._fraction(axis, values), [0.0, 0.5, 1.5, 2.0, -1.0, 3.0])


def test_an_axis_of_one_value_has_a_step_of_its_own() -> None:
    np.testing.assert_allclose(coast._fraction(np.array([5.0]), np.array([5.0, 7.0])), [0.0, 2.0])


def test_a_line_is_cut_where_it_leaves_the_grid_and_where_it_jumps() -> None:
    places = np.array([[0.0, 0], [1, 0], [2, 0], [30, 0], [3, 1], [4, 1], [15, 1], [16, 1], [np.nan, 1], [17, 1]])
    parts = coast._inside(places, (5, 20))
    assert [part[:, 0].tolist() for part in parts] == [[0.0, 1.0, 2.0], [3.0, 4.0], [15.0, 16.0]]


def test_cells_reach_half_a_cell_beyond_their_middles() -> None:
    places = np.array([[-0.6, 1], [-0.4, 1], [2.4, 1], [2.6, 1]])
    (part,) = coast._inside(places, (3, 3))
    assert part[:, 0].tolist() == [-0.4, 2.4]


def test_the_mean_longitude_knows_no_turn() -> None:
    assert coast._middle(np.array([350.0, 10.0])) == pytest.approx(0.0, abs=1e-9)
    assert coast._middle(np.array([[179.0, -179.0]])) % 360 == pytest.approx(180.0)


def test_longitudes_are_taken_about_the_middle_of_the_grid() -> None:
    grid = Grid(np.array([10.0, 0.0]), np.array([170.0, 180.0, 190.0]))
    places = coast._places(grid, np.array([[-175.0, 5.0], [172.0, 10.0], [-170.0, 0.0]]))
    assert places is not None
    np.testing.assert_allclose(places, [[1.5, 0.5], [0.2, 0.0], [2.0, 1.0]])


@pytest.mark.parametrize(
    "projection", [{"grid_mapping_name": "unknown"}, {"grid_mapping_name": "orthographic_of_mars"}]
)
def test_a_projection_that_is_not_known_has_no_places(projection: dict[str, str]) -> None:
    lat, lon = np.meshgrid(np.linspace(50, 49, 3), np.linspace(-6, -5, 4), indexing="ij")
    grid = Grid(lat, lon, np.arange(0.0, 4e3, 1e3), np.arange(0.0, 3e3, 1e3), projection)
    assert coast._places(grid, np.array([[-5.5, 50.0]])) is None and coastlines(grid) == []


def test_antarctica_has_no_coast_along_the_side_of_the_map() -> None:
    globe = Grid(np.linspace(90, -90, 37), np.arange(0.0, 360.0, 5.0))
    latitudes = np.concatenate([90 - 5 * line[:, 1] for line in coastlines(globe)])
    assert latitudes.min() > -89 and latitudes.min() < -75


def test_the_world_is_in_degrees_and_its_lines_are_of_points() -> None:
    world = coast.world_lines()
    points = np.concatenate(world)
    assert np.abs(points[:, 0]).max() <= 180.01 and np.abs(points[:, 1]).max() <= 90.01
    assert coast.world_lines() is world, "read once"


def test_the_coasts_of_the_last_eight_grids_are_kept() -> None:
    grids = [Grid(np.array([1.0, 0.0]), np.array([0.0, 1.0]) + k) for k in range(9)]
    first = coastlines(grids[0])
    assert coastlines(Grid(np.array([1.0, 0.0]), np.array([0.0, 1.0]))) is first
    for grid in grids[1:]:
        coastlines(grid)
    assert len(coast._KEPT) == 8 and grids[0].fingerprint() not in coast._KEPT

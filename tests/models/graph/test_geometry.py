"""Places and distances on a map's plane and on the sphere, between cells too."""

import numpy as np
import pytest

from py4cast.formats.reduced import octahedral
from py4cast.grid import EARTH_RADIUS, Grid
from py4cast.models.graph.geometry import Plane, Sphere, geometry_of

LAT, LON = np.array([50.0, 49.0, 47.0]), np.array([170.0, 180.0, -170.0, -160.0])


def projected() -> Grid:
    lat, lon = np.meshgrid(LAT, np.arange(4.0), indexing="ij")
    x, y = np.array([0.0, 10.0, 20.0, 40.0]), np.array([5.0, 3.0, -1.0])
    return Grid(lat, lon, x, y, {"grid_mapping_name": "lambert_conformal_conic"})


def unit(latitude: float, longitude: float) -> list[float]:
    phi, lam = np.deg2rad([latitude, longitude])
    return [np.cos(phi) * np.cos(lam), np.cos(phi) * np.sin(lam), np.sin(phi)]


def test_a_grid_with_x_and_y_is_a_plane_and_others_a_sphere() -> None:
    assert isinstance(geometry_of(projected()), Plane)
    lat, lon = np.meshgrid(LAT, LON, indexing="ij")
    for grid in (Grid(LAT, LON), Grid(lat, lon)):
        assert isinstance(geometry_of(grid), Sphere)


def test_cells_of_a_plane_run_row_by_row_in_x_and_y() -> None:
    geometry = geometry_of(projected())
    assert geometry.cells.tolist() == [[x, y] for y in (5.0, 3.0, -1.0) for x in (0.0, 10.0, 20.0, 40.0)]
    assert geometry.spacing == pytest.approx((3.0, 40 / 3)), "the mean of each axis, whatever its direction"
    assert geometry.plane(geometry.cells) is not None and np.array_equal(geometry.plane(geometry.cells), geometry.cells)


def test_between_the_cells_of_a_plane_places_are_linear() -> None:
    points = geometry_of(projected()).at(np.array([0.5, 1.25]), np.array([2.5, 0.1]))
    np.testing.assert_allclose(points, [[30.0, 4.0], [1.0, 2.0]])


def test_differences_on_a_plane_lead_from_receiver_to_sender() -> None:
    features = geometry_of(projected()).differences(np.array([[4.0, 1.0]]), np.array([[1.0, 5.0]]))
    assert features.tolist() == [[5.0, 3.0, -4.0]]


def test_cells_of_a_sphere_are_at_their_latitude_and_longitude() -> None:
    geometry = geometry_of(Grid(LAT, LON))
    np.testing.assert_allclose(geometry.cells, [EARTH_RADIUS * np.array(unit(p, m)) for p in LAT for m in LON])
    assert geometry.spacing == Grid(LAT, LON).spacing()


def test_between_columns_longitudes_run_on_across_180_degrees() -> None:
    points = geometry_of(Grid(LAT, LON)).at(np.array([1.5, 0.0]), np.array([1.5, 0.5]))
    np.testing.assert_allclose(points, [EARTH_RADIUS * np.array(unit(*p)) for p in ((48.0, -175.0), (50.0, 175.0))])


def test_between_the_cells_of_a_turned_grid_places_are_bilinear_on_the_sphere() -> None:
    lat = np.array([[10.0, 12.0], [20.0, 23.0]])
    lon = np.array([[0.0, 9.0], [-2.0, 8.0]])
    geometry = geometry_of(Grid(lat, lon))
    corners = np.array([[unit(lat[i, j], lon[i, j]) for j in (0, 1)] for i in (0, 1)])
    weights = np.array([[0.75 * 0.4, 0.75 * 0.6], [0.25 * 0.4, 0.25 * 0.6]])
    mean = (weights[..., None] * corners).sum((0, 1))
    (point,) = geometry.at(np.array([0.25]), np.array([0.6]))
    np.testing.assert_allclose(point, EARTH_RADIUS * mean / np.linalg.norm(mean))
    np.testing.assert_allclose(geometry.cells, EARTH_RADIUS * corners.reshape(4, 3))


def test_a_turned_grid_of_one_row_has_places_along_it() -> None:
    geometry = geometry_of(Grid(np.zeros((1, 3)), np.array([[0.0, 10.0, 20.0]])))
    points = geometry.at(np.array([0.0, 0.0]), np.array([1.0, 1.5]))
    np.testing.assert_allclose(points, EARTH_RADIUS * np.array([unit(0, 10), unit(0, 15)]), atol=1e-6)


@pytest.mark.parametrize(
    ("sender", "receiver", "east", "north"),
    [((0, 1), (0, 0), 1.0, 0.0), ((1, 0), (0, 0), 0.0, 1.0), ((60, 31), (60, 30), 0.5, 0.0), ((0, -179.5), (0, 179.5), 1.0, 0.0)],
)  # fmt: skip
def test_components_on_the_sphere_are_eastward_and_northward(
    sender: tuple[float, float], receiver: tuple[float, float], east: float, north: float
) -> None:
    degree = EARTH_RADIUS * np.pi / 180
    points = [EARTH_RADIUS * np.array([unit(*p)]) for p in (sender, receiver)]
    ((length, eastward, northward),) = geometry_of(Grid(LAT, LON)).differences(*points) / degree
    assert (eastward, northward) == pytest.approx((east, north), abs=0.01)
    assert length == pytest.approx(np.linalg.norm(points[0] - points[1]) / degree)


def test_at_a_pole_east_is_where_it_is_at_longitude_0() -> None:
    pole = EARTH_RADIUS * np.array([[0.0, 0.0, 1.0]])
    senders = EARTH_RADIUS * np.array([unit(89.0, 90.0), unit(89.0, 180.0)])
    parts = geometry_of(Grid(LAT, LON)).differences(senders, np.repeat(pole, 2, axis=0))[:, 1:] / EARTH_RADIUS
    np.testing.assert_allclose(parts, np.sin(np.deg2rad(1.0)) * np.array([[1.0, 0.0], [0.0, 1.0]]), atol=1e-12)


def test_the_sphere_is_laid_on_a_plane_about_the_middle_of_the_grid() -> None:
    # rows at 60 N and 0 N, columns about 180 E: the middle is that of the unit vectors
    grid = Grid(np.array([60.0, 0.0]), np.array([175.0, -175.0]))
    geometry = geometry_of(grid)
    middle = grid.xyz().reshape(-1, 3).mean(0)
    scale = np.hypot(middle[0], middle[1]) / np.linalg.norm(middle)
    flat = geometry.plane(geometry.cells) / EARTH_RADIUS
    east, north = np.deg2rad(5.0) * scale, np.deg2rad(60.0)
    np.testing.assert_allclose(flat, [[-east, north], [east, north], [-east, 0.0], [east, 0.0]], atol=1e-12)


@pytest.mark.parametrize(
    "grid",
    [Grid.plane(8, 8e3), Grid(np.linspace(60, 40, 9), np.linspace(170, 200, 13)), octahedral(8), octahedral(8).rows_columns(slice(0, 1), np.arange(40))],
    ids=["plane", "sphere", "globe", "points"],
)  # fmt: skip
def test_a_place_on_the_plane_leads_back(grid: Grid) -> None:
    geometry = geometry_of(grid)
    np.testing.assert_allclose(geometry.from_plane(geometry.plane(geometry.cells)), geometry.cells, atol=1e-3)

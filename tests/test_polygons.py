"""Voronoi cells against a sphere's area, a cube, and points of a region."""

import numpy as np
import pytest

from py4cast.formats.reduced import octahedral
from py4cast.grid import EARTH_RADIUS, Grid
from py4cast.polygons import polygon_areas, voronoi_cells
from py4cast.stretched import stretched
from py4cast.triangulation import covers_sphere


def directions(count: int, seed: int = 0) -> np.ndarray:
    r = np.random.default_rng(seed).standard_normal((count, 3))
    return r / np.linalg.norm(r, axis=1, keepdims=True)


def test_six_points_have_the_faces_of_a_cube() -> None:
    cells = voronoi_cells(np.concatenate([np.eye(3), -np.eye(3)]))
    assert cells.shape == (6, 4, 3)
    np.testing.assert_allclose(polygon_areas(cells), 4 * np.pi / 6)
    np.testing.assert_allclose(np.abs(cells), 1 / np.sqrt(3))


def test_cells_of_points_round_the_sphere_are_the_sphere() -> None:
    points = directions(500)
    cells = voronoi_cells(points)
    assert polygon_areas(cells).sum() == pytest.approx(4 * np.pi, rel=1e-12)
    # a corner is as far from its own point as from any other that it is a corner of, and from none nearer
    distance = np.linalg.norm(cells[:, :, None] - points[None, None], axis=3)
    np.testing.assert_allclose(distance.min(2), np.linalg.norm(cells - points[:, None], axis=2), atol=1e-9)


@pytest.mark.parametrize("is_regular", [True, False])
def test_cells_of_a_region_end_at_its_sides(is_regular: bool) -> None:
    step = 0.01
    y, x = np.meshgrid(np.arange(-0.1, 0.1001, step), np.arange(-0.15, 0.1501, step), indexing="ij")
    rng = np.random.default_rng(0)
    moved = 0 if is_regular else 0.25 * step
    points = np.stack([np.ones(x.size), (x + moved * rng.random(x.shape)).ravel(), (y + moved * rng.random(x.shape)).ravel()], 1)  # fmt: skip
    points /= np.linalg.norm(points, axis=1, keepdims=True)
    assert not covers_sphere(points) and covers_sphere(directions(100))
    areas = polygon_areas(voronoi_cells(points))
    assert areas.max() < (1.3 if is_regular else 3) * step**2 and areas.min() > (0.85 if is_regular else 0.3) * step**2
    assert areas.sum() == pytest.approx(
        x.size * step**2 * np.mean((1 + x**2 + y**2) ** -1.5), rel=0.01 if is_regular else 0.1
    )


def test_points_on_a_circle_have_no_cells() -> None:
    angle = np.linspace(0, 6, 8)
    with pytest.raises(ValueError, match="not enough points"):
        voronoi_cells(np.stack([np.cos(angle), np.sin(angle), np.zeros(8)], 1)[:2])


def test_cells_beside_a_large_hole_end_half_a_spacing_beyond_their_points() -> None:
    grid = octahedral(32)
    lat, lon = grid.latitude[0], grid.longitude[0]
    is_hole = (np.abs(lat - 45) < 25) & (np.abs((lon - 90 + 180) % 360 - 180) < 45)
    kept = grid.xyz()[0][~is_hole]
    areas, true = polygon_areas(voronoi_cells(kept)), grid.cell_areas()[0][~is_hole] / EARTH_RADIUS**2
    assert (areas / true).max() < 2.5 and areas.sum() == pytest.approx(true.sum(), rel=0.01)


@pytest.mark.parametrize("width", [6.0, 12.0, 25.0])
def test_holes_and_straits_of_an_even_grid_have_no_cells(width: float) -> None:
    """Seas with islands, as grids of the ocean are written: half of the hole was given to the cells at its sides."""
    grid = octahedral(32)
    lat, lon = grid.latitude[0], (grid.longitude[0] + 180) % 360 - 180
    is_land = (np.abs(lat - 10) < 50) & (np.abs(lon - 20) < width)
    is_land |= (np.abs(lat + 20) < width / 2) & (np.abs(lon + 100) < 40)
    is_land |= np.hypot(lat, (lon - 120) * np.cos(np.deg2rad(lat))) < width / 2
    areas, true = (
        polygon_areas(voronoi_cells(grid.xyz()[0][~is_land])),
        grid.cell_areas()[0][~is_land] / EARTH_RADIUS**2,
    )
    assert areas.sum() == pytest.approx(true.sum(), rel=0.03) and (areas / true).max() < 2.5


def test_points_that_stand_anyhow_have_no_holes() -> None:
    for seed in range(3):
        assert polygon_areas(voronoi_cells(directions(2000, seed))).sum() == pytest.approx(4 * np.pi, rel=1e-9)


def test_a_band_round_the_sphere_is_as_large_as_its_rows() -> None:
    lat, lon = np.meshgrid(np.arange(60, -61, -5.0), np.arange(0, 360, 5.0), indexing="ij")
    band = Grid(np.arange(60, -61, -5.0), np.arange(0, 360, 5.0))
    points = Grid.points(lat.ravel(), lon.ravel())
    assert points.cell_areas().sum() == pytest.approx(band.cell_areas().sum(), rel=1e-3)


@pytest.mark.parametrize("apart_km", [1.0, 10.0, 100.0])
def test_a_stretched_grid_has_no_holes(apart_km: float) -> None:
    region = Grid(np.arange(60, 49.9, -0.25), np.arange(-10, 5.1, 0.25))
    for globe in (octahedral(32), Grid(np.arange(88.75, -89, -2.5), np.arange(0, 360, 2.5))):
        areas = stretched([region, globe], apart_km)[0].cell_areas()
        assert areas.sum() == pytest.approx(4 * np.pi * EARTH_RADIUS**2, rel=1e-9)

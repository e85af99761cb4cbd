"""Pictures of points: every pixel shows the nearest one."""

import numpy as np

from py4cast.formats.reduced import octahedral
from py4cast.grid import Grid
from py4cast.observers.colours import ColourTable
from py4cast.observers.maps import draw_field
from py4cast.observers.raster import as_rectangle, rectangle_of
from py4cast.stretched import stretched


def test_a_rectangle_is_shown_as_it_is() -> None:
    grid, field = Grid(np.array([1.0, 0.0]), np.arange(3.0)), np.arange(6.0).reshape(2, 3)
    assert rectangle_of(grid) is grid and as_rectangle(grid, field) is field


def test_a_globe_of_points_has_no_gap_and_no_seam() -> None:
    grid = octahedral(16)
    shown = rectangle_of(grid)
    assert shown.is_periodic and shown.latitude[0] > shown.latitude[-1] and shown.shape[1] >= 2 * shown.shape[0] - 1
    smooth = as_rectangle(
        grid, np.sin(np.deg2rad(grid.latitude)) + np.cos(np.deg2rad(grid.latitude)) * np.cos(np.deg2rad(grid.longitude))
    )
    lat, lon = np.deg2rad(shown.latitude_2d()), np.deg2rad(shown.longitude_2d())
    assert np.isfinite(smooth).all()
    assert np.abs(smooth - (np.sin(lat) + np.cos(lat) * np.cos(lon))).max() < 0.12
    assert np.unique(as_rectangle(grid, np.arange(1600.0)[None])).size > 1500, "nearly all points are seen"


def test_a_region_is_shown_with_its_surroundings_blank() -> None:
    y, x = np.meshgrid(np.linspace(44, 50, 25), np.linspace(-3, 3, 25), indexing="ij")
    inside = np.hypot(y - 47, x) < 2.9
    grid = Grid.points(y[inside], x[inside], np.ones(inside.sum()))
    shown = rectangle_of(grid)
    field = as_rectangle(grid, grid.latitude)
    held = np.isfinite(field)
    assert shown.latitude.min() >= 44 and shown.latitude.max() <= 50 and 0.6 < held.mean() < 1.0
    assert (
        np.abs(field - shown.latitude_2d())[
            held & (np.hypot(shown.latitude_2d() - 47, shown.longitude_2d()) < 2.5)
        ].max()
        < 0.2
    )


def test_the_region_of_a_stretched_grid_is_shown_as_fine_as_it_is() -> None:
    region = Grid(np.arange(58, 50, -0.5), np.arange(-10, 2, 0.5))
    grid, _ = stretched([region, Grid(np.arange(90, -91, -5.0), np.arange(0, 360, 5.0))], 100)
    shown = rectangle_of(grid)
    assert 720 < shown.shape[1] <= 1440
    seen = np.unique(as_rectangle(grid, np.arange(float(grid.shape[1]))[None]))
    size = region.cell_areas().size
    assert (seen < size).sum() > 0.95 * size and (seen >= size).sum() > 0.95 * (grid.shape[1] - size - 2 * 72)
    assert np.isfinite(as_rectangle(grid, grid.latitude)).all(), "the coarse part has no gaps"


def test_maps_of_points_are_drawn_with_the_coast() -> None:
    from matplotlib.figure import Figure

    grid = octahedral(8)
    axes = Figure().subplots()
    mesh = draw_field(axes, grid, np.sin(np.deg2rad(grid.latitude)), ColourTable("viridis"))
    drawn = mesh.get_array()
    assert drawn.shape == rectangle_of(grid).shape and not np.ma.getmaskarray(drawn).any()
    (coast,) = axes.lines
    assert np.isnan(coast.get_ydata()).sum() > 10, "many lines in one"


def test_every_one_of_a_few_stations_has_a_pixel_where_it_stands() -> None:
    rng = np.random.default_rng(0)
    grid = Grid.points(rng.uniform(35, 65, 40), rng.uniform(-10, 30, 40), areas=np.full(40, 1e10))
    picture = rectangle_of(grid)
    shown = as_rectangle(grid, np.arange(40, dtype=np.float32)[None])
    rows = np.abs(picture.latitude[:, None] - grid.latitude[0]).argmin(0)
    columns = np.abs(picture.longitude[:, None] - grid.longitude[0]).argmin(0)
    np.testing.assert_array_equal(shown[rows, columns], np.arange(40))

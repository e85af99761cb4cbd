import numpy as np
import pytest

from py4cast.axis import TimeAxis
from py4cast.cubes.memory import MemoryCube
from py4cast.cubes.source_settings import BoxSettings
from py4cast.cubes.views.cells import CutoutCube, RegridCube, WindowCube
from py4cast.errors import DataError, SettingsError
from py4cast.formats.reduced import octahedral
from py4cast.grid import Grid
from py4cast.testing import check_cube
from py4cast.variables import Variable
from tests.cubes.numbered import GRID, WithFixed, hours, numbered, planes_of, value
from tests.weather_files import HOUR, START


def test_a_window_is_rows_and_columns_of_every_plane_and_fixed_field() -> None:
    source = numbered(hours(0, 3), "tu", fixed=True)
    cube = WindowCube.choose(source, (1, 3, 0, 4), None, 2)
    assert cube.grid.latitude.tolist() == [51.0] and cube.grid.longitude.tolist() == [0.0, 2.0]
    np.testing.assert_array_equal(planes_of(cube, ["u"], 1, 3)[0], [value(1, i)[1:3:2, ::2] for i in (1, 2)])
    np.testing.assert_array_equal(cube.static_fields()["orog"], value(9, 0)[1:2, ::2])
    check_cube(cube)


def test_a_window_has_the_valid_cells_of_its_source() -> None:
    source = numbered(hours(0, 2))
    source._values[0, :, 2, 3] = np.nan
    assert WindowCube.choose(source, (1, 3, 2, 4), None, 1).valid_mask(["t"]).tolist() == [[True, True], [True, False]]


def test_a_box_holds_every_cell_between_its_limits_and_thinning_counts_from_its_corner() -> None:
    box = BoxSettings(south=50.0, north=51.4, west=0.7, east=3.0)
    cube = WindowCube.choose(numbered(hours(0, 1)), None, box, 2)
    assert cube.grid.latitude.tolist() == [51.0] and cube.grid.longitude.tolist() == [1.0, 3.0]
    np.testing.assert_array_equal(planes_of(cube)[0, 0], value(0, 0)[1:2, 1::2])


@pytest.mark.parametrize("subgrid", [(0, 4, 0, 4), (0, 3, 0, 5), (-1, 2, 0, 4), (2, 2, 0, 4), (0, 3, 3, 1)])
def test_a_window_outside_the_grid_is_refused(subgrid: tuple[int, int, int, int]) -> None:
    with pytest.raises(SettingsError, match=r"subgrid \[.*\]: outside the grid of 3 x 4 cells"):
        WindowCube.choose(numbered(hours(0, 1)), subgrid, None, 1)


def test_windows_of_other_places_have_other_fingerprints() -> None:
    source = numbered(hours(0, 1))
    windows = [WindowCube.choose(source, s, None, n) for s, n in (((0, 2, 0, 4), 1), ((1, 3, 0, 4), 1), (None, 2))]
    assert len({w.fingerprint for w in windows} | {source.fingerprint}) == 4


def test_a_regridded_cube_has_its_values_and_fixed_fields_on_the_other_grid() -> None:
    target = Grid(np.array([51.75, 50.5]), np.array([0.5, 1.5, 2.25]))
    cube = RegridCube(numbered(hours(0, 2), "tu", fixed=True), target, "linear")
    expected = np.add.outer([0.25 / 4, 1.5 / 4], [0.5 / 32, 1.5 / 32, 2.25 / 32])
    np.testing.assert_allclose(planes_of(cube, ["u"])[0], [1000 + expected, 1001 + expected], rtol=1e-7)
    np.testing.assert_allclose(cube.static_fields()["orog"], 9000 + expected, rtol=1e-7)
    assert cube.grid is target and cube.shape == (2, 3)
    check_cube(cube)


def test_methods_of_regridding_have_other_fingerprints() -> None:
    source, target = numbered(hours(0, 1)), Grid(np.array([51.5, 50.5]), np.array([0.5, 1.5]))
    assert len({RegridCube(source, target, m).fingerprint for m in ("linear", "nearest", "mean")}) == 3


def test_the_mean_of_four_cells_is_theirs() -> None:
    source = numbered(hours(0, 1), grid=Grid(np.array([0.75, 0.25, -0.25, -0.75]), np.array([0.0, 1.0, 2.0, 3.0])))
    cube = RegridCube(source, Grid(np.array([0.5, -0.5]), np.array([0.5, 2.5])), "mean")
    plane = value(0, 0, source.grid)
    # rows next to the equator are wider by less than 1e-4
    np.testing.assert_allclose(planes_of(cube)[0, 0], plane.reshape(2, 2, 2, 2).mean(axis=(1, 3)), atol=1e-4)


def test_a_grid_that_is_not_covered_is_refused() -> None:
    with pytest.raises(DataError, match=r"regrid: 3 x 4 .* does not cover 2 x 2 .*longitudes 2\.00 to 9\.00"):
        RegridCube(numbered(hours(0, 1)), Grid(np.array([51.5, 50.5]), np.array([2.0, 9.0])), "linear")


def regional_and_global() -> tuple[WithFixed, WithFixed]:
    """A region of 2 × 2 cells of `GRID`, whose values are 500 more, with another variable; and the whole."""
    part = Grid(GRID.latitude[1:], GRID.longitude[:2])
    region = numbered(hours(1, 3), "ta", part, first=501, fixed=True)
    whole = numbered(hours(0, 4), "bt", fixed=True)
    assert isinstance(region, WithFixed) and isinstance(whole, WithFixed)
    return region, whole


def test_each_cell_takes_the_first_source_that_covers_it() -> None:
    region, whole = regional_and_global()
    cube = CutoutCube([region, whole], GRID, "nearest")
    assert cube.names == ["t"] and cube.times.tolist() == (START + np.arange(1, 4) * HOUR).tolist()
    expected = np.array([value(1, i) for i in (1, 2, 3)])
    expected[:, 1:, :2] = [value(0, i + 500, region.grid) for i in (1, 2, 3)]
    np.testing.assert_array_equal(planes_of(cube)[0], expected)
    fixed = value(9, 0)
    fixed[1:, :2] = value(9, 0, region.grid)
    np.testing.assert_array_equal(cube.static_fields()["orog"], fixed)
    check_cube(cube)
    cube.close()
    assert region.closings == 1


def test_the_order_of_the_sources_is_their_priority() -> None:
    region, whole = regional_and_global()
    reversed_order = CutoutCube([whole, region], GRID, "nearest")
    np.testing.assert_array_equal(planes_of(reversed_order)[0, 0], value(1, 1))
    assert reversed_order.fingerprint != CutoutCube([region, whole], GRID, "nearest").fingerprint


def test_an_instant_is_there_when_all_sources_hold_it() -> None:
    region, whole = regional_and_global()
    region._values[0, 0] = np.nan
    whole._values[1, 3] = np.nan
    assert CutoutCube([region, whole], GRID, "nearest").available(["t"]).tolist() == [False, True, False]


def test_sources_that_leave_cells_or_share_nothing_are_refused() -> None:
    region, whole = regional_and_global()
    with pytest.raises(DataError, match=r"cutout: 8 of 12 cells of 3 x 4 .* lie on none of the sources"):
        CutoutCube([region], GRID, "nearest")
    with pytest.raises(DataError, match="cutout: no variable is in all sources: t, a; u"):
        CutoutCube([region, numbered(hours(0, 4), "u")], GRID, "nearest")
    with pytest.raises(DataError, match="sources have no common instants"):
        CutoutCube([region, numbered(hours(9, 4))], GRID, "nearest")
    assert CutoutCube([region, whole], region.grid, "nearest").shape == (2, 2)


@pytest.mark.parametrize(("thinning", "expected"), [(1, [5, 6, 7, 0, 1, 2]), (2, [5, 7, 1])])
def test_a_box_may_go_over_the_first_column_of_the_globe(thinning: int, expected: list[int]) -> None:
    grid = Grid(np.array([10.0, 0.0, -10.0]), np.arange(8) * 45.0)
    values = np.arange(2 * 3 * 8, dtype=np.float32).reshape(1, 2, 3, 8)
    source = MemoryCube([Variable(name="t")], TimeAxis.series(START + np.arange(2) * HOUR), grid, values)
    cube = WindowCube.choose(source, None, BoxSettings(south=-1, north=11, west=-135, east=90), thinning)
    np.testing.assert_array_equal(planes_of(cube)[0], values[0, :, 0 : 2 : thinning or 1][..., expected])
    assert cube.grid.longitude.tolist() == [c * 45.0 - (360.0 if c > 2 else 0.0) for c in expected]
    check_cube(cube)


def test_a_box_of_points_holds_those_within_and_no_others() -> None:
    globe = octahedral(8)
    source = numbered(hours(0, 2), "tu", grid=globe, fixed=True)
    cube = WindowCube.choose(source, None, BoxSettings(south=20.0, north=70.0, west=-30.0, east=40.0), 1)
    lat, lon = globe.latitude[0], (globe.longitude[0] + 180) % 360 - 180
    inside = np.flatnonzero((lat >= 20) & (lat <= 70) & (lon >= -30) & (lon <= 40))
    assert cube.shape == (1, inside.size) and 10 < inside.size < 60
    np.testing.assert_array_equal(cube.grid.latitude[0], lat[inside])
    np.testing.assert_array_equal(planes_of(cube, ["u"], 1, 2)[0, 0, 0], value(1, 1, globe)[0, inside])
    np.testing.assert_array_equal(cube.static_fields()["orog"][0], value(9, 0, globe)[0, inside])
    check_cube(cube)
    thin = WindowCube.choose(source, None, None, 3)
    assert thin.grid.latitude[0].tolist() == lat[::3].tolist() and thin.grid.rows is None
    with pytest.raises(SettingsError, match="area 'box': no cell lies in it"):
        WindowCube.choose(source, None, BoxSettings(south=20.0, north=20.1, west=0.0, east=0.1), 1)

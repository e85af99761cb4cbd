"""Fields on their grid: where cells lie, proportions, limits, coasts."""

from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure

from py4cast.grid import Grid
from py4cast.observers import maps
from py4cast.observers.colours import ColourTable
from py4cast.observers.maps import draw_field
from tests.observers.watching import cells_of, limits_of, mesh_of

TABLE = ColourTable("viridis")
LAT_LON = Grid(np.array([61.0, 60.0, 59.0]), np.array([2.0, 3.0, 4.0, 5.0]))
FIELD = np.arange(12.0).reshape(3, 4)


def panel() -> Any:
    return Figure().subplots()


def turned(**axes: Any) -> Grid:
    return Grid(LAT_LON.latitude_2d(), LAT_LON.longitude_2d(), **axes)


@pytest.mark.parametrize(
    ("grid", "x", "y", "aspect"),
    [
        (LAT_LON, [2, 3, 4, 5], [61, 60, 59], 2.0),
        (turned(x=np.array([0.0, 1e3, 2e3, 3e3]), y=np.array([5e3, 4e3, 3e3])), [0, 1, 2, 3], [5, 4, 3], 1.0),
        (turned(), [0, 1, 2, 3], [0, 1, 2], 1.0),
        (Grid(np.array([60.0, 0.0]), np.arange(0.0, 360.0, 90.0)), [0, 90, 180, 270], [60, 0], 1.0),
        (Grid(np.array([90.0, 80.0]), np.array([0.0, 1.0])), [0, 1], [90, 80], 1 / np.cos(np.deg2rad(75))),
    ],
)
def test_cells_lie_in_degrees_kilometres_or_by_number(
    grid: Grid, x: list[float], y: list[float], aspect: float
) -> None:
    along, across, shown = maps._places(grid)
    assert along.tolist() == x and across.tolist() == y and shown == pytest.approx(aspect)


def test_a_field_is_drawn_with_what_is_missing_left_out() -> None:
    axes, field = panel(), FIELD.copy()
    field[1, 2] = np.nan
    mesh = draw_field(axes, LAT_LON, field, TABLE)
    shown = mesh_of(axes)
    assert cells_of(axes) is mesh and np.argwhere(np.ma.getmaskarray(shown)).tolist() == [[1, 2]]
    assert np.array_equal(shown.compressed(), field[np.isfinite(field)])
    assert axes.get_aspect() == pytest.approx(2.0)
    assert limits_of(axes) == pytest.approx(tuple(np.nanquantile(field, (0.01, 0.99))))


def test_limits_that_are_given_hold_and_steps_have_their_own() -> None:
    axes = panel()
    draw_field(axes, LAT_LON, FIELD, TABLE, (-5.0, 50.0))
    assert limits_of(axes) == (-5.0, 50.0)
    mesh = draw_field(panel(), LAT_LON, FIELD, ColourTable("two", ("#000000", "#ffffff"), (0.0, 3.0, 20.0)))
    assert mesh.norm.boundaries.tolist() == [0.0, 3.0, 20.0]
    assert mesh.norm(np.array([2.9, 3.1])).tolist() == [0, 1]


def test_the_coast_lies_between_the_cells(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(maps, "coastlines", lambda grid: [np.array([[0.5, 0.0], [3.0, 1.5]])])
    axes = panel()
    draw_field(axes, LAT_LON, FIELD, TABLE)
    (line,) = axes.lines
    np.testing.assert_allclose(line.get_xydata(), [[2.5, 61.0], [5.0, 59.5]])


@pytest.mark.parametrize("north_first", [True, False])
def test_rows_by_number_are_drawn_with_the_north_up(north_first: bool) -> None:
    lat, lon = np.meshgrid(np.array([52.0, 51.0, 50.0]), np.arange(4.0), indexing="ij")
    rows = slice(None) if north_first else slice(None, None, -1)
    axes = panel()
    draw_field(axes, Grid(lat[rows], lon, projection={"grid_mapping_name": "unknown"}), lat[rows], TABLE)
    low, high = axes.get_ylim()
    assert (low > high) == north_first


def test_longitudes_run_on_over_the_date_line() -> None:
    x, _, _ = maps._places(Grid(np.array([1.0, 0.0]), np.array([179.0, -180.0, -179.0])))
    assert x.tolist() == [179.0, 180.0, 181.0]

"""The same cells in another order are put in order; other cells have none."""

import pickle

import numpy as np
import pytest

from py4cast.cell_order import CellOrder, order_of
from py4cast.formats.reduced import octahedral
from py4cast.grid import Grid

LAT, LON = np.linspace(80, -80, 9), np.arange(0, 360, 30.0)
MAP = {"grid_mapping_name": "lambert_conformal_conic"}


def of_cells(grid: Grid) -> np.ndarray:
    """A field that tells every cell by its place."""
    return np.round(grid.latitude_2d() * 1000 + (grid.longitude_2d() + 1) % 360, 3)


def check(grid: Grid, target: Grid, is_view: bool) -> None:
    order = order_of(grid, target)
    assert order is not None
    held = of_cells(grid)
    values = order(np.stack([held, held]))
    np.testing.assert_allclose(values[1], of_cells(target))
    assert np.shares_memory(order(held), held) == is_view
    again = pickle.loads(pickle.dumps(order))
    np.testing.assert_array_equal(again(held), order(held))
    assert again.is_same == order.is_same == grid.same_as(target)


@pytest.mark.parametrize("is_flipped", [False, True])
@pytest.mark.parametrize("roll", [0, 3, 9])
@pytest.mark.parametrize("is_mirrored", [False, True])
def test_a_globe_may_begin_elsewhere_and_run_the_other_way(is_flipped: bool, roll: int, is_mirrored: bool) -> None:
    turned = (np.roll(LON, roll) + 180) % 360 - 180
    grid = Grid(LAT[::-1] if is_flipped else LAT, turned[::-1] if is_mirrored else turned)
    check(grid, Grid(LAT, LON), is_view=not roll)


def test_columns_at_the_seam_to_rounding() -> None:
    check(Grid(LAT, np.roll(LON, 4) - 2e-5), Grid(LAT, LON + 1e-5), is_view=False)


def test_a_region_runs_either_way() -> None:
    check(Grid(LAT[::-1], LON[:6]), Grid(LAT, LON[:6]), is_view=True)
    check(Grid(LAT, LON[5::-1] - 360), Grid(LAT, LON[:6]), is_view=True)


@pytest.mark.parametrize("rows", [1, -1])
def test_the_rows_of_a_map_run_either_way(rows: int) -> None:
    lat, lon = np.meshgrid(np.linspace(60, 50, 5), np.linspace(0, 8, 7), indexing="ij")
    grid = Grid(lat, lon + lat / 10, np.arange(7.0), np.arange(5.0), MAP)
    check(grid.rows_columns(slice(None, None, rows), slice(None)), grid, is_view=True)
    mirrored = grid.rows_columns(slice(None, None, rows), slice(None, None, -1))
    assert order_of(mirrored, grid) is None, "winds along its columns have the other sign"


def test_points_stand_in_any_order() -> None:
    grid = octahedral(4)
    shuffled = np.random.default_rng(1).permutation(grid.shape[1])
    check(
        Grid.points(grid.latitude[0, shuffled], grid.longitude[0, shuffled] - 360, grid.areas[0, shuffled]), grid, False
    )


@pytest.mark.parametrize(
    ("grid", "target"),
    [
        (Grid(LAT, LON + 7), Grid(LAT, LON)),
        (Grid(LAT, LON[:6]), Grid(LAT, LON[6:])),
        (Grid(LAT, LON[:6]), Grid(LAT, LON)),
        (octahedral(4), octahedral(5)),
        (octahedral(4), Grid(LAT, LON)),
        (Grid.points([50, 50, 51.0], [3, 5, 4.0], np.ones(3)), Grid.points([50, 51, 50.01], [3, 4, 5.0], np.ones(3))),
    ],
)  # fmt: skip
def test_other_cells_have_no_order(grid: Grid, target: Grid) -> None:
    assert order_of(grid, target) is None


def test_as_it_is_nothing_is_copied() -> None:
    values = np.zeros((2, 3))
    assert CellOrder()(values) is values

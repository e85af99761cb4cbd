from pathlib import Path
from typing import Any

import numpy as np
import pytest

from py4cast.datasets.series_settings import BoxSettings, GridSettings, SeriesSettings
from py4cast.errors import SettingsError
from py4cast.grid import Grid
from py4cast.settings import decode
from tests.weather_files import describe

GRID = Grid(np.arange(55.0, 49.0, -1.0), np.arange(-3.0, 5.0))


def test_the_whole_grid_is_kept_by_default() -> None:
    assert GridSettings().window(GRID) == (slice(0, 6), slice(0, 8))


def test_a_subgrid_ends_before_its_last_row_and_column() -> None:
    rows, columns = GridSettings(subgrid=(1, 3, 0, 8)).window(GRID)
    part = GRID.rows_columns(rows, columns)
    np.testing.assert_array_equal(part.latitude, [54, 53])
    assert part.shape == (2, 8)


def test_a_box_keeps_the_cells_within_it() -> None:
    box = BoxSettings(south=51.5, north=54, west=-1.5, east=1)
    part = GRID.rows_columns(*GridSettings(box=box).window(GRID))
    np.testing.assert_array_equal(part.latitude, [54, 53, 52])
    np.testing.assert_array_equal(part.longitude, [-1, 0, 1])


@pytest.mark.parametrize("subgrid", [(-1, 3, 0, 8), (0, 7, 0, 8), (0, 6, 0, 9), (3, 3, 0, 8), (0, 6, 5, 4)])
def test_a_subgrid_that_leaves_the_grid_or_is_empty_is_refused(subgrid: tuple[int, int, int, int]) -> None:
    message = rf"grid.subgrid \[{', '.join(map(str, subgrid))}\]: outside the grid of 6 x 8 cells"
    with pytest.raises(SettingsError, match=message):
        GridSettings(subgrid=subgrid).window(GRID)


def test_one_window_is_enough() -> None:
    box = BoxSettings(south=50, north=54, west=-1, east=1)
    with pytest.raises(SettingsError, match="grid: give subgrid or box, not both"):
        GridSettings(subgrid=(0, 2, 0, 2), box=box).window(GRID)


def series(**changes: Any) -> dict[str, Any]:
    return {"step": "1h", "periods": describe(Path())["periods"], **changes}


def test_keys_of_a_sample_are_not_given_to_inputs() -> None:
    inputs = {key: {"store": "s.zarr"} for key in ("radar", "outputs", "forcing")}
    with pytest.raises(SettingsError, match="inputs: the keys forcing, outputs are taken; choose others"):
        decode(SeriesSettings, series(inputs=inputs), where="dataset")
    assert list(decode(SeriesSettings, series(inputs={"radar": {"store": "s.zarr"}}), where="dataset").inputs) == [
        "radar"
    ]


def test_a_box_over_the_first_column_takes_the_columns_from_west_to_east() -> None:
    globe = Grid(np.linspace(85, -85, 18), np.arange(0, 360, 10.0))
    box = GridSettings(box=BoxSettings(south=30, north=70, west=-30, east=40))
    rows, columns = box.window(globe)
    part = globe.rows_columns(rows, columns)
    assert part.longitude.tolist() == [-30, -20, -10, 0, 10, 20, 30, 40] and part.latitude.tolist() == [
        65,
        55,
        45,
        35,
    ]
    pacific = Grid(np.linspace(85, -85, 18), np.arange(-180, 180, 10.0))
    rows, columns = GridSettings(box=BoxSettings(south=-40, north=40, west=150, east=210)).window(pacific)
    np.testing.assert_array_equal(pacific.rows_columns(rows, columns).longitude, np.arange(150, 211, 10))
    plain = GridSettings(box=BoxSettings(south=30, north=70, west=10, east=40)).window(globe)
    assert plain[1] == slice(1, 5)

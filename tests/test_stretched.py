"""Stretched grids: a region and the globe round it, and each part again."""

import numpy as np
import pytest

from py4cast.errors import DataError, SettingsError
from py4cast.formats.reduced import octahedral
from py4cast.grid import EARTH_RADIUS, Grid
from py4cast.stretched import part_of, stretched

GLOBE = octahedral(16)
REGION = Grid(np.linspace(60, 45, 16), np.linspace(-10, 10, 21), name="alps")


def distance_km(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return EARTH_RADIUS / 1000 * np.arccos(np.clip(a @ b.T, -1, 1))


@pytest.mark.parametrize("min_distance_km", [0.0, 300.0])
def test_the_globe_is_cut_out_where_the_region_is(min_distance_km: float) -> None:
    grid, (inner, outer) = stretched([REGION, GLOBE], min_distance_km)
    assert inner.tolist() == list(range(16 * 21))
    assert [(p.name, p.size, p.shape) for p in grid.parts] == [("region", 336, (16, 21)), ("globe", outer.size, None)]
    lat, lon = GLOBE.latitude[0], (GLOBE.longitude[0] + 180) % 360 - 180
    lies_on = (np.abs(lat - 52.5) < 8) & (np.abs(lon) < 10.5)
    nearest = distance_km(GLOBE.xyz()[0], REGION.xyz().reshape(-1, 3)).min(1)
    assert outer.tolist() == np.flatnonzero(~lies_on & (nearest >= min_distance_km)).tolist()
    assert grid.cell_areas().sum() == pytest.approx(4 * np.pi * EARTH_RADIUS**2)
    again = Grid.unpack(*grid.pack())
    assert again.parts == grid.parts and again.same_as(grid)


def test_a_part_is_the_grid_that_it_was() -> None:
    grid, (_, outer) = stretched([REGION, GLOBE], 100.0)
    cells, region = part_of(grid, "region")
    assert cells == slice(0, 336) and region.same_as(REGION) and region.kind == "rectangle"
    cells, globe = part_of(grid, "globe")
    np.testing.assert_array_equal(globe.latitude[0], GLOBE.latitude[0, outer])
    assert cells == slice(336, grid.shape[1]) and globe.kind == "points"
    with pytest.raises(SettingsError, match="no part 'glob'; did you mean 'globe'"):
        part_of(grid, "glob")
    with pytest.raises(SettingsError, match="no part 'region': it is no stretched grid"):
        part_of(GLOBE, "region")
    half = grid.rows_columns(slice(None), slice(0, 100))
    assert half.parts == ()


def test_three_grids_each_within_the_next() -> None:
    middle = Grid(np.linspace(70, 35, 18), np.linspace(-30, 30, 31))
    grid, cells = stretched([REGION, middle, GLOBE], 50.0)
    assert [p.name for p in grid.parts] == ["region", "region_2", "globe"]
    assert sum(c.size for c in cells) == grid.shape[1] < 336 + 18 * 31 + GLOBE.shape[1]


def test_a_region_that_is_not_covered_is_refused() -> None:
    europe = Grid(np.linspace(65, 40, 11), np.linspace(-20, 5, 11))
    with pytest.raises(DataError, match="does not cover 16 x 21"):
        stretched([REGION, europe], 0.0)
    with pytest.raises(DataError, match="no cell of 16 x 21 .* lies outside the sources before it"):
        stretched([REGION, REGION], 0.0)

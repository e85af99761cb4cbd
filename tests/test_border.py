"""Borders: a ring, a distance from the sides, a part of a stretched grid."""

import numpy as np
import pytest

from py4cast.batch import Statics
from py4cast.border import Border, border_mask
from py4cast.dataset_info import DatasetInfo
from py4cast.errors import SettingsError
from py4cast.formats.reduced import octahedral
from py4cast.grid import Grid
from py4cast.stretched import stretched
from py4cast.testing import make_info
from tests.contracts.test_swap import map_of, region

REGION = Grid(np.linspace(60, 50, 11), np.linspace(0, 15, 16))


def test_a_distance_from_the_sides_of_a_map_is_a_ring() -> None:
    grid = map_of(18, 25)  # 50 km between cells
    np.testing.assert_array_equal(border_mask(grid, Border(km=120.0)), border_mask(grid, 3))
    np.testing.assert_array_equal(border_mask(grid, Border(size=2)), border_mask(grid, 2))


def test_points_of_a_region_have_sides() -> None:
    grid = region()
    mask = border_mask(grid, Border(km=60.0))[0]
    lat, lon = grid.latitude[0], grid.longitude[0]
    depth = np.minimum(
        np.minimum(lat - 50, 60 - lat) * 111, np.minimum(lon - 170, 190 - lon) * 111 * np.cos(np.deg2rad(lat))
    )
    assert mask[depth < 20].all() and not mask[depth > 150].any()
    assert 0.1 < mask.mean() < 0.5


def test_islands_are_no_sides() -> None:
    grid = region()
    lat, lon = grid.latitude[0], grid.longitude[0]
    is_sea = np.hypot(lat - 55, (lon - 180) * np.cos(np.deg2rad(55))) > 2
    with_island = border_mask(Grid.points(lat[is_sea], lon[is_sea]), Border(km=60.0))[0]
    np.testing.assert_array_equal(with_island, border_mask(grid, Border(km=60.0))[0, is_sea])


def test_points_of_a_band_have_two_sides() -> None:
    lat, lon = np.meshgrid(np.arange(25, -16, -5.0), np.arange(0, 360, 5.0), indexing="ij")
    mask = border_mask(Grid.points(lat.ravel(), lon.ravel()), Border(km=100.0)).reshape(lat.shape)
    assert mask[[0, -1]].all() and mask.sum() == 144


def test_the_globe_round_a_region_is_its_border() -> None:
    grid, _ = stretched([REGION, octahedral(8)], 100.0)
    mask = border_mask(grid, Border(part="globe"))[0]
    assert not mask[:176].any() and mask[176:].all()
    info = make_info(grid)
    info.statics = Statics.build(grid, info.statics.grid_static_features, Border(part="globe"))
    again = DatasetInfo.unpack(*info.pack())
    assert again.statics.border == Border(part="globe")
    np.testing.assert_array_equal(again.statics.border_mask, info.statics.border_mask)
    assert float(again.statics.cell_weights[0, 176:].sum()) == 0


# curvilinear, as grids of ocean models are
AROUND = Grid(*np.broadcast_arrays(np.linspace(-78, 85, 20)[:, None], np.arange(0, 360, 10.0)), projection={"grid_mapping_name": "unknown"})  # fmt: skip


@pytest.mark.parametrize(
    ("grid", "border", "message"),
    [
        (REGION, Border(size=2, km=10.0), "give one of border_size, border_km and border_part"),
        (REGION, Border(part="globe"), "it is no stretched grid"),
        (REGION, Border(km=5000.0), "all within 5000 km of a side is all of the grid"),
        (REGION, Border(km=-1.0), "expected more than 0"),
        (octahedral(8), Border(km=100.0), "goes round the globe and has no sides"),
        (Grid.plane(16, 1e6), Border(km=100.0), "is doubly periodic and has no sides"),
        (AROUND, Border(km=100.0), "goes round the globe and has no sides"),
        (octahedral(8), Border(size=2), "points have no sides; expected 0"),
    ],
)
def test_borders_that_a_grid_cannot_have(grid: Grid, border: Border, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        border_mask(grid, border)


@pytest.mark.parametrize(("first", "last"), [(60.0, -60.0), (87.5, 2.5), (-2.5, -87.5)])
def test_a_band_round_the_globe_has_its_sides(first: float, last: float) -> None:
    grid = Grid(np.arange(first, last - 1, -5.0), np.arange(0, 360, 5.0))
    near, ring = border_mask(grid, Border(km=600.0)), border_mask(grid, 1)
    sides = [k for k, lat in ((0, first), (-1, last)) if abs(lat) < 87]
    assert ring.sum() == 72 * len(sides) and ring[sides].all()
    assert near[sides].all() and near.sum() == 2 * ring.sum(), "5 degrees are 556 km"

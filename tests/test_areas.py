"""Areas of a grid: boxes, polygons and parts."""

import numpy as np
import pytest

from py4cast.areas import AreaSettings, area_mask
from py4cast.errors import SettingsError
from py4cast.formats.reduced import octahedral
from py4cast.grid import Grid
from py4cast.settings import decode
from py4cast.stretched import stretched

GLOBE = octahedral(16)
DEGREES = Grid(np.linspace(89.5, -89.5, 180), np.arange(0.5, 360))


def test_a_box_over_the_first_meridian_and_over_the_date_line() -> None:
    lat, lon = GLOBE.latitude, (GLOBE.longitude + 180) % 360 - 180
    inside = area_mask(GLOBE, "a", AreaSettings(box=(30, 60, -20, 25)))
    np.testing.assert_array_equal(inside, (lat > 30) & (lat < 60) & (lon >= -20) & (lon <= 25))
    pacific = area_mask(GLOBE, "p", AreaSettings(box=(-10, 10, 160, 200)))
    np.testing.assert_array_equal(pacific, (np.abs(lat) < 10) & (np.abs(lon) >= 160))


@pytest.mark.parametrize("turn", [1, -1], ids=["counter-clockwise", "clockwise"])
def test_a_polygon_holds_its_share_of_the_globe(turn: int) -> None:
    """An octant is an eighth, whichever way round its corners are given; a cap of many corners has a cap's area."""
    octant = AreaSettings(polygon=((0, 0), (0, 90), (90, 0))[::turn])
    share = DEGREES.area_weights()[area_mask(DEGREES, "o", octant)].sum() / DEGREES.area_weights().sum()
    assert share == pytest.approx(1 / 8, abs=1e-3)
    ring = tuple((60.0, float(lon)) for lon in np.arange(0, 360, 2))[::turn]
    cap = area_mask(DEGREES, "c", AreaSettings(polygon=ring))
    np.testing.assert_array_equal(cap.any(1), DEGREES.latitude > 60)


def test_a_polygon_over_the_date_line_and_not_its_antipode() -> None:
    fiji = AreaSettings(polygon=((-30, 170), (-30, -170), (-10, -170), (-10, 170)))
    lon = DEGREES.longitude_2d()[area_mask(DEGREES, "f", fiji)]
    assert lon.min() > 169 and lon.max() < 191 and lon.size == pytest.approx(20 * 20, rel=0.1)


def test_a_part_of_a_stretched_grid() -> None:
    grid, _ = stretched([Grid(np.linspace(60, 45, 8), np.linspace(0, 20, 8)), GLOBE], 0.0)
    inside = area_mask(grid, "r", AreaSettings(part="region"))
    assert inside.shape == grid.shape and inside[0, :64].all() and not inside[0, 64:].any()
    with pytest.raises(SettingsError, match="area 'r': the grid has no part 'regoin'; did you mean 'region'"):
        area_mask(grid, "r", AreaSettings(part="regoin"))
    with pytest.raises(SettingsError, match="it is no stretched grid"):
        area_mask(GLOBE, "r", AreaSettings(part="region"))


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ({}, "an area is one of box, polygon and part"),
        ({"box": [0, 1, 2, 3], "part": "region"}, "an area is one of box, polygon and part"),
        ({"box": [10, 0, 2, 3]}, "expected south < north and west < east"),
        ({"polygon": [[0, 0], [1, 1]]}, "expected three or more corners"),
        ({"polygon": [[0, 0], [1, 1], [100, 2]]}, "latitudes within 90"),
    ],
)
def test_areas_that_are_none(document: dict, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        decode(AreaSettings, document)


def test_an_area_without_a_cell_is_told() -> None:
    with pytest.raises(SettingsError, match="area 'tiny': no cell lies in it; the grid is 1600 points"):
        area_mask(GLOBE, "tiny", AreaSettings(box=(10.0, 10.1, 10.0, 10.1)))

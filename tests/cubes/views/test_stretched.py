"""A region's cells and those of the globe round it as one cube of points."""

import numpy as np
import pytest

from py4cast.cubes.memory import MemoryCube
from py4cast.cubes.source_settings import SourceSettings
from py4cast.cubes.views.stretched import StretchedCube
from py4cast.errors import DataError, SettingsError
from py4cast.formats.reduced import octahedral
from py4cast.grid import Grid
from py4cast.settings import decode
from py4cast.testing import check_cube
from py4cast.variables import Variable
from tests.cubes.numbered import WithFixed, hours, planes_of, value

REGION = Grid(np.linspace(60, 50, 6), np.linspace(0, 15, 7))
GLOBE = octahedral(8)


def cube(grid: Grid, first: int, last: int, units: str = "K", names: tuple[str, ...] = ("t", "u")) -> MemoryCube:
    """A number of its own for every variable, instant and cell."""
    cells = np.arange(grid.xyz()[..., 0].size, dtype=np.float32).reshape(grid.shape) / 1024
    planes = np.stack([[100 * v + t + cells for t in range(first, last)] for v in range(len(names))])
    variables = [Variable(name=n, units=units) for n in names]
    return WithFixed(variables, hours(first, last - first), grid, planes.astype(np.float32))


def test_each_part_keeps_its_values_in_its_order() -> None:
    region, globe = cube(REGION, 0, 4), cube(GLOBE, 1, 6)
    view = StretchedCube([region, globe], 200.0)
    assert view.axis.size == 3, "the instants of both"
    np.testing.assert_array_equal(view.static_fields()["orog"][0, :42], value(9, 0, REGION).ravel())
    check_cube(view)
    out = planes_of(view, ["u"], 1, 3)
    np.testing.assert_array_equal(out[0, :, 0, :42], region._values[1, 2:4].reshape(2, -1))
    kept = [int(np.flatnonzero((GLOBE.latitude[0] == a) & (GLOBE.longitude[0] == b))[0]) for a, b in zip(view.grid.latitude[0, 42:], view.grid.longitude[0, 42:], strict=True)]  # fmt: skip
    assert kept == sorted(kept) and len(kept) < GLOBE.shape[1]
    np.testing.assert_array_equal(out[0, :, 0, 42:], globe._values[1, 1:3, 0][:, kept])
    assert view.fingerprint != StretchedCube([region, globe], 2000.0).fingerprint


def test_what_does_not_fit_is_told() -> None:
    with pytest.raises(DataError, match="cutout: t is in 'K' and in 'degC'"):
        StretchedCube([cube(REGION, 0, 4), cube(GLOBE, 0, 4, "degC")], 0.0)
    with pytest.raises(DataError, match="cutout: no variable is in all sources: t, u; q"):
        StretchedCube([cube(REGION, 0, 4), cube(GLOBE, 0, 4, names=("q",))], 0.0)
    with pytest.raises(DataError, match="does not cover"):
        StretchedCube([cube(REGION, 0, 4), cube(Grid(np.linspace(55, 50, 6), np.linspace(0, 15, 7)), 0, 4)], 0.0)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"cutout": [{"store": "a"}]}, "the two or more sources of a cutout"),
        ({"store": "a"}, "the two or more sources of a cutout"),
        ({"cutout": [{"store": "a"}, {"store": "b"}], "onto": {"store": "c"}}, "without onto"),
        ({"cutout": [{"store": "a"}, {"store": "b"}], "min_distance_km": -1.0}, "expected 0 to 20000"),
    ],
)
def test_settings_that_make_no_stretched_grid(changes: dict, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        decode(SourceSettings, {"min_distance_km": 10.0, **changes})

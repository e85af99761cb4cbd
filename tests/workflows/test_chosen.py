"""Members, means and differences of directions, which turn back to their beginning."""

import numpy as np
import pytest

from py4cast.axis import TimeAxis
from py4cast.cubes.memory import MemoryCube
from py4cast.grid import Grid
from py4cast.variables import Variable
from py4cast.workflows.chosen import difference_of, mean_of, members_at, wind_of

DD = Variable(name="dd", units="degree", standard_name="wind_from_direction")
T = Variable(name="t", units="K")


def cube(variable: Variable, members: list[float]) -> MemoryCube:
    start, lead = np.array(["2020-01-01"], "datetime64[s]"), np.array([6], "timedelta64[h]").astype("timedelta64[s]")
    axis = TimeAxis.forecasts(start, lead, tuple(range(len(members))))
    values = np.array(members, np.float32)[None, :, None, None] + np.zeros((1, len(members), 1, 2), np.float32)
    return MemoryCube([variable], axis, Grid(np.array([50.0]), np.array([0.0, 1.0])), values)


@pytest.mark.parametrize(("members", "mean"), [([350.0, 10.0], 0.0), ([355.0, 355.0, 15.0], 1.62), ([170.0, 190.0], 180.0)])  # fmt: skip
def test_members_of_a_direction_stand_beside_each_other(members: list[float], mean: float) -> None:
    found = members_at(cube(DD, members), "dd", range(len(members)))
    assert np.ptp(found[:, 0, 0]) == pytest.approx(20.0, abs=1e-3), "no gap of a whole turn between them"
    np.testing.assert_allclose(found[:, 0, 0] % 360, members, atol=1e-3)
    middle = float(mean_of(DD, found)[0, 0])
    assert 0 <= middle < 360 and min(abs(middle - mean), 360 - abs(middle - mean)) < 0.1
    np.testing.assert_array_equal(members_at(cube(T, members), "t", range(len(members)))[:, 0, 0], np.float32(members))


def test_a_difference_of_directions_is_the_shorter_arc() -> None:
    first, second = np.array([350.0, 10.0, 90.0]), np.array([10.0, 350.0, 45.0])
    np.testing.assert_allclose(difference_of(DD, first, second), [-20.0, 20.0, 45.0])
    np.testing.assert_allclose(difference_of(T, first, second), [340.0, -340.0, 45.0])


def test_the_wind_is_that_of_the_level_that_is_drawn() -> None:
    levels = [(10.0, "heightAboveGround"), (500.0, "isobaricInhPa"), (850.0, "isobaricInhPa")]
    parts = [
        Variable(
            name=f"{part}{level:g}", units="m s-1", standard_name=f"{way}ward_wind", level=level, type_of_level=kind
        )
        for level, kind in levels
        for part, way in (("u", "east"), ("v", "north"))
    ]
    series = TimeAxis.series(np.array(["2020-01-01"], "datetime64[s]"))
    held = MemoryCube(parts, series, Grid(np.array([50.0]), np.array([0.0, 1.0])), np.zeros((6, 1, 1, 2), np.float32))
    at_500, at_850 = (Variable(name="t", level=level, type_of_level="isobaricInhPa") for level in (500.0, 850.0))

    def chosen(*beside: Variable) -> str:
        pair = wind_of(held, "auto", beside)
        assert pair is not None
        return pair[0].name

    assert chosen() == "u10" and chosen(at_500) == "u500" and chosen(at_850) == "u850"
    assert chosen(at_500, at_850) == "u10", "of several levels none is meant"

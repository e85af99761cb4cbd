"""Pictures of a cube: every variable and fixed field at one instant."""

import numpy as np
import pytest

from py4cast.axis import TimeAxis
from py4cast.cubes.memory import MemoryCube
from py4cast.grid import Grid
from py4cast.observers.cube import draw_cube
from py4cast.variables import Variable
from tests.observers.watching import mesh_of

HOUR = np.timedelta64(3600, "s")
START = np.datetime64("2020-01-01T00", "s")
GRID = Grid(np.linspace(50, 40, 4), np.linspace(0, 8, 5))
VALUES = np.random.default_rng(0).normal(5, 2, (3, 6, 4, 5)).astype(np.float32)


class Mountains(MemoryCube):
    """A cube with a fixed field."""

    def static_fields(self) -> dict[str, np.ndarray]:
        return {"orography": np.arange(20.0, dtype=np.float32).reshape(4, 5)}


def cube(kind: type[MemoryCube] = MemoryCube, values: np.ndarray = VALUES) -> MemoryCube:
    variables = [Variable(name="t", units="K"), Variable(name="u", units="m s-1"), Variable(name="f", units="1")]
    return kind(variables, TimeAxis.series(START + np.arange(6) * HOUR), GRID, values)


def test_panels_are_the_variables_at_the_instant_in_the_order_asked_for() -> None:
    figure = draw_cube(cube(), 4, ["u", "t"])
    panels = [axes for axes in figure.axes if axes.get_title()]
    assert [axes.get_title() for axes in panels] == ["u [m s-1]", "t [K]"]
    for axes, row in zip(panels, (1, 0), strict=True):
        assert np.array_equal(mesh_of(axes), VALUES[row, 4])
    assert figure.get_suptitle() == "2020-01-01T04:00:00 UTC"


def test_fixed_fields_follow_and_empty_panels_are_hidden() -> None:
    figure = draw_cube(cube(Mountains), 0, ["t", "u", "f", "t"])
    panels = figure.axes[:8]
    assert [axes.get_title() for axes in panels[:5]] == ["t [K]", "u [m s-1]", "f [1]", "t [K]", "orography (static)"]
    assert np.array_equal(mesh_of(panels[4]), np.arange(20.0).reshape(4, 5))
    assert [axes.get_visible() for axes in panels] == [True] * 5 + [False] * 3


def test_a_field_that_is_missing_has_a_title_alone() -> None:
    holes = VALUES.copy()
    holes[0, 2] = np.nan
    (axes,) = draw_cube(cube(values=holes), 2, ["t"]).axes
    assert axes.get_title() == "t [K]" and not axes.collections


def test_a_name_that_is_not_there_is_refused() -> None:
    with pytest.raises(ValueError, match="no variable 'w'; valid: f, t, u"):
        draw_cube(cube(), 0, ["t", "w"])

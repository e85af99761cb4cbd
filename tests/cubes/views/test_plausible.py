"""Values that Earth does not allow are refused by name, with their time; what is missing stays so."""

from typing import Any

import numpy as np
import pytest

from py4cast.axis import TimeAxis
from py4cast.cubes.memory import MemoryCube
from py4cast.cubes.views.plausible import PlausibleCube
from py4cast.errors import DataError
from py4cast.grid import Grid
from py4cast.variables import Variable

TIMES = np.datetime64("2020-01-01T00", "s") + np.arange(2) * np.timedelta64(6, "h")
GRID = Grid(np.array([50.0, 49.0]), np.array([0.0, 1.0, 2.0]))


def cube(values: np.ndarray, **variable: Any) -> PlausibleCube:
    planes = np.broadcast_to(values, (1, 2, 2, 3)).astype(np.float32)
    held = Variable(**{"name": "t2m", "short_name": "2t", "units": "K", "nan": "mask", **variable})
    return PlausibleCube(MemoryCube([held], TimeAxis.series(TIMES), GRID, planes), "--input")


def test_what_is_plausible_or_missing_passes() -> None:
    values = np.array([[280.0, np.nan, 290.0], [270.0, 275.0, 281.0]])
    view = cube(values, nan="forbid")
    out = np.empty((1, 2, 2, 3), np.float32)
    view.read(["t2m"], 0, 2, out)
    np.testing.assert_array_equal(out[0, 1], values.astype(np.float32))
    assert view.fingerprint == view.source.fingerprint and view.grid is GRID


@pytest.mark.parametrize("bad", [-999.0, 1e20, 8.0], ids=["mark", "fill", "degrees Celsius"])
def test_what_is_not_is_told_with_its_time(bad: float) -> None:
    values = np.full((1, 2, 2, 3), 280.0)
    values[0, 1, 1, 2] = bad
    with pytest.raises(DataError, match=r"--input: t2m of 2020-01-01T06:00:00: values from .* \[K\], expected within"):
        cube(values).read(["t2m"], 0, 2, np.empty((1, 2, 2, 3), np.float32))


def test_marks_of_unknown_variables_too() -> None:
    values = np.full((1, 2, 2, 3), 0.5)
    values[..., 0] = 1e20
    with pytest.raises(DataError, match="--input: q17 of .*: 1e\\+20 .* stands in 2 of 6 cells"):
        cube(values, name="q17", short_name="q17", units="1").read(["q17"], 0, 1, np.empty((1, 1, 2, 3), np.float32))

"""What a forecast is held against holds sums over the same times."""

from pathlib import Path

import numpy as np
import pytest

from py4cast.axis import TimeAxis
from py4cast.cubes.memory import MemoryCube
from py4cast.errors import DataError
from py4cast.formats import Fields, writer_for
from py4cast.grid import Grid
from py4cast.variables import Variable
from py4cast.workflows.chosen import display_in, open_shown
from py4cast.workflows.plot import plot
from py4cast.workflows.view.run import view

GRID = Grid(np.linspace(51.0, 46.0, 6), np.linspace(0.0, 5.0, 6))
START, HOUR = np.datetime64("2020-01-01T00", "s"), np.timedelta64(3600, "s")
RAIN = Variable(name="tp", short_name="tp", units="kg m-2", accumulated=True)


def rain(path: Path, leads: list[int]) -> Path:
    values = np.random.default_rng(0).gamma(1.0, 1.0, (len(leads), *GRID.shape, 1)).astype(np.float32)
    writer_for(path).write(path, Fields(values, [RAIN], GRID, START, [h * HOUR for h in leads]))
    return path


def test_sums_over_other_times_are_refused(tmp_path: Path) -> None:
    three, six, same = (
        rain(tmp_path / "a.grib2", [3, 6]),
        rain(tmp_path / "b.grib2", [6]),
        rain(tmp_path / "c.grib2", [3, 6]),
    )
    told = "--with: tp holds sums over 6h, tp of the first ones over 3h; expected the same"
    with pytest.raises(DataError, match=told):
        plot([three], tmp_path / "x.png", lead_times=["6h"], against=[six])
    with pytest.raises(DataError, match=told):
        view([three], tmp_path / "x.html", against=[six])
    assert plot([three], tmp_path / "y.png", lead_times=["6h"], against=[same]).is_file()


def test_a_sum_says_over_what_it_runs(tmp_path: Path) -> None:
    for name, leads, told in (
        ("a", [3, 6], "precipitation amount in 3h [mm]"),
        ("b", [6], "precipitation amount in 6h [mm]"),
    ):
        cube = open_shown([rain(tmp_path / f"{name}.grib2", leads)])
        assert display_in(cube, cube.variables[0]).title == told
        cube.close()
    spans = {"tp": frozenset([3 * HOUR, 6 * HOUR])}
    cube = MemoryCube([RAIN], TimeAxis.series(np.array([START])), GRID, np.zeros((1, 1, *GRID.shape), np.float32))
    cube.spans = spans
    assert display_in(cube, RAIN).title == "precipitation amount since the start [mm]"

"""What a forecast is held against holds sums over the same times."""

from pathlib import Path

import numpy as np
import pytest

from py4cast.errors import DataError
from py4cast.formats import Fields, writer_for
from py4cast.grid import Grid
from py4cast.variables import Variable
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

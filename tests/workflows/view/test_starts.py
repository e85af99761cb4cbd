"""Files of several starts that differ in lead times and members: of each start what it has."""

from pathlib import Path

import numpy as np
import pytest

from py4cast.cubes.files import open_fields
from py4cast.errors import SettingsError
from py4cast.formats import Fields, writer_for
from py4cast.grid import Grid
from py4cast.variables import Variable
from py4cast.workflows.chosen import chosen_variables, members_at, units_in
from py4cast.workflows.view.moments import chosen_moments

GRID = Grid(np.array([51.0, 50.0]), np.array([0.0, 1.0, 2.0]))
HOUR, START = np.timedelta64(3600, "s"), np.datetime64("2020-01-01T00", "s")
T2M = Variable(name="t2m", short_name="2t", units="K", standard_name="air_temperature")


def written(path: Path, start: np.datetime64, hours: list[int], members: tuple[int, ...]) -> Path:
    values = np.broadcast_to(280.0 + np.array(members)[None, :, None, None, None], (len(hours), len(members), 2, 3, 1))
    writer_for(path).write(path, Fields(values.astype(np.float32), [T2M], GRID, start, [h * HOUR for h in hours], members=members))  # fmt: skip
    return path


def test_a_start_has_its_lead_times_and_members_alone(tmp_path: Path) -> None:
    first = written(tmp_path / "a.grib2", START, [6, 12, 18], (0, 1))
    second = written(tmp_path / "b.grib2", START + 6 * HOUR, [6], (0, 1, 2, 3))
    cube = open_fields([first, second])
    for start, hours, members in (("2020-01-01T00", [6.0, 12.0, 18.0], 2), ("2020-01-01T06", [6.0], 4)):
        moments = chosen_moments(cube, start, (), ())
        assert [m.lead for m in moments] == hours and {len(m.instants) for m in moments} == {members}
        for moment in moments:
            values = members_at(cube, cube.names[0], moment.instants)
            np.testing.assert_allclose(values[:, 0, 0], 280.0 + np.arange(members), atol=1e-3)
    with pytest.raises(
        SettingsError, match=r"--lead_times 12h: not in the forecast from 2020-01-01T06:00:00, which holds 6 \.\.\. h"
    ):
        chosen_moments(cube, "2020-01-01T06", ("12h",), ())
    cube.close()


def test_variables_have_the_names_that_people_know(tmp_path: Path) -> None:
    cube = open_fields([written(tmp_path / "a.grib2", START, [6, 12], (0, 1))])
    assert cube.names == ["2t"]
    for name in ("t2m", "2t", "2m_temperature"):
        assert [v.name for v in chosen_variables(cube, [name], 4)] == ["2t"] and units_in(cube, {name: "degF"}) == {"2t": "degF"}  # fmt: skip
    with pytest.raises(SettingsError, match="--variables t3m: not in the files"):
        chosen_variables(cube, ["t3m"], 4)
    cube.close()

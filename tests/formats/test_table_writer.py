from pathlib import Path

import numpy as np
import pytest

from py4cast.errors import SettingsError
from py4cast.formats import Heading
from py4cast.formats.stations import read_stations
from py4cast.formats.table_writer import TableWriter
from py4cast.grid import Grid
from py4cast.testing import make_forecast
from py4cast.variables import Variable

VARIABLES = [Variable(name="t2m", units="K"), Variable(name="index")]


def heading(members: tuple[int, ...] = ()) -> Heading:
    places = Grid(np.array([[50.25, -51.0]]), np.array([[1.5, -2.0]]), areas=np.ones((1, 2)))
    leads = [np.timedelta64(s, "s") for s in (1800, 86400)]
    start = np.datetime64("2020-02-28T12", "s")
    return Heading(VARIABLES, places, start, leads, members=members, stations=("a", "Saint-Paul, sud"))


def written(path: Path, of: Heading, values: np.ndarray) -> list[str]:
    with TableWriter().open(path, of) as put:
        for step in values:
            put(step.astype(np.float32))
    return path.read_text(encoding="utf-8").splitlines()


def test_a_row_per_station_and_lead_time(tmp_path: Path) -> None:
    values = np.array([[[[280.12345, np.nan], [281, 1e-7]]], [[[282, -3], [283, 4]]]])
    assert written(tmp_path / "s.csv", heading(), values) == [
        "station,latitude,longitude,time,init_time,lead_time_h,t2m [K],index",
        "a,50.25,1.5,2020-02-28T12:30:00Z,2020-02-28T12:00:00Z,0.5,280.1234,",
        '"Saint-Paul, sud",-51,-2,2020-02-28T12:30:00Z,2020-02-28T12:00:00Z,0.5,281,1e-07',
        "a,50.25,1.5,2020-02-29T12:00:00Z,2020-02-28T12:00:00Z,24,282,-3",
        '"Saint-Paul, sud",-51,-2,2020-02-29T12:00:00Z,2020-02-28T12:00:00Z,24,283,4',
    ]


def test_members_have_rows_of_their_own(tmp_path: Path) -> None:
    values = np.arange(2 * 2 * 2 * 2).reshape(2, 2, 1, 2, 2)
    rows = [line.split(",") for line in written(tmp_path / "s.csv", heading((4, 9)), values)]
    assert rows[0][6:] == ["member", "t2m [K]", "index"]
    assert [(r[-3], r[-2], r[-1]) for r in rows[1:]] == [
        (member, str(4 * i), str(4 * i + 1)) if station == 0 else (member, str(4 * i + 2), str(4 * i + 3))
        for i, member in enumerate(("4", "9", "4", "9"))
        for station in range(2)
    ]


def test_it_is_read_back_as_stations(tmp_path: Path) -> None:
    values = np.random.default_rng(0).normal(280, 20, (2, 1, 2, 2)).astype(np.float32)
    values[0, 0, 1, 1] = np.nan
    written(tmp_path / "s.csv", heading(), values)
    stations = read_stations(tmp_path / "s.csv")
    assert list(stations.names) == ["a", "Saint-Paul, sud"]
    np.testing.assert_array_equal(stations.latitude, [50.25, -51])
    np.testing.assert_array_equal(stations.times, heading().init_time + np.array(heading().lead_times))
    np.testing.assert_allclose(stations.at(stations.times, ["t2m", "index"]), values[:, 0], rtol=1e-6)


def test_fields_are_no_table(tmp_path: Path) -> None:
    message = r"a \.csv holds series at stations: give it by --series, with --stations FILE"
    with pytest.raises(SettingsError, match=message):
        TableWriter().write(tmp_path / "f.csv", make_forecast())
    assert not list(tmp_path.iterdir())

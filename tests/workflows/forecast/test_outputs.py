from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from numpy.typing import NDArray

from py4cast.errors import DataError, SettingsError
from py4cast.formats import Heading
from py4cast.grid import Grid
from py4cast.variables import Variable
from py4cast.vectors import frame
from py4cast.workflows.forecast.outputs import Outputs, Series, check_pattern, path_of, stamp
from tests import forecast_files as made
from tests.forecasters import GRID, PREDICTED, RAIN
from tests.test_vectors import rotated

MINUTE = np.timedelta64(60, "s")
START = np.datetime64("2019-03-30T00", "s")
HEADING = Heading([*PREDICTED[:1], RAIN], GRID, START, [1 * made.HOUR, 3 * made.HOUR])


def fields(*shape: int) -> NDArray[np.float32]:
    """Temperatures that are linear in place, and rain that is one per step behind it."""
    place = made.LATITUDE[:, None] + 2 * made.LONGITUDE[None, :]
    plane = np.stack([place, np.ones(GRID.shape)], -1)
    return np.broadcast_to(plane, (*shape, *plane.shape)).astype(np.float32)


@pytest.mark.parametrize(
    ("start", "lead", "name"),
    [
        ("2019-03-30T00:00", 6 * made.HOUR, "f_20190330T00_006.nc"),
        ("2019-03-30T12:30", 120 * made.HOUR, "f_20190330T1230_120.nc"),
        ("2019-03-30T10:00", 30 * MINUTE, "f_20190330T10_000h30.nc"),
        ("2019-03-30T23:05", 1000 * made.HOUR + 5 * MINUTE, "f_20190330T2305_1000h05.nc"),
    ],
)
def test_times_in_a_path(start: str, lead: np.timedelta64, name: str) -> None:
    assert path_of("f_{init_time}_{lead_time}.nc", np.datetime64(start, "s"), lead) == Path(name)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a_{lead}.nc", r"--output 'a_\{lead\}.nc': unknown place \{lead\}; .*lead_time"),
        ("a_{}.nc", r"unknown place \{\}"),
        ("a_{init_time.nc", "expected '}' before end of string"),
        ("a_}.nc", "Single '}' encountered"),
        ("a_{lead_time:03d}.nc", r"expected \{lead_time\} alone; times are written as 20190330T00 and 006"),
        ("a_{init_time:%Y}.nc", r"expected \{init_time\} alone"),
        ("a_{lead_time!r}.nc", r"expected \{lead_time\} alone"),
    ],
)
def test_other_places_in_a_path_are_refused(text: str, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        check_pattern(text, "--output")


def test_doubled_braces_and_known_places_are_let_through() -> None:
    check_pattern("{{x}}_{init_time}_{lead_time}.nc", "--output")
    assert path_of("{{x}}_{lead_time}", START, made.HOUR) == Path("{x}_001")


def test_whole_files_stand_at_the_end_and_those_of_lead_times_at_once(tmp_path: Path) -> None:
    with Outputs([str(tmp_path / "all_{init_time}.nc"), str(tmp_path / "{lead_time}.nc")], HEADING) as outputs:
        outputs.put(fields())
        assert {p.name for p in tmp_path.glob("[!.]*")} == {"001.nc"}
        outputs.put(fields() + 1)
    assert [p.name for p in outputs.written] == ["all_20190330T00.nc", "001.nc", "003.nc"]
    with xr.open_dataset(outputs.written[0], decode_timedelta=True) as data:
        np.testing.assert_array_equal(data["t2m"].to_numpy(), np.stack([fields()[..., 0], fields()[..., 0] + 1]))
        assert (data["lead_time"].to_numpy() / made.HOUR).tolist() == [1, 3]
    with xr.open_dataset(outputs.written[2], decode_timedelta=True) as data:
        assert (data["lead_time"].to_numpy() / made.HOUR).tolist() == [3]
        np.testing.assert_array_equal(data["tp"].to_numpy()[0], np.full(GRID.shape, 2.0))


def test_nothing_stands_of_a_forecast_that_fails(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="stopped"), Outputs([str(tmp_path / "a.nc")], HEADING) as outputs:
        outputs.put(fields())
        raise RuntimeError("stopped")
    with pytest.raises(ValueError, match="1 lead times written of 2"), Outputs([str(tmp_path / "a.nc")], HEADING) as o:
        o.put(fields())
    assert not list(tmp_path.iterdir())


def test_an_unknown_ending_is_told_before_anything_is_opened(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"unknown ending '\.ncc'; did you mean '\.nc'"):
        Outputs([str(tmp_path / "a.nc"), str(tmp_path / "b.ncc")], HEADING)
    assert not list(tmp_path.iterdir())


PLACES = "station,latitude,longitude\nmid,52.25,-1.1\nfar,10,0\nedge,55.0,-5.0\n"


def write_places(folder: Path, text: str = PLACES) -> str:
    (folder / "places.csv").write_text(text)
    return str(folder / "places.csv")


def test_values_at_stations_are_linear_between_cells(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    series = Series(str(tmp_path / "{init_time}.csv"), write_places(tmp_path), HEADING)
    assert "1 stations lie outside the grid and are left out: far" in caplog.text
    assert series.heading.stations == ("mid", "edge") and series.path.name == "20190330T00.csv"
    values = series.values(fields())
    assert values.shape == series.heading.shape == (1, 2, 2)
    np.testing.assert_allclose(values[0], [[52.25 - 2.2, 1], [55.0 - 10.0, 1]], rtol=1e-6)


def test_every_member_has_its_values_at_stations(tmp_path: Path) -> None:
    heading = replace(HEADING, members=(0, 1, 2))
    series = Series(str(tmp_path / "s.nc"), write_places(tmp_path), heading)
    values = series.values(fields(3) + np.arange(3, dtype=np.float32)[:, None, None, None])
    assert values.shape == (3, 1, 2, 2)
    expected = np.array([[52.25 - 2.2, 1], [55.0 - 10.0, 1]]) + np.arange(3)[:, None, None]
    np.testing.assert_allclose(values[:, 0], expected, rtol=1e-6)


def test_the_series_is_written_beside_the_fields(tmp_path: Path) -> None:
    series = Series(str(tmp_path / "s.csv"), write_places(tmp_path), HEADING)
    with Outputs([str(tmp_path / "{lead_time}.nc")], HEADING, series) as outputs:
        for step in range(2):
            outputs.put(fields() + step)
    assert [p.name for p in outputs.written] == ["s.csv", "001.nc", "003.nc"]
    table = pd.read_csv(tmp_path / "s.csv")
    assert table["lead_time_h"].tolist() == [1, 1, 3, 3]
    np.testing.assert_allclose(table["t2m [K]"], [50.05, 45.0, 51.05, 46.0], rtol=1e-5)


def test_a_series_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"--series s\.grib2: expected a name that ends in \.csv or \.nc"):
        Series("s.grib2", "nowhere.csv", HEADING)
    with pytest.raises(DataError, match="nowhere.csv: no such file"):
        Series("s.csv", str(tmp_path / "nowhere.csv"), HEADING)
    far = write_places(tmp_path, "station,latitude,longitude\nfar,10,0\n")
    with pytest.raises(DataError, match="grids do not meet"):
        Series("s.csv", far, HEADING)


@pytest.mark.parametrize(
    "when", ["2019-03-30T00", "2019-03-30T06:30", "2019-03-30T06:30:15", "2019-03-30T00:00:15", "2019-12-31T23:00:00"]
)
def test_every_time_that_is_written_is_read(when: str) -> None:
    from py4cast.timeline import instant

    time = np.datetime64(when, "s")
    for text in (stamp(time), str(time), f"{time}Z", str(time).replace("T", " ")):
        assert instant(text) == time, text


@pytest.mark.parametrize("members", [(), (0, 1)])
def test_winds_at_stations_run_east_and_north(tmp_path: Path, members: tuple[int, ...]) -> None:
    grid, names = rotated(), ("y_wind", "air_temperature", "x_wind")
    variables = [Variable(name=n, units="1", standard_name=n) for n in names]
    places = tmp_path / "places.csv"
    places.write_text("station,latitude,longitude\na,50.0,0.1\nb,51.3,-3.0\n")
    points = Grid(np.array([[50.0, 51.3]]), np.array([[0.1, -3.0]]))
    heading = Heading(variables, grid, START, [made.HOUR], members=members)
    series = Series(str(tmp_path / "s.nc"), str(places), heading)
    assert [v.standard_name for v in series.heading.variables] == ["northward_wind", "air_temperature", "eastward_wind"]
    flow = np.array([3.0, -8.0, 5.0])
    u, v = ((axis * flow).sum(-1) for axis in frame(grid, "grid"))
    fields = np.stack([v, np.full(grid.shape, 280.0), u], -1).astype(np.float32)
    factors = np.arange(1, len(members) + 1)[:, None, None, None] if members else 1
    found = series.values((fields * factors).astype(np.float32))
    east, north = ((axis * flow).sum(-1) for axis in frame(points, "earth"))
    expected = np.stack([north, np.full((1, 2), 280.0), east], -1) * factors
    np.testing.assert_allclose(found, expected, atol=2e-2 * (1 + len(members)))
    with pytest.raises(
        DataError, match="y_wind runs along the axes of its grid, and its other component is not forecast"
    ):
        Series(str(tmp_path / "s.nc"), str(places), replace(heading, variables=variables[:2]))

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from py4cast.errors import DataError
from py4cast.formats.stations import Stations, read_places, read_stations
from tests import forecast_files as made

HEADING = "station,latitude,longitude,time,t2m [K]"
TIMES = np.array(["2020-01-01T00", "2020-01-01T06", "2020-01-01T12"], dtype="datetime64[s]")


def table(tmp_path: Path, *lines: str, name: str = "s.csv") -> Path:
    path = tmp_path / name
    path.write_text("\n".join(lines) + "\n")
    return path


def series(**changes: Any) -> xr.Dataset:
    """Two stations at three times, the times in disorder."""
    data = xr.Dataset(
        {
            "t2m": (("station", "time"), np.array([[3.0, 1.0, 2.0], [30.0, 10.0, 20.0]]), {"units": "degK"}),
            "u10": (("time", "station"), np.array([[0.3, 3.0], [0.1, 1.0], [0.2, np.nan]])),
            "network": ("station", np.array([1, 2])),
        },
        {
            "station": ("station", np.array(["a", "b"])),
            "latitude": ("station", np.array([50.0, 51.0])),
            "longitude": ("station", np.array([1.0, 2.0])),
            "time": ("time", TIMES[[2, 0, 1]].astype("datetime64[ns]")),
        },
    )
    return data.assign_coords(**changes)


@pytest.mark.parametrize("stamp", ["{:%Y%m%d%H}", "{:%Y%m%d%H%M}", "{:%Y%m%d%H%M%S}"])
def test_dates_may_be_written_as_numbers(tmp_path: Path, stamp: str) -> None:
    rows = [f"a,50,1,{stamp.format(time.item())},280" for time in TIMES]
    np.testing.assert_array_equal(read_stations(table(tmp_path, HEADING, *rows)).times, TIMES)


@pytest.mark.parametrize(
    ("numbers", "told"),
    [
        (["1577836800000", "1577858400000"], "numbers without a unit, such as 1577836800000"),
        (["1577836800", "1577858400"], "numbers without a unit, such as 1577836800"),
        (["1612010100"], "numbers without a unit, such as 1612010100"),
        (["0", "6"], "numbers without a unit, such as 0; expected dates, such as 2020-01-01T06:00"),
        (["20200101", "2020010106"], "numbers without a unit"),
        (["2020010106", ""], "1 rows have no time"),
    ],
)
def test_numbers_that_are_no_dates_are_no_times(tmp_path: Path, numbers: list[str], told: str) -> None:
    """They would be nanoseconds since 1970."""
    with pytest.raises(DataError, match=told):
        read_stations(table(tmp_path, HEADING, *(f"a,50,1,{number},280" for number in numbers)))


def test_rows_in_any_order_find_their_time_and_station(tmp_path: Path) -> None:
    path = table(
        tmp_path,
        "name,LAT,Lon,Date,Altitude,t2m [K],wind (m/s),pressure,remark",
        "b,51,2,2020-01-01T06:00Z,30,281,4,1000,late",
        "a,50,1,2020-01-01T00:00Z,20,280,3,,early",
        "b,51,2,2020-01-01T00:00Z,30,,5,1001,",
    )
    stations = read_stations(path)
    assert stations.path == path and list(stations.names) == ["b", "a"], "in the order in which they come"
    np.testing.assert_array_equal(stations.latitude, [51, 50])
    np.testing.assert_array_equal(stations.longitude, [2, 1])
    np.testing.assert_array_equal(stations.elevation, [30, 20])
    np.testing.assert_array_equal(stations.times, TIMES[:2])
    assert stations.units == {"t2m": "K", "wind": "m s-1", "pressure": ""}, "words are no values"
    nan = np.nan
    expected = [[[nan, 5, 1001], [280, 3, nan]], [[281, 4, 1000], [nan, nan, nan]]]
    np.testing.assert_array_equal(stations.values, np.array(expected, dtype=np.float32))


def test_an_offset_from_utc_is_taken_off(tmp_path: Path) -> None:
    stations = read_stations(table(tmp_path, HEADING, "a,50,1,2020-01-01T02:00+02:00,280"))
    assert stations.times.tolist() == [TIMES[0].item()]
    assert np.isnan(stations.elevation).all(), "no column says how high it is"


def test_pieces_of_a_table_are_joined(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("py4cast.formats.stations._ROWS", 7)
    rows = made.stations()
    rows.to_csv(tmp_path / "s.csv", index=False)
    stations = read_stations(tmp_path / "s.csv")
    assert list(stations.names) == list(made.STATIONS.station) and stations.values.shape == (made.TIMES.size, 3, 3)
    np.testing.assert_array_equal(stations.elevation, made.STATIONS.elevation)
    whole = rows[[f"{n} [{u}]" for n, u in made.UNITS.items()]].to_numpy().reshape(made.TIMES.size, 3, 3)
    np.testing.assert_allclose(stations.values, whole, rtol=1e-6)
    assert stations.units == made.UNITS


def test_parquet_holds_what_csv_holds(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    rows = made.stations()
    rows.to_csv(tmp_path / "s.csv", index=False)
    rows.to_parquet(tmp_path / "s.parquet")
    first, second = read_stations(tmp_path / "s.csv"), read_stations(tmp_path / "s.parquet")
    np.testing.assert_array_equal(first.values, second.values)
    np.testing.assert_array_equal(first.times, second.times)
    assert (list(first.names), first.units) == (list(second.names), second.units)


def test_values_at_times_and_of_variables_in_the_order_asked_for() -> None:
    values = np.arange(12, dtype=np.float32).reshape(2, 2, 3)
    places = np.zeros(2)
    units = {"t2m": "K", "u10": "m s-1", "v10": "m s-1"}
    stations = Stations(Path("s.csv"), ["a", "b"], places, places, places, TIMES[[0, 2]], units, values)
    asked = np.array([TIMES[2], TIMES[1], TIMES[0], np.datetime64("2021-01-01", "s")])
    taken = stations.at(asked, ["v10", "t2m"])
    np.testing.assert_array_equal(taken[0], values[1][:, [2, 0]])
    np.testing.assert_array_equal(taken[2], values[0][:, [2, 0]])
    assert np.isnan(taken[[1, 3]]).all(), "between two observations, and after the last one"
    assert not np.isnan(values).any(), "what is held stays as it is"


def test_netcdf_is_sorted_in_time_and_turned(tmp_path: Path) -> None:
    altitude = ("station", np.array([7.0, 8.0]), {"standard_name": "surface_altitude"})
    path = Path(made.write(tmp_path, "s.nc", series(z0=altitude)))
    stations = read_stations(path)
    assert list(stations.names) == ["a", "b"] and stations.units == {"t2m": "K", "u10": ""}
    np.testing.assert_array_equal(stations.times, TIMES)
    np.testing.assert_array_equal(stations.elevation, [7, 8])
    np.testing.assert_array_equal(stations.values[..., 0], [[1, 10], [2, 20], [3, 30]])
    u10 = np.array([[0.1, 1.0], [0.2, np.nan], [0.3, 3.0]], dtype=np.float32)
    np.testing.assert_array_equal(stations.values[..., 1], u10)


def test_stations_without_names_are_numbered(tmp_path: Path) -> None:
    data = series().drop_vars("station").rename({"station": "point"})
    stations = read_stations(made.write(tmp_path, "s.nc", data))
    assert list(stations.names) == ["0", "1"]
    assert np.isnan(stations.elevation).all()


def test_names_of_bytes_are_text(tmp_path: Path) -> None:
    letters = ("station", np.array([b"a1", b"b2"], dtype="S2"))
    stations = read_stations(made.write(tmp_path, "s.nc", series().drop_vars("station").assign_coords(id=letters)))
    assert list(stations.names) == ["a1", "b2"]


def test_places_are_the_first_of_every_station(tmp_path: Path) -> None:
    places = read_places(table(tmp_path, "# made for a test", "id,lat,lng,name", "7,50.5,-1,x", "9,51,2,y", "7,40,0,z"))
    assert places.names == ["7", "9"]
    np.testing.assert_array_equal(places.latitude, [50.5, 51])
    np.testing.assert_array_equal(places.longitude, [-1, 2])


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["station,latitud,longitude", "a,50,1"], "no column 'latitude'; did you mean 'latitud'"),
        (["latitude,longitude", "50,1"], "no column 'station'"),
        (["station,latitude,longitude", "a,north,1"], "a place that is none: could not convert string to float: 'north'"),
        (["station,latitude,longitude", "a,,1"], "a place without coordinates"),
        (["station,latitude,longitude"], "holds no stations"),
        (["station,latitude,longitude", '"a,50,1'], "cannot be read as a table: .*EOF inside string"),
    ],
)  # fmt: skip
def test_places_that_are_none_are_refused(tmp_path: Path, lines: list[str], message: str) -> None:
    with pytest.raises(DataError, match=rf"s\.csv: {message}"):
        read_places(table(tmp_path, *lines))


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ([HEADING.replace("time", "moment"), "a,50,1,2020-01-01,280"], "no column 'time'"),
        ([HEADING, "a,50,1,never,280"], "a time that is none: "),
        ([HEADING], "holds no rows"),
        ([HEADING, "a,50,1,2020-01-01,cold"], "holds no column of numbers beside the places"),
        ([HEADING, "a,91,1,2020-01-01,280"], r"station 'a' lies at latitude 91.0, longitude 1.0"),
        ([HEADING, "a,50,,2020-01-01,280"], r"station 'a' lies at latitude 50.0, longitude nan"),
    ],
)
def test_tables_that_are_none_are_refused(tmp_path: Path, lines: list[str], message: str) -> None:
    with pytest.raises(DataError, match=rf"s\.csv: {message}"):
        read_stations(table(tmp_path, *lines))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (series().drop_vars("latitude"), "no latitude; the variables are t2m, "),
        (series().drop_vars(["t2m", "u10"]), "no variable over 'station' and 'time'"),
        (series(latitude=("station", [50.0, np.nan])), "station 'b' lies at latitude nan, longitude 2.0"),
        (made.analyses().expand_dims("z").assign_coords(latitude=("z", [1.0])), "no variable over 'z' and 'time'"),
    ],
)
def test_netcdf_that_is_no_series_is_refused(tmp_path: Path, data: xr.Dataset, message: str) -> None:
    path = made.write(tmp_path, "s.nc", data)
    with pytest.raises(DataError, match=rf"s\.nc: {message}"):
        read_stations(path)


def test_files_that_are_not_there_or_of_another_kind_are_named(tmp_path: Path) -> None:
    for read in (read_places, read_stations):
        with pytest.raises(DataError, match=r"none\.csv: no such file"):
            read(tmp_path / "none.csv")
    with pytest.raises(DataError, match=r"stations of ending '.xls'; expected .csv, .parquet or .nc"):
        read_stations(table(tmp_path, HEADING, name="s.xls"))
    with pytest.raises(DataError, match=r"s\.nc: cannot be read as stations: "):
        read_stations(table(tmp_path, HEADING, name="s.nc"))
    two_dimensional = series(latitude=(("station", "time"), np.zeros((2, 3))))
    with pytest.raises(DataError, match=r"two\.nc: cannot be read as stations: "):
        read_stations(made.write(tmp_path, "two.nc", two_dimensional))


def test_parquet_without_its_reader_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = table(tmp_path, HEADING, name="s.parquet")
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    with pytest.raises(DataError, match=r"reading Parquet needs pyarrow: pip install py4cast\[stations\]"):
        read_stations(path)


def test_places_are_read_from_parquet_too(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    pd.DataFrame({"station": ["a"], "lat": [50.0], "lon": [1.0]}).to_parquet(tmp_path / "p.parquet")
    assert read_places(tmp_path / "p.parquet").names == ["a"]


HEAD = "station,latitude,longitude,time,t2m [K],rh [%]"
ROW = "s1,41,1,2020-01-01T00,282,70"


@pytest.mark.parametrize(
    ("head", "lines", "told"),
    [
        (HEAD, [ROW, "s1,41,1,2020-01-01T00,299,70"], "s1 of 2020-01-01T00:00:00 stands twice, with 282 and 299"),
        (HEAD, [ROW, "s1,60,20,2020-01-01T06,282,70"], "station s1 stands at 41 N 1 E and at 60 N 20 E; expected one place"),
        (HEAD, [ROW, "s2,41,3,,282,70"], "1 rows have no time, first the one numbered 1"),
        (HEAD, [ROW, "s2,40.0N,3,2020-01-01T00,282,70"], "latitude '40.0N' is no number; expected degrees"),
        (HEAD.replace("rh [%]", "t2m [degC]"), [ROW], r"'t2m' has several columns, 't2m \[degC\]' the last; expected one"),
    ],
    ids=["twice", "moved", "no time", "letters", "units"],
)  # fmt: skip
def test_of_two_reports_none_is_chosen(tmp_path: Path, head: str, lines: list[str], told: str) -> None:
    path = tmp_path / "s.csv"
    path.write_text("\n".join([head, *lines]) + "\n")
    with pytest.raises(DataError, match=told):
        read_stations(path)


def test_reports_of_one_instant_complete_each_other(tmp_path: Path) -> None:
    path = tmp_path / "s.csv"
    # the same again, an empty one, what was lacking; a buoy a little away
    lines = [ROW, ROW, "s1,41,1,2020-01-01T00,,", "s1,41.02,0.97,2020-01-01T06,,71", "s1,41,1,2020-01-01T06,283,"]
    path.write_text("\n".join([HEAD, *lines]) + "\n")
    stations = read_stations(path)
    np.testing.assert_array_equal(stations.values[:, 0], [[282, 70], [283, 71]])

import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

from py4cast.edges import num_repeated_columns
from py4cast.errors import DataError
from py4cast.formats import open_reader
from py4cast.formats.cf_axes import kind_of, pressure_factor
from py4cast.formats.cf_dataset import plain
from py4cast.formats.cf_time import TimeDescription

PATH = Path("made.nc")
LAT, LON = np.array([50.0, 49.0, 48.0]), np.array([0.0, 1.0, 2.0, 3.0])
START = np.datetime64("2020-02-27", "s")


def made(time: Any = None, units: str = "hours since 2020-02-27", **coords: Any) -> xr.Dataset:
    """`t(time, lat, lon)` with undecoded times."""
    hours = np.arange(2) if time is None else time
    attrs = {"units": units} if units else {}
    return xr.Dataset(
        {"t": (("time", "lat", "lon"), np.zeros((2, 3, 4), np.float32), {"units": "K"})},
        {"time": ("time", hours, attrs), "lat": LAT, "lon": LON, **coords},
    )


def test_times_become_instants_and_lead_times_durations() -> None:
    data, problems = plain(made(step=((), 6, {"units": "h", "standard_name": "forecast_period"})), PATH, None)
    np.testing.assert_array_equal(data.time.values.astype("M8[s]"), START + np.arange(2) * np.timedelta64(1, "h"))
    assert data.step.values == np.timedelta64(6, "h") and kind_of(data.step) == "lead" and not problems


def test_what_cannot_be_read_says_which_setting_mends_it() -> None:
    data, problems = plain(made(units=""), PATH, None)
    assert (
        "numbers 0 to 1 without units" in problems["time"] and '{"units": "hours since 1900-01-01"}' in problems["time"]
    )
    mended, problems = plain(made(units=""), PATH, TimeDescription(units="days since 2020-02-27"))
    assert mended.time.values[1].astype("M8[s]") == START + np.timedelta64(1, "D") and not problems
    assert data.time.values.tolist() == [0, 1], "kept as it is for who does not need it"


def test_a_variable_on_an_axis_that_cannot_be_read_is_refused_by_name(tmp_path: Path) -> None:
    made(units="fortnights since 2020-01-01").to_netcdf(tmp_path / "a.nc")
    with open_reader(tmp_path / "a.nc") as reader, pytest.raises(
        DataError, match=r"variable t: its time axis 'time' cannot be read: units 'fortnights since .* tell them by the setting time"
    ):  # fmt: skip
        reader.records()
    with open_reader(tmp_path / "a.nc", time=TimeDescription(units="hours since 2020-02-27")) as reader:
        assert [r.init_time for r in reader.records()] == [START, START + np.timedelta64(1, "h")]


def test_durations_among_the_variables_stay_numbers(tmp_path: Path) -> None:
    data = made()
    data["mwp"] = (("time", "lat", "lon"), np.full((2, 3, 4), 7.9, np.float32), {"units": "seconds"})
    data.to_netcdf(tmp_path / "a.nc")
    with open_reader(tmp_path / "a.nc") as reader:
        record = next(r for r in reader.records() if r.short_name == "mwp")
        assert record.units == "seconds" and float(reader.read(record).max()) == pytest.approx(7.9)


@pytest.mark.parametrize(
    ("name", "units", "values", "factor"),
    [
        ("plev", "Pa", [85000.0, 50000.0], 0.01), ("plev", "", [85000.0, 50000.0], 0.01), ("level", "", [850.0, 500.0], None),
        ("pressure_level", "", [850.0, 500.0], 1.0), ("level", "", [85000.0], 0.01), ("lev", "mbar", [850.0], 1.0),
        ("depth", "m", [5.0], None), ("lev", "kPa", [85.0], 10.0),
    ],
)  # fmt: skip
def test_pressures_are_told_by_units_name_or_size(
    name: str, units: str, values: list[float], factor: float | None
) -> None:
    array = xr.DataArray(np.array(values), dims=(name,), name=name, attrs={"units": units} if units else {})
    assert pressure_factor(array) == factor
    data, _ = plain(made(**{name: (name, np.array(values), array.attrs)}), PATH, None)
    if factor is not None:
        np.testing.assert_allclose(data[name].values, np.array(values) * factor)


@pytest.mark.parametrize(("units", "value"), [("hPa", 85000.0), ("Pa", 850000.0), ("hPa", -1.0), ("hPa", np.nan)])
def test_pressures_that_the_atmosphere_does_not_have_are_refused(units: str, value: float) -> None:
    array = xr.DataArray(np.array([value]), dims=("plev",), name="plev", attrs={"units": units})
    with pytest.raises(DataError, match="no pressure of the atmosphere; expected more than 0"):
        pressure_factor(array)


@pytest.mark.parametrize(
    ("longitude", "count"),
    [
        (np.arange(0, 361, 10.0), 1),
        (np.arange(0, 371, 10.0), 2),
        (np.arange(0, 360, 10.0), 0),
        (np.arange(-180, 181, 5.0), 1),
    ],
)
def test_cyclic_columns_are_left_out_with_a_word(
    longitude: np.ndarray, count: int, caplog: pytest.LogCaptureFixture
) -> None:
    assert num_repeated_columns(longitude) == count
    data = xr.Dataset({"t": (("lat", "lon"), np.zeros((3, longitude.size)))}, {"lat": LAT, "lon": longitude})
    with caplog.at_level(logging.WARNING):
        assert plain(data, PATH, None)[0].sizes["lon"] == longitude.size - count
    assert ("a cyclic column" in caplog.text) == bool(count)


def test_places_that_stand_once_per_instant_are_taken_once_and_moving_ones_refused() -> None:
    lon2, lat2 = np.meshgrid(LON, LAT)
    dims = ("Time", "y", "x")
    data = xr.Dataset(
        {"T2": (dims, np.zeros((2, 3, 4))), "Times": (("Time",), np.array([b"2020-02-27_00:00:00", b"2020-02-27_06:00:00"])),
         "XLAT": (dims, np.stack([lat2, lat2])), "XLONG": (dims, np.stack([lon2, lon2]))},
    )  # fmt: skip
    taken, problems = plain(data, PATH, None)
    assert taken.XLAT.dims == ("y", "x") and not problems
    assert taken.Times.values[1].astype("M8[s]") == START + np.timedelta64(6, "h")
    data["XLAT"] = (dims, np.stack([lat2, lat2 + 1]))
    with pytest.raises(DataError, match="XLAT changes along 'Time': the grid moves"):
        plain(data, PATH, None)

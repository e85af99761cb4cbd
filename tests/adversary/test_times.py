"""Campaign: axes of times in any type, unit, reference and order mean the instants that were written, or are refused."""

import numpy as np
import xarray as xr
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from py4cast.errors import DataError
from py4cast.formats.cf_time import decode_durations, decode_instants
from tests.formats.test_cf import latlon, reader_of

SECONDS = {
    "seconds": 1, "sec": 1, "s": 1, "minutes": 60, "min": 60, "hours": 3600, "hour": 3600, "hr": 3600, "h": 3600, "Hours": 3600,
    "days": 86400, "day": 86400, "d": 86400, "DAYS": 86400,
}  # fmt: skip
UNITS = st.sampled_from(sorted(SECONDS))
REFERENCES = st.sampled_from(
    [
        "1900-01-01",
        "1970-01-01 00:00:00",
        "1950-1-1 12:00",
        "2000-01-01T00:00:00Z",
        "1858-11-17 00:00:00 UTC",
        "2020-02-28 06:30:00",
        "1601-01-01",
        "0001-01-01",
    ]
)
TYPES = st.sampled_from(["f4", "f8", "i4", "i8", "u4"])
STEPS = st.sampled_from([60, 600, 900, 3600, 10800, 21600, 86400])


def _since(reference: str) -> np.datetime64:
    text = (
        reference.removesuffix(" UTC").removesuffix("Z").replace("1950-1-1 12:00", "1950-01-01T12:00").replace(" ", "T")
    )
    return np.datetime64(text, "s")


@settings(max_examples=300, derandomize=True)
@given(UNITS, REFERENCES, TYPES, STEPS, st.integers(0, 200_000), st.integers(2, 60))
def test_numbers_since_a_date(unit: str, reference: str, kind: str, step: int, begin: int, count: int) -> None:
    first = np.datetime64("2018-01-01", "s") + np.timedelta64(begin * 900 // step * step, "s")
    instants = first + np.arange(count) * np.timedelta64(step, "s")
    exact = (instants - _since(reference)).astype(np.int64) / SECONDS[unit]
    assume(kind[0] == "f" or np.abs(exact).max() < np.iinfo(kind).max)
    numbers = exact.astype(kind)
    assume(np.unique(numbers).size == count)  # times that are one number in the file are the file's own loss
    if kind[0] in "iu":
        # a whole number holds what it holds; fractions of it were never written
        assume(np.array_equal(numbers.astype(np.float64), exact))
    try:
        decoded = decode_instants(numbers, f"{unit} since {reference}", "proleptic_gregorian")
    except DataError as error:
        # refused only where neighbours are hardly told apart by numbers of this size
        assert kind == "f4" and float(np.spacing(numbers.max())) * SECONDS[unit] > 0.1 * step, str(error)
        return
    np.testing.assert_array_equal(decoded, instants)


@settings(max_examples=150, derandomize=True)
@given(UNITS, TYPES, STEPS, st.integers(0, 40), st.integers(1, 60))
def test_lead_times(unit: str, kind: str, step: int, first: int, count: int) -> None:
    seconds = (first + np.arange(count)) * step
    numbers = (seconds / SECONDS[unit]).astype(kind)
    if kind[0] in "iu":
        assume(np.array_equal(numbers * float(SECONDS[unit]), seconds))
    try:
        decoded = decode_durations(numbers, unit)
    except DataError:
        assert kind == "f4"
        return
    np.testing.assert_array_equal(decoded, seconds.astype("timedelta64[s]"))


@settings(max_examples=100, derandomize=True)
@given(st.permutations(range(12)), st.sampled_from(["noleap", "366_day", "julian", "standard"]), st.booleans())
def test_every_field_of_a_file_keeps_its_instant(order: list[int], calendar: str, is_text: bool) -> None:
    """Whatever the order in the file, a field is found again at the date that its calendar gives it."""
    assume(not (is_text and calendar != "standard"))
    hours = np.arange(12) * 6.0
    dates = np.datetime64("2021-03-01", "s") + (hours * 3600).astype("timedelta64[s]")
    if is_text:
        times, attrs = np.array([str(d) for d in dates]), {}
    else:
        # from 1 March of the same year, so that every calendar counts alike
        times, attrs = hours, {"units": "hours since 2021-03-01 00:00", "calendar": calendar}
    values = np.repeat(np.arange(12, dtype=np.float32), 6).reshape(12, 2, 3)
    data = latlon(("time", "lat", "lon"), {"time": 12}, time=("time", times[list(order)], attrs))
    data["t"] = xr.DataArray(values[list(order)], dims=("time", "lat", "lon"), attrs={"units": "K"})
    reader = reader_of(data)
    records = reader.records()
    assert len(records) == 12
    expected = {d: i for i, d in enumerate(dates.tolist())}
    for record in records:
        date = record.valid_time.astype("datetime64[s]")
        assert float(reader.read(record)[0, 0]) == expected[date.tolist()], (calendar, str(date))


@settings(max_examples=50, derandomize=True)
@given(st.integers(0, 700), st.sampled_from([1, 5, 10, 30]), st.integers(2, 60))
def test_years_of_360_days_keep_their_order_and_season(first: int, step: int, count: int) -> None:
    days = first + np.arange(count) * step
    decoded = decode_instants(days, "days since 2019-01-01", "360_day")
    assert (np.diff(decoded) > np.timedelta64(0, "s")).all()
    fraction = (decoded - decoded.astype("datetime64[Y]").astype("datetime64[s]")) / np.timedelta64(365, "D")
    assert (np.abs(fraction - days % 360 / 360) < 0.012).all()

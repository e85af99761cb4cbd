import numpy as np
import pytest

from py4cast.errors import DataError
from py4cast.formats.cf_time import decode_durations, decode_instants, is_reference, parse_instants


def instants(*texts: str) -> np.ndarray:
    return np.array(texts, dtype="datetime64[s]")


@pytest.mark.parametrize("kind", ["f4", "f8"])
@pytest.mark.parametrize(
    ("units", "per_hour", "first"),
    [
        ("days since 1900-01-01", 1 / 24, 43886),
        ("hours since 1900-01-01 00:00:0.0", 1, 1053264),
        ("minutes since 2020-02-27", 60, 0),
        ("seconds since 2020-02-27T00:00:00Z", 3600, 0),
    ],
)
def test_hours_in_few_digits_are_hours(kind: str, units: str, per_hour: float, first: float) -> None:
    numbers = (first + per_hour * np.arange(48)).astype(kind)
    expected = np.datetime64("2020-02-27", "s") + np.arange(48) * np.timedelta64(1, "h")
    np.testing.assert_array_equal(decode_instants(numbers, units), expected)


def test_quarters_of_an_hour_that_32_bits_cannot_tell_are_refused() -> None:
    numbers = (43886 + np.arange(96) / 96).astype("f4")
    with pytest.raises(DataError, match=r"float32 numbers up to 43887 tell times to 338 s only"):
        decode_instants(numbers, "days since 1900-01-01")
    exact = decode_instants(43886 + np.arange(96) / 96, "days since 1900-01-01")
    assert set(np.diff(exact)) == {np.timedelta64(900, "s")}


@pytest.mark.parametrize(
    ("numbers", "units", "expected"),
    [
        ([0, 36], "hours since 2020-01-01 00:00 +01:00", instants("2019-12-31T23:00", "2020-01-02T11:00")),
        ([17700000], "hours since 1-1-1", instants("2020-03-15T00:00")),
        ([0, 13], "months since 1960-01-15", instants("1960-01-15", "1961-02-15")),
        ([2], "years since 2000-03-01", instants("2002-03-01")),
        ([20200227.25, 20200228.5], "day as %Y%m%d.%f", instants("2020-02-27T06:00", "2020-02-28T12:00")),
        ([1.5, np.nan], "days since 2020-01-01", instants("2020-01-02T12:00", "NaT")),
    ],
)
def test_what_services_count_in(numbers: list[float], units: str, expected: np.ndarray) -> None:
    np.testing.assert_array_equal(decode_instants(numbers, units), expected)
    assert is_reference(units)


def test_a_year_of_365_days_keeps_its_dates_and_one_of_360_its_season() -> None:
    days = np.arange(58, 61)
    np.testing.assert_array_equal(
        decode_instants(days, "days since 2020-01-01", "noleap"), instants("2020-02-28", "2020-03-01", "2020-03-02")
    )
    whole = decode_instants(np.arange(720), "days since 2019-01-01", "360_day")
    assert np.unique(whole).size == 720, "no two days fall together"
    assert np.diff(whole).max() == np.timedelta64(2, "D")
    assert whole[0] == np.datetime64("2019-01-01") and whole[359] == np.datetime64("2019-12-30")
    monthly = decode_instants(np.arange(12) * 30, "days since 2019-01-01", "360_day")
    np.testing.assert_array_equal(monthly, np.arange("2019-01", "2020-01", dtype="datetime64[M]").astype("M8[s]"))


@pytest.mark.parametrize(
    ("numbers", "units", "calendar", "message"),
    [
        ([1.0], "furlongs since 2020-01-01", "", "'furlongs' is no unit of time"),
        ([1.0], "hours since yesterday", "", "'yesterday' is no date, such as"),
        ([1.0], "hours since 2020-13-01", "", "'2020-13-01' is no date"),
        ([1.0], "hours since 2020-01-01", "lunar", "calendar 'lunar': expected standard"),
        ([0.5], "months since 2020-01-01", "", "no whole number of months"),
        ([20201301.0], "day as %Y%m%d.%f", "", "20201301 is no date"),
        ([59.0], "days since 2019-01-01", "all_leap", "2019-02-29 is no day of the real calendar"),
    ],
)
def test_what_cannot_be_read_says_why(numbers: list[float], units: str, calendar: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        decode_instants(numbers, units, calendar)


@pytest.mark.parametrize("units", ["h", "hr", "hour", "hours", "Hours"])
def test_lead_times_in_any_spelling(units: str) -> None:
    np.testing.assert_array_equal(decode_durations(np.array([6, 12], "i2"), units), np.array([21600, 43200], "m8[s]"))


def test_lead_times_in_days_and_minutes() -> None:
    np.testing.assert_array_equal(decode_durations(np.array([0.25], "f4"), "days"), np.array([21600], "m8[s]"))
    np.testing.assert_array_equal(decode_durations([90.0, np.nan], "min"), np.array([5400, "NaT"], "m8[s]"))
    with pytest.raises(DataError, match="'parsecs' is no unit of time"):
        decode_durations([1.0], "parsecs")


def test_dates_as_text() -> None:
    texts = np.array([b"2020-02-27_06:00:00", b"2020-02-27_12:30:00"])
    np.testing.assert_array_equal(parse_instants(texts), instants("2020-02-27T06:00", "2020-02-27T12:30"))
    with pytest.raises(DataError, match="'noon' is no date"):
        parse_instants(["noon"])

import numpy as np
import pytest

from py4cast.errors import SettingsError
from py4cast.settings import decode
from py4cast.timeline import (
    MONTH,
    Period,
    duration,
    evenly,
    instant,
    is_on,
    later,
    num_months,
    show_duration,
    step_of,
    steps_between,
    told,
)


@pytest.mark.parametrize(
    ("text", "time"),
    [("2019-03-01T06", "2019-03-01T06:00:00"), ("2019-03-01T06:30Z", "2019-03-01T06:30:00"), ("2019030106", "2019-03-01T06:00:00"),
     ("20190301", "2019-03-01T00:00:00"), ("2020-02-29", "2020-02-29T00:00:00"), ("2019-03-01 06:00", "2019-03-01T06:00:00"),
     ("20190301T06", "2019-03-01T06:00:00"), ("20190301T0630", "2019-03-01T06:30:00"), ("20190301T063015Z", "2019-03-01T06:30:15")],
)  # fmt: skip
def test_instants(text: str, time: str) -> None:
    assert str(instant(text)) == time


@pytest.mark.parametrize("text", ["2019-02-29", "yesterday", "", "2019-03-01T06+01:00", "2019-13-01", "NaT"])
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(SettingsError, match="expected UTC such as"):
        instant(text)


def test_a_bare_date_ends_with_the_day() -> None:
    period = Period(start="2019-03-01", end="2019-03-01")
    assert (period.last - period.first) == np.timedelta64(86399, "s")
    with pytest.raises(ValueError, match="lies before start"):
        Period(start="2019-03-02", end="2019-03-01")


def test_durations() -> None:
    assert [show_duration(duration(t)) for t in ("1h", "90min", "24h", "15min", "45s", "1 day")] == [
        "1h",
        "90min",
        "1d",
        "15min",
        "45s",
        "1d",
    ]
    for wrong in ("0h", "1 fortnight", "-1h", "h"):
        with pytest.raises(SettingsError, match="expected a number and a unit"):
            duration(wrong)


def test_times_do_not_depend_on_the_zone(monkeypatch: pytest.MonkeyPatch) -> None:
    import time

    found = set()
    for zone in ("UTC", "Asia/Kolkata", "Europe/Paris", "America/New_York"):
        monkeypatch.setenv("TZ", zone)
        time.tzset()
        found.add(str(instant("2021-03-28T02:30")))
    assert found == {"2021-03-28T02:30:00"}


def test_months_are_counted_by_the_calendar() -> None:
    step = duration("1mon")
    assert step == MONTH == np.timedelta64(1, "M").astype("timedelta64[s]"), "numpy's mean month"
    assert (num_months(step), num_months(duration("3months")), num_months(duration("30d"))) == (1, 3, 0)
    assert (show_duration(step), show_duration(duration("12mon")), told(step), told(duration("1h"))) == (
        "1mon", "12mon", "1mon", "3600 seconds",
    )  # fmt: skip
    start = np.datetime64("2019-12-31T18:00", "s")
    assert [str(t) for t in later(start, np.arange(4), step)] == [
        "2019-12-31T18:00:00", "2020-01-31T18:00:00", "2020-02-29T18:00:00", "2020-03-31T18:00:00",
    ]  # fmt: skip
    assert str(later(start, -2, step)) == "2019-10-31T18:00:00"
    assert str(later(start, 3, np.timedelta64(6, "h"))) == "2020-01-01T12:00:00"


@pytest.mark.parametrize("text", ["1mon", "3mon", "1h", "2d", "7d"])
def test_even_times_are_on_their_steps(text: str) -> None:
    step, first = duration(text), np.datetime64("2019-11-01", "s")
    times = later(first, np.arange(40), step)
    assert step_of(times) == step and is_on(times, first, step).all()
    assert steps_between(first, times, step).tolist() == list(range(40))
    np.testing.assert_array_equal(evenly(first, times[-1], step), times)
    np.testing.assert_array_equal(evenly(first, times[-1] + np.timedelta64(1, "s"), step), times)
    assert not is_on(times + np.timedelta64(60, "s"), first, step).any()
    assert steps_between(first, times - np.timedelta64(1, "s"), step).tolist() == list(range(-1, 39))


HOURS = np.datetime64("2019-01-01T00", "s") + np.arange(0, 3 * 365 * 4) * np.timedelta64(6 * 3600, "s")


def test_a_period_may_be_some_months_without_some_stretches() -> None:
    winter = decode(Period, {"start": "2019-01-01", "end": "2020-12-31", "months": [12, 1, 2]})
    held = HOURS[winter.contains(HOURS)]
    assert set((held.astype("datetime64[M]").astype(int) % 12 + 1).tolist()) == {12, 1, 2}
    assert held[0] == HOURS[0] and held[-1] == np.datetime64("2020-12-31T18")
    document = {"start": "2019-01-01", "end": "2019-12-31", "without": [{"start": "2019-03-01", "end": "2019-03-31"}]}
    period = decode(Period, document)
    assert period.contains(HOURS).sum() == (365 - 31) * 4
    assert decode(Period, period.to_dict()) == period


def test_a_list_is_a_period_of_several_stretches() -> None:
    documents = [
        {"start": "2020-06-01", "end": "2020-08-31"},
        {"start": "2019-01-01", "end": "2019-12-31", "months": [1]},
    ]
    period = decode(Period, documents)
    assert (period.start, period.end) == ("2019-01-01", "2020-08-31") and len(period.parts) == 2
    assert period.contains(HOURS).sum() == (92 + 31) * 4
    assert decode(Period, period.to_dict()) == period


def test_a_plain_period_is_written_as_it_was() -> None:
    plain = {"start": "2019-01-01", "end": "2019-02-01", "init_step": None}
    assert decode(Period, plain).to_dict() == plain, "stores and files of before are found again"


@pytest.mark.parametrize(
    ("document", "told"),
    [
        ({"start": "2019-01-01", "end": "2019-02-01", "months": [13]}, r"months \[13\]: expected numbers from 1 to 12"),
        ({"start": "2019-02-01", "end": "2019-01-01"}, "lies before start"),
        ([], "start"),
        ([{"start": "2019-01-01"}], "end"),
        ([{"start": "2019-02-01", "end": "2019-01-01"}], "lies before start"),
        ([{"start": "x", "end": "2019-01-01"}], "time 'x'"),
        ([{"start": "2019-01-01", "end": "2019-02-01", "month": [1]}], "did you mean 'months'"),
    ],
    ids=["month", "backwards", "empty", "half", "part backwards", "no time", "unknown"],
)
def test_what_is_no_period_is_told(document: object, told: str) -> None:
    with pytest.raises(SettingsError, match=told):
        decode(Period, document)


def test_a_part_of_a_period_leaves_stretches_out() -> None:
    document = [
        {"start": "2014-03-01", "end": "2014-03-10"},
        {"start": "2014-05-01", "end": "2014-05-20", "without": [{"start": "2014-05-05", "end": "2014-05-06"}]},
    ]
    period = decode(Period, Period.document_of_list(document), where="period")
    days = np.arange("2014-02-27", "2014-05-23", dtype="datetime64[D]").astype("datetime64[s]")
    kept = days[period.contains(days)].astype("datetime64[D]").astype(str).tolist()
    assert kept == [f"2014-03-{d:02}" for d in range(1, 11)] + [f"2014-05-{d:02}" for d in range(1, 21) if d not in (5, 6)]  # fmt: skip

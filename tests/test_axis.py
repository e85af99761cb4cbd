import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from py4cast.axis import TimeAxis
from py4cast.timeline import Period, num_months

START, HOUR = np.datetime64("2020-01-01T00", "s"), np.timedelta64(3600, "s")
SERIES = TimeAxis.series(START + np.arange(6) * HOUR)
FORECASTS = TimeAxis.forecasts(START + np.arange(3) * 12 * HOUR, np.arange(1, 5) * HOUR, (0, 7))


def test_a_series_is_one_run() -> None:
    assert (SERIES.size, SERIES.length, SERIES.num_members, SERIES.step) == (6, 6, 1, HOUR)
    assert SERIES.runs.tolist() == [0] * 6 and SERIES.is_first.tolist() == [True] + [False] * 5
    assert SERIES.shape == (6,) and SERIES.dims == ("time",)
    assert SERIES.instant(2) == (START + 2 * HOUR, np.timedelta64(0, "s"), None)


def test_forecasts_are_ordered_by_start_member_and_lead_time() -> None:
    axis = FORECASTS
    assert (axis.size, axis.length, axis.num_members) == (24, 4, 2)
    assert axis.shape == (3, 2, 4) and axis.dims == ("init_time", "member", "lead_time")
    assert axis.instant(0) == (START, HOUR, 0) and axis.instant(4) == (START, HOUR, 7)
    assert axis.instant(8 + 4 + 3) == (START + 12 * HOUR, 4 * HOUR, 7)
    assert axis.times[15] == START + 16 * HOUR and axis.runs[15] == 3
    assert axis.run_end(15) == 16 and axis.is_first.sum() == 6


def test_the_freshest_forecast_is_found() -> None:
    axis = TimeAxis.forecasts(START + np.arange(2) * 2 * HOUR, np.arange(5) * HOUR)
    assert axis.find(START + 3 * HOUR) == 5 + 1, "one hour from the second start, not three from the first"
    assert axis.find(START + 30 * HOUR) is None and SERIES.find(START + 5 * HOUR) == 5


def test_what_belongs_to_a_period() -> None:
    inside = SERIES.inside(Period(start="2020-01-01T01", end="2020-01-01T03"))
    assert inside.tolist() == [False, True, True, True, False, False]
    day = Period(start="2020-01-01", end="2020-01-01", init_step="24h")
    assert FORECASTS.inside(day).reshape(3, -1).all(1).tolist() == [True, False, False]
    assert FORECASTS.inside(day).reshape(3, -1).any(1).tolist() == [True, False, False]


@pytest.mark.parametrize("axis", [SERIES, FORECASTS, TimeAxis.forecasts(np.array([START, START + 5 * HOUR, START + 6 * HOUR]), np.array([HOUR]))])  # fmt: skip
def test_it_round_trips_through_json(axis: TimeAxis) -> None:
    again = TimeAxis.from_dict(axis.to_dict())
    assert np.array_equal(again.times, axis.times) and again.members == axis.members
    assert again.is_series == axis.is_series and again.step == axis.step


@given(st.integers(1, 6), st.integers(1, 5), st.integers(0, 4))
def test_every_instant_is_told_once(starts: int, leads: int, members: int) -> None:
    axis = TimeAxis.forecasts(START + np.arange(starts) * 24 * HOUR, np.arange(leads) * HOUR, tuple(range(members)))
    told = [axis.instant(i) for i in range(axis.size)]
    assert len(set(told)) == axis.size == starts * leads * max(1, members)
    assert all(start + lead == time for (start, lead, _), time in zip(told, axis.times, strict=True))


def test_parts_are_axes() -> None:
    assert np.array_equal(SERIES.between(2, 4).times, SERIES.times[2:4])
    part = FORECASTS.between(1, 2)
    assert part.size == 8 and part.times[0] == START + 13 * HOUR and part.members == (0, 7)


def test_a_series_of_months_keeps_its_step() -> None:
    times = np.arange("2019-11", "2021-03", dtype="datetime64[M]").astype("datetime64[s]")
    for axis in (TimeAxis.series(times), TimeAxis.series(times[:2]), TimeAxis.series(times[::3])):
        assert num_months(axis.step) == (3 if axis.length == 6 else 1)
        again = TimeAxis.from_dict(json.loads(json.dumps(axis.to_dict())))
        np.testing.assert_array_equal(again.times, axis.times)
    period = Period(start="2020-01-01", end="2020-12-31", init_step="3mon")
    starts = TimeAxis.forecasts(times, np.array([0, 6], "timedelta64[h]"))
    assert [str(t)[:7] for t in starts.init_times[starts.inside(period)[::2]]] == [
        "2020-01",
        "2020-04",
        "2020-07",
        "2020-10",
    ]

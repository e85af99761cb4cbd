import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from py4cast.axis import TimeAxis
from py4cast.datasets.sampling import init_indices, require_samples
from py4cast.errors import DataError
from py4cast.timeline import Period

HOUR = np.timedelta64(3600, "s")


def axis(count: int) -> np.ndarray:
    return np.datetime64("2020-01-01T00", "s") + np.arange(count) * HOUR


@given(
    st.integers(1, 40), st.sets(st.integers(0, 39)), st.sets(st.integers(0, 39)), st.integers(1, 4), st.integers(1, 5),
    st.integers(0, 20), st.integers(1, 25),
)  # fmt: skip
def test_samples_are_those_of_brute_force(
    count: int, no_state: set[int], no_other: set[int], past: int, ahead: int, first: int, length: int
) -> None:
    times = axis(count)
    states = np.array([i not in no_state for i in range(count)])
    others = np.array([i not in no_other for i in range(count)])
    period = Period(start=str(axis(60)[first]), end=str(axis(60)[first + length]))
    expected = []
    for i in range(count):
        needed, predicted = range(i - past + 1, i + ahead + 1), range(i + 1, i + ahead + 1)
        if needed[0] < 0 or needed[-1] >= count:
            continue
        inside = all(period.first <= times[j] <= period.last for j in needed)
        if inside and all(states[j] for j in needed) and all(others[j] for j in predicted):
            expected.append(i)
    assert init_indices(TimeAxis.series(times), states, others, period, past, ahead).tolist() == expected


def test_starts_at_a_distance() -> None:
    times, there = axis(48), np.ones(48, dtype=bool)
    period = Period(start="2020-01-01T00", end="2020-01-02T23", init_step="6h")
    assert init_indices(TimeAxis.series(times), there, there, period, 2, 3).tolist() == [6, 12, 18, 24, 30, 36, 42]


def test_an_empty_split_says_why() -> None:
    times, there = axis(24), np.ones(24, dtype=bool)
    nothing = np.zeros(0, dtype=np.int64)
    with pytest.raises(
        DataError, match=r"period test .* holds no data; the data hold 2020-01-01T00:00:00 to 2020-01-01T23:00:00"
    ):
        require_samples(nothing, "test", TimeAxis.series(times), there, Period(start="2021-01-01", end="2021-01-02"), 3)
    with pytest.raises(DataError, match=r"holds 4 instants of 1h, no 10 of them in a row; 10 are needed"):
        require_samples(
            nothing, "test", TimeAxis.series(times), there, Period(start="2020-01-01T00", end="2020-01-01T03"), 10
        )

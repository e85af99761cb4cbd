import numpy as np
import pytest

from py4cast.errors import DataError
from py4cast.metrics.climatology import Climatology, Fit, RainCounts, check_kind, uncovered_days, year_phase

HOUR = np.timedelta64(3600, "s")
YEARS = np.arange(np.datetime64("2018-01-01T00", "s"), np.datetime64("2020-12-31T23", "s"), 6 * HOUR)


def cycle(times: np.ndarray) -> np.ndarray:
    """A year and a day, `(time, 1, 2, 3)`: what three harmonics per hour hold exactly."""
    hour = (times.astype("datetime64[s]").astype(np.int64) % 86400) / 3600
    wave = (
        280
        + 10 * np.cos(year_phase(times))
        + 2 * np.sin(3 * year_phase(times))
        + hour * (1 + np.sin(year_phase(times)))
    )
    return np.broadcast_to(wave[:, None, None, None], (len(times), 1, 2, 3)).astype(np.float32)


def test_harmonics_return_a_year_and_a_day() -> None:
    fit = Fit(6 * HOUR, 3)
    rng = np.random.default_rng(0)
    noisy = cycle(YEARS) + 0.1 * rng.standard_normal((len(YEARS), 1, 2, 3)).astype(np.float32)
    noisy[5, 0, 0, 0], noisy[:, 0, 1, 1] = np.nan, np.nan
    for time, field in zip(YEARS, noisy, strict=True):
        fit.add(time, field)
    normal = Climatology(6 * HOUR, fit.coefficients(), "")
    later = np.array(["2025-03-01T06", "2025-08-15T18"], dtype="datetime64[s]")
    found = normal(later).numpy()
    assert normal.has_days and found.shape == (2, 2, 3, 1)
    np.testing.assert_allclose(found[:, 0, 1:, 0], cycle(later)[:, 0, 0, 1:], atol=0.06)
    assert np.isnan(found[:, 1, 1]).all(), "a cell that never holds data"
    slot = YEARS.astype("datetime64[s]").astype(np.int64) % 86400 == 6 * 3600
    assert found[0, 0, 0, 0] == pytest.approx(np.nanmean(noisy[slot, 0, 0, 0]), rel=1e-5), "a cell that lacks instants"


def test_a_slot_without_data_takes_the_mean_of_the_others() -> None:
    fit = Fit(6 * HOUR, 0)
    for time in np.array(["2020-01-01T00", "2020-01-01T06"], dtype="datetime64[s]"):
        fit.add(time, cycle(np.array([time]))[0])
    normal = Climatology(6 * HOUR, fit.coefficients(), "")
    expected = cycle(np.array(["2020-01-01T00", "2020-01-01T06"], dtype="datetime64[s]")).mean()
    np.testing.assert_allclose(normal(np.array(["2020-06-01T18"], dtype="datetime64[s]")), expected, rtol=1e-6)


def test_days_that_lack_are_named() -> None:
    assert uncovered_days(YEARS) is None
    winter = YEARS[(np.datetime64("2018-03-01") > YEARS) | (np.datetime64("2020-11-01") < YEARS)]
    assert uncovered_days(winter) == ("02-29", "10-31")
    assert uncovered_days(YEARS[:0]) == ("01-01", "12-31")
    summer = YEARS[(np.datetime64("2018-04-01") < YEARS) & (np.datetime64("2018-10-01") > YEARS)]
    first, last = uncovered_days(summer)
    assert (first, last) == ("09-30", "03-30"), "days of 2018 counted in the calendar of a leap year"
    with pytest.raises(DataError, match="holds no day from 02-29 to 10-31"):
        check_kind("day_of_year", winter)
    assert check_kind("auto", winter) == 0 and check_kind("hour", YEARS) == 0 and check_kind("auto", YEARS) == 3


def test_the_climate_of_rain() -> None:
    rng = np.random.default_rng(0)
    counts = RainCounts((1, 2), 0.25)
    amounts = np.where(rng.random((6000, 1, 2)) < [0.6, 1.0], 0.0, rng.exponential(5.0, (6000, 1, 2))).astype(
        np.float32
    )
    for field in amounts:
        counts.add(field)
    dry, heavy = (x.numpy() for x in counts.result())
    assert dry[0, 0] == pytest.approx((amounts[:, 0, 0] <= 0.25).mean()) and dry[0, 1] == 1.0
    wet = amounts[:, 0, 0][amounts[:, 0, 0] > 0.25]
    assert heavy[0, 0] == pytest.approx(np.quantile(wet, 2 / 3), rel=0.02) and np.isnan(heavy[0, 1])

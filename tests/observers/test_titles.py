"""What stands above charts: dates and lead times."""

from types import SimpleNamespace

import numpy as np

from py4cast.observers.titles import Starts, of_case, shown_time
from py4cast.timeline import MONTH

HOUR = np.timedelta64(1, "h")


def test_a_case_says_when_it_is_valid() -> None:
    start = np.datetime64("2020-02-28T18:00:00")
    assert shown_time(start) == "2020-02-28 18:00 UTC"
    assert of_case(start, 36 * HOUR) == "2020-02-28 18:00 UTC +36 h, valid 2020-03-01 06:00 UTC"
    assert of_case(start, np.timedelta64(90, "m")) == "2020-02-28 18:00 UTC +1.5 h, valid 2020-02-28 19:30 UTC"
    assert of_case(None, 6 * HOUR) == "+6 h"
    month = np.datetime64("2020-01-01", "s")
    assert of_case(month, 2 * MONTH) == "2020-01-01 00:00 UTC +2mon, valid 2020-03-01 00:00 UTC", "by the calendar"


def test_starts_are_counted_from_first_to_last_and_forgotten() -> None:
    starts = Starts()
    times = np.array(["2020-01-03", "2020-01-01", "2020-01-09"], "datetime64[s]")
    starts.see(SimpleNamespace(init_times=times), 2)
    starts.see(SimpleNamespace(init_times=times[:1]), 1)
    assert starts.title("RMSE") == "RMSE of 3 forecasts, 2020-01-01 00:00 UTC to 2020-01-03 00:00 UTC"
    starts.see(SimpleNamespace(init_times=times[2:]), 1)
    assert starts.title("RMSE") == "RMSE of 1 forecast, 2020-01-09 00:00 UTC"
    starts.see(SimpleNamespace(), 2)
    assert starts.title("RMSE") == "RMSE of 2 forecasts", "data without dates"

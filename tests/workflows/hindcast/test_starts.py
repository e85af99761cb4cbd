import numpy as np
import pytest

from py4cast.errors import SettingsError
from py4cast.workflows.hindcast.starts import Starts


def test_a_period_and_how_often() -> None:
    starts = Starts.of("2022-01-01/2022-01-02/12h")
    assert [str(t) for t in starts.times] == ["2022-01-01T00:00:00", "2022-01-01T12:00:00", "2022-01-02T00:00:00", "2022-01-02T12:00:00"]  # fmt: skip
    assert not starts.is_named
    year = Starts.of("2022-01-01/2022-12-31/12h").times
    assert len(year) == 730 and year[-1] == np.datetime64("2022-12-31T12")
    months = Starts.of("2022-01-01/2022-12-31/1mon").times
    assert len(months) == 12 and months[1] == np.datetime64("2022-02-01")
    assert len(Starts.of("2022-01-01T06/2022-01-01T06/1h").times) == 1


def test_times_by_name_come_in_order_and_once() -> None:
    starts = Starts.of("2022-01-02T00,2022010106,2022-01-02T00")
    assert [str(t) for t in starts.times] == ["2022-01-01T06:00:00", "2022-01-02T00:00:00"] and starts.is_named


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("2022-01-02/2022-01-01/1h", "ends before it begins"),
        ("2022-01-01/2022-01-02", "expected FIRST/LAST/EVERY, such as"),
        ("2022-01-01/2022-01-02/x", "duration 'x'"),
        ("2022-13-01/2022-01-02/1h", "time '2022-13-01'"),
        ("0001-01-01/2022-01-02/1s", "expected at most 1000000"),
        (",", "or times by comma"),
    ],
    ids=["backwards", "two", "every", "time", "many", "none"],
)
def test_what_is_no_start_is_told(text: str, told: str) -> None:
    with pytest.raises(SettingsError, match=told):
        Starts.of(text)

from typing import Any

import numpy as np
import pytest

from py4cast.datasets.older_settings import (
    OlderGrid,
    OlderParam,
    OlderPeriod,
    OlderPeriods,
    ServiceSettings,
    hours,
    obs_step,
    periods_of,
)
from py4cast.errors import SettingsError
from py4cast.settings import decode
from py4cast.timeline import Period, Periods, duration

PERIODS: dict[str, Any] = {
    "train": {"start": 20200101, "end": 20200131, "step": 6},
    "valid": {"start": "2020020106", "end": "2020-02-03T12"},
    "test": {"start": 2020020400, "end": "20200205", "obs_step_btw_t0": 5400},
}


def older(**changes: dict[str, Any]) -> OlderPeriods:
    document = {name: {**PERIODS[name], **changes.get(name, {})} for name in PERIODS}
    return decode(OlderPeriods, document, where="periods")


@pytest.mark.parametrize(("value", "text"), [(1, "1h"), (24, "1d"), (0.25, "15min"), (36, "36h"), (1 / 3600, "1s")])
def test_hours_are_a_duration(value: float, text: str) -> None:
    assert hours(value) == text and duration(text) / np.timedelta64(1, "s") == pytest.approx(3600 * value)


@pytest.mark.parametrize("value", [0, -1, 1 / 7, 1e-5])
def test_hours_that_are_no_whole_seconds_are_refused(value: float) -> None:
    with pytest.raises(SettingsError, match=r" h: expected a positive number of hours, in whole seconds"):
        hours(value)


def test_periods_are_read_as_numbers_and_as_text() -> None:
    periods = periods_of(older())
    spans = [(str(p.first), str(p.last), p.init_step) for p in periods.in_order]
    assert isinstance(periods, Periods)
    assert spans == [
        ("2020-01-01T00:00:00", "2020-01-31T23:59:59", "6h"),
        ("2020-02-01T06:00:00", "2020-02-03T12:00:00", None),
        ("2020-02-04T00:00:00", "2020-02-05T23:59:59", "5400s"),
    ]


def test_seconds_between_starts_go_before_hours() -> None:
    period = OlderPeriod(start=20200101, end=20200102, step=6, obs_step_btw_t0=7200)
    assert duration(period.period().init_step or "") == np.timedelta64(7200, "s")


def test_one_day_is_a_period_and_one_that_ends_before_it_starts_is_none() -> None:
    assert isinstance(OlderPeriod(start=20200102, end=20200102).period(), Period)
    with pytest.raises(ValueError, match="end 20200101 lies before start 2020010200"):
        OlderPeriod(start=2020010200, end=20200101)


def test_the_step_between_states_is_that_of_the_periods() -> None:
    assert obs_step(older(), "3h") == "3h"
    assert obs_step(older(train={"obs_step": 900}), "3h") == "15min"
    assert obs_step(older(train={"obs_step": 3600}, test={"obs_step": 3600}), "3h") == "1h"
    with pytest.raises(SettingsError, match="periods: obs_step differs between them: 900, 3600"):
        obs_step(older(train={"obs_step": 3600}, test={"obs_step": 900}), "3h")


def test_what_the_named_datasets_share_is_said_in_the_words_of_gridded() -> None:
    settings = ServiceSettings(periods=older(), forcings=("hour",), store_type="uint16")
    assert settings.shared() == {
        "periods": periods_of(older()), "root": None, "forcings": ("hour",), "boundary": None, "inputs": {},
        "store": None, "store_type": "uint16",
    }  # fmt: skip


@pytest.mark.parametrize("word", ["subgrid", "subdomain"])
def test_a_window_of_zeros_is_the_whole_grid(word: str) -> None:
    window = decode(OlderGrid, {word: [1, 5, 2, 6], "name": "g", "border_size": 3}, where="grid").grid()
    assert (window.subgrid, window.name, window.border_size) == ((1, 5, 2, 6), "g", 3)
    assert decode(OlderGrid, {word: [0, 0, 0, 0]}, where="grid").grid().subgrid is None
    assert OlderGrid().grid().subgrid is None


def test_one_window_is_enough() -> None:
    with pytest.raises(ValueError, match="give subgrid or subdomain, not both"):
        OlderGrid(subgrid=(0, 1, 0, 1), subdomain=(0, 1, 0, 1))


def test_a_parameter_lies_at_the_surface_or_on_levels() -> None:
    assert decode(OlderParam, {"levels": "surface"}, where="t").levels == "surface"
    assert decode(OlderParam, {"levels": [850, 500], "kind": "input"}, where="t").levels == (850.0, 500.0)
    with pytest.raises(SettingsError, match=r"t\.kind: .*input_output"):
        decode(OlderParam, {"kind": "static"}, where="t")

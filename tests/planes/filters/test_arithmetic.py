from typing import Any

import numpy as np
import pytest

from py4cast.errors import SettingsError
from py4cast.planes.filters import registry
from py4cast.planes.filters.base import FilterABC
from py4cast.settings import decode

X = np.array([[-2.0, 0.0], [3.0, np.nan]], dtype=np.float32)


def made(name: str, **settings: Any) -> FilterABC:
    kind = registry.get(name)
    return kind(decode(kind.settings_kls, {"input": "x", **settings} if name != "orography" else settings))


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (None, None, [-2, 0, 3]),
        (-1.0, None, [-1, 0, 3]),
        (None, 0.5, [-2, 0, 0.5]),
        (-1.0, 1.0, [-1, 0, 1]),
    ],
)
def test_clip_keeps_values_within_the_limits_that_are_given(
    low: float | None, high: float | None, expected: list[float]
) -> None:
    clip = made("clip", low=low, high=high)
    np.testing.assert_array_equal(clip.apply({"input": X}).ravel(), [*expected, np.nan])
    assert clip.keeps_units


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({}, [-2, 0, 3]),
        ({"factor": 0.5, "offset": -1.0}, [-2, -1, 0.5]),
        ({"factor": 2.0, "valid_min": 0.0}, [np.nan, 0, 6]),
        ({"valid_min": 4.0, "offset": 1.0}, [np.nan] * 3),
    ],
)
def test_scale_is_a_factor_then_an_offset_and_small_inputs_are_missing(
    settings: dict[str, float], expected: list[float]
) -> None:
    np.testing.assert_array_equal(made("scale", **settings).apply({"input": X}).ravel(), [*expected, np.nan])


def test_scale_counts_in_float64() -> None:
    large = np.array([[16777216.0]], dtype=np.float32)
    assert made("scale", offset=1.0).apply({"input": large})[0, 0] == 16777217.0


@pytest.mark.parametrize(
    ("step", "window", "minutes"),
    [("1h", "3h", [-120, -60, 0]), ("15min", "1h", [-45, -30, -15, 0]), ("6h", "6h", [0]), ("12h", "1d", [-720, 0])],
)
def test_a_sum_reads_the_steps_that_end_within_the_window(step: str, window: str, minutes: list[int]) -> None:
    total = made("sum_over", step=step, window=window)
    assert [int(o / np.timedelta64(60, "s")) for o in total.offsets] == minutes and total.keeps_units


def test_a_sum_is_over_the_steps_and_of_one_step_the_step() -> None:
    total = made("sum_over", step="1h", window="3h")
    np.testing.assert_array_equal(total.apply({"input": np.stack([X, X + 1, 10 * X])}), X + X + 1 + 10 * X)
    np.testing.assert_array_equal(made("sum_over", step="1h", window="1h").apply({"input": X}), X)
    small = np.array([16777216.0, 1.0, 1.0], dtype=np.float32)[:, None, None]
    assert total.apply({"input": small})[0, 0] == 16777218.0


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"step": "2h", "window": "3h"}, "window 3h is no multiple of the step 2h"),
        ({"step": "3h", "window": "1h"}, "window 1h is no multiple of the step 3h"),
        ({"step": "1h", "window": "long"}, "duration 'long'"),
        ({"step": "0h", "window": "1h"}, "duration '0h'"),
    ],
)
def test_windows_that_are_no_steps_are_refused(settings: dict[str, str], said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        made("sum_over", **settings)


@pytest.mark.parametrize(("step", "seconds"), [("1h", 3600.0), ("15min", 900.0), ("1d", 86400.0)])
def test_a_mean_rate_is_per_second(step: str, seconds: float) -> None:
    np.testing.assert_allclose(made("mean_rate", step=step).apply({"input": X}), X / seconds, rtol=1e-6)


def test_a_height_is_a_geopotential_over_gravity() -> None:
    orography = made("orography", geopotential="z")
    held = orography.apply({"geopotential": np.array([[9806.65, -98.0665]])})
    np.testing.assert_allclose(held, [[1000.0, -10.0]], rtol=1e-12)
    assert orography.units == {"geopotential": "m2 s-2"} and orography.result_units == "m"

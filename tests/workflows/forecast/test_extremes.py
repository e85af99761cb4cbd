"""Values that Earth does not have are told once, and passed on as they are."""

import numpy as np
import pytest

from py4cast.variables import Variable
from py4cast.workflows.forecast.extremes import with_extremes_told

RAIN = Variable(name="tp", short_name="tp", units="kg m-2")
T2M = Variable(name="t2m", short_name="2t", units="degC")
OWN = Variable(name="own", units="1")


def told(caplog: pytest.LogCaptureFixture, *lowest: float, t2m: float = 10.0) -> list[str]:
    steps = [np.full((2, 3, 4, 3), 1.0, dtype=np.float32) for _ in lowest]
    for values, low in zip(steps, lowest, strict=True):
        values[..., 1], values[..., 2] = t2m, 1e9
        values[0, 1, 2, 0], values[1, 0, 0, 0] = low, np.nan
    passed = list(with_extremes_told(iter(steps), [RAIN, T2M, OWN]))
    assert all(a is b for a, b in zip(passed, steps, strict=True))
    return [record.getMessage() for record in caplog.records]


def test_rain_below_nothing_is_told_with_what_helps(caplog: pytest.LogCaptureFixture) -> None:
    (message,) = told(caplog, -0.1, -0.75, -0.2)
    assert message.startswith("tp: the forecast has values from -0.75 to 1 [kg m-2], expected within -0.5 to 3000")
    assert message.endswith("a training keeps to bounds: --set 'variables.tp.bounds=[0, null]'")


def test_in_other_units_and_on_the_other_side(caplog: pytest.LogCaptureFixture) -> None:
    (message,) = told(caplog, 0.0, t2m=200.0)
    assert (
        message.startswith("t2m: the forecast has values from 200 to 200 [degC], expected within -12")
        and "bounds" not in message
    )


def test_what_is_plausible_is_not_told(caplog: pytest.LogCaptureFixture) -> None:
    assert told(caplog, -0.4, 0.0) == []
    assert told(caplog) == [], "no step at all"

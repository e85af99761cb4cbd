"""Which errors dress a forecast."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import torch

from py4cast.workflows.verify.dressing import dressing


def spread_of(calibration: Any) -> float:
    model = SimpleNamespace(
        info=SimpleNamespace(predicted=["t"]), lineage={"validation_rmse": {"t": [2.0, 3.0]}}, calibration=calibration
    )
    dressed, forecast = dressing(model, None, 2, 4)  # type: ignore[arg-type]
    assert dressed is not None and forecast is None
    members = dressed.members(torch.zeros(1, 2, 40, 50, 1), np.array(["2020-01-01T00"], dtype="datetime64[s]"), 4)
    return float(members[:, :, 1].std())


def test_a_calibrated_forecast_is_dressed_with_the_errors_that_are_left() -> None:
    assert abs(spread_of(None) - 3.0) < 0.1
    assert abs(spread_of(SimpleNamespace(source={"rmse": {"t": [1.0, 1.5]}})) - 1.5) < 0.05


def test_an_older_calibration_tells_no_errors() -> None:
    model = SimpleNamespace(
        info=SimpleNamespace(predicted=["t"]), lineage={"validation_rmse": {"t": [2.0]}}, calibration=SimpleNamespace(source={})
    )  # fmt: skip
    assert dressing(model, None, 1, 4) == (None, None)  # type: ignore[arg-type]

"""SpreadPlot: spread and error of known members."""

import numpy as np
import pytest
import torch

from py4cast.namedtensor import NamedTensor
from py4cast.observers.spread import SpreadPlot
from tests.observers.watching import DIMS, caught, fields, titles, watched


def test_curves_are_the_deviation_of_members_and_the_error_of_their_mean(monkeypatch: pytest.MonkeyPatch) -> None:
    figures, seen, observer = caught(monkeypatch, "spread"), watched(), SpreadPlot()
    truth = fields(seen.info)
    growth = torch.arange(1.0, 4.0).view(1, 3, 1, 1, 1)
    # members of error −1, 0 and 4 times the lead time: mean 1, unbiased variance 7
    members = torch.stack([truth.tensor + factor * growth for factor in (-1.0, 0.0, 4.0)], 1)
    forecast = NamedTensor(members, [DIMS[0], "member", *DIMS[1:]], truth.feature_names)
    for _ in range(2):
        observer.update(seen, forecast, truth)
    observer.on_step_end(seen)
    figure = figures["test_spread"]
    assert titles(figure) == ["a [K]", "b [m s⁻¹]", "d [mm]"]
    for axes in figure.axes:
        shown = {line.get_label(): np.asarray(line.get_xydata(), dtype=float) for line in axes.lines}
        np.testing.assert_allclose(shown["RMSE of the mean"], np.array([[1.0, 1], [2, 2], [3, 3]]), rtol=1e-5)
        np.testing.assert_allclose(shown["spread"], np.array([[k, k * 7**0.5] for k in (1.0, 2.0, 3.0)]), rtol=1e-5)
        assert axes.get_ylim()[0] == 0 and axes.get_xlabel() == "lead time [h]"


def test_an_epoch_without_forecasts_draws_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    figures = caught(monkeypatch, "spread")
    SpreadPlot().on_step_end(watched())
    assert not figures and SpreadPlot.takes_members

import logging
import math

import numpy as np
import pytest
import torch
from torch import Tensor

from py4cast.metrics.aggregator import Aggregator
from py4cast.metrics.case import Case
from py4cast.metrics.layout import Layout
from py4cast.metrics.resolution import LambdaT
from tests.metrics.layouts import HOUR, START, layout

CELLS = (3, 4)


def layout_of(weights: Tensor | None = None) -> Layout:
    return layout(1, CELLS, torch.ones(CELLS).double() if weights is None else weights, scales=(1,))


def series(count: int, seed: int = 0) -> Tensor:
    """A forecast's truth at one lead time, `(forecast, timestep, lat, lon, features)`."""
    return torch.randn(count, 1, *CELLS, 3, generator=torch.Generator().manual_seed(seed))


def resolution(prediction: Tensor, truth: Tensor, hours: list[int] | None = None) -> Tensor:
    fields_of = layout_of()
    aggregator = Aggregator([LambdaT(fields_of)], fields_of)
    starts = START + np.array(range(0, 6 * len(truth), 6) if hours is None else hours) * HOUR
    aggregator.update(prediction, truth, init_times=starts)
    return aggregator.values()["lambda_t"]


@pytest.mark.parametrize(("count", "shortest"), [(16, 6 * 16 / 7), (17, 6 * 17 / 8)])
def test_a_perfect_forecast_resolves_the_shortest_period(count: int, shortest: float) -> None:
    np.testing.assert_allclose(resolution(series(count), series(count)), np.full((1, 3), shortest), rtol=1e-9)


def test_a_forecast_of_the_mean_resolves_no_period() -> None:
    assert resolution(torch.zeros_like(series(16)), series(16)).isnan().all()


def test_a_truth_that_does_not_change_resolves_nothing() -> None:
    still = torch.ones_like(series(16))
    assert resolution(still, still).isnan().all()


def test_cells_that_lack_once_are_left_out() -> None:
    truth, prediction = series(16), series(16)
    prediction[:, :, 0, 1] = 1e6
    truth[3, :, 0, 1] = torch.nan
    np.testing.assert_allclose(resolution(prediction, truth), 6 * 16 / 7, rtol=1e-9)


def test_a_sample_holds_forecast_and_truth_of_cells_with_weight() -> None:
    weights = torch.ones(CELLS).double()
    weights[0], weights[1, 1:] = 0.0, 0.0
    fields_of = layout_of(weights)
    truth = torch.arange(36.0).reshape(*CELLS, 3)
    sample = LambdaT(fields_of).sample(Case(fields_of, truth + 0.5, truth))
    assert sample.shape == (3, 2, 5) and sample[0, 1].tolist() == [12.0, 24.0, 27.0, 30.0, 33.0]
    assert (sample[:, 0] - sample[:, 1] == 0.5).all()
    holed = truth.clone()
    holed[2, 3, 0] = torch.nan
    again = LambdaT(fields_of).sample(Case(fields_of, truth + 0.5, holed))
    assert again[0, :, 4].isnan().all() and torch.equal(again[1:], sample[1:])


def test_at_most_a_hundred_cells_are_chosen_from_the_first_to_the_last() -> None:
    fields_of = layout(1, (20, 30), torch.ones(20, 30).double())
    truth = torch.arange(600.0).reshape(20, 30, 1).expand(20, 30, 3)
    sample = LambdaT(fields_of).sample(Case(fields_of, truth, truth))
    assert sample.shape == (3, 2, 100) and sample[0, 0, 0] == 0 and sample[0, 0, -1] == 599
    assert set(sample[0, 0].diff().tolist()) == {6.0, 7.0}


@pytest.mark.parametrize(
    ("hours", "reason"),
    [
        ([*range(7)], "7 forecasts alone; expected at least 8, evenly spaced"),
        ([0, 6, 12, 18, 24, 30, 36, 43], "8 forecasts at uneven distances; expected at least 8, evenly spaced"),
    ],
)
def test_too_few_or_uneven_starts_are_told(hours: list[int], reason: str, caplog: pytest.LogCaptureFixture) -> None:
    truth = series(len(hours))
    with caplog.at_level(logging.WARNING):
        assert resolution(truth, truth, hours).isnan().all()
    assert f"lambda_t: {reason}" in caplog.text


def test_it_is_in_hours_and_of_samples_alone() -> None:
    metric = LambdaT(layout_of())
    assert metric.units("u") == "h" and not metric.is_default and metric.kept == ()
    with pytest.raises(NotImplementedError, match="lambda_t is made of samples"):
        metric.value({})
    assert math.isnan(float(metric.value_of_samples(np.array([START]), torch.zeros(1, 1, 3, 2, 4))[0, 0]))

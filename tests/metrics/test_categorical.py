from collections.abc import Sequence

import numpy as np
import pytest
import torch
from torch import Tensor

from py4cast.metrics.aggregator import Aggregator
from py4cast.metrics.base import MetricABC
from py4cast.metrics.case import Case
from py4cast.metrics.categorical import CSI, ETS, FAR, POD, SEEPS, Contingency, FrequencyBias, SeepsStatistic
from py4cast.metrics.layout import Layout
from py4cast.testing import make_info
from tests.metrics.layouts import layout

CELLS = (2, 4)
KINDS: list[type[MetricABC]] = [POD, FAR, CSI, ETS, FrequencyBias]


def of_rain(amounts: Sequence[float]) -> Tensor:
    """Rain of eight cells, calm wind, `(lat, lon, features)`."""
    field = torch.zeros(*CELLS, 3)
    field[..., 2] = torch.tensor(amounts).reshape(CELLS)
    return field


def layout_of(weights: Tensor | None = None) -> Layout:
    return layout(1, CELLS, torch.ones(CELLS).double() if weights is None else weights, scales=(1,))


def scores_of(prediction: Tensor, truth: Tensor) -> dict[str, Tensor]:
    fields_of = layout_of()
    aggregator = Aggregator([kind(fields_of) for kind in KINDS], fields_of)
    aggregator.update(prediction[None, None], truth[None, None])
    return aggregator.values()


FORECAST = of_rain([2, 2, 2, 2, 0, 0, 0, 0])
TRUTH = of_rain([2, 2, 0, 0, 2, 0, 0, 0])


@pytest.mark.parametrize(
    ("name", "value"),
    [("pod", 2 / 3), ("far", 1 / 2), ("csi", 2 / 5), ("frequency_bias", 4 / 3), ("ets", (2 - 1.5) / (5 - 1.5))],
)
def test_two_hits_two_false_alarms_and_a_miss_in_eight_cells(name: str, value: float) -> None:
    """By chance 4·3/8 = 1.5 hits."""
    assert float(scores_of(FORECAST, TRUTH)[name][0, 0, 1]) == pytest.approx(value)


def test_an_amount_at_the_threshold_is_an_event() -> None:
    at_limit = of_rain([1.0] * 8)
    values = scores_of(at_limit, at_limit)["pod"][0, 0]
    assert values[:2].tolist() == [1.0, 1.0] and values[2:].isnan().all(), "no event at 5 and 10 kg m-2"


def test_what_is_undefined_is_nan_and_never_infinite() -> None:
    values = scores_of(of_rain([2.0] * 8), of_rain([0.0] * 8))
    assert values["frequency_bias"][0, 0, 1].isnan(), "forecast events over none"
    assert values["pod"][0, 0, 1].isnan() and float(values["far"][0, 0, 1]) == 1.0


def test_shares_are_weighted_and_leave_out_missing_cells() -> None:
    weights = torch.arange(8.0).reshape(CELLS).double()
    truth = TRUTH.clone()
    truth[0, 3, 2] = torch.nan
    fields_of = layout_of(weights)
    sums, totals = Contingency(fields_of).compute(Case(fields_of, FORECAST, truth))
    assert sums[0, 1].tolist() == [0 + 1, 2, 4] and totals[0, 1].tolist() == [28 - 3] * 3
    assert totals[1].tolist() == [[28.0] * 3] * 3 + [[0.0] * 3], "wind has all cells, and three thresholds"


def test_events_of_the_wind_are_of_its_speed() -> None:
    truth = torch.zeros(*CELLS, 3)
    truth[..., 0], truth[..., 1] = 3.0, -4.0
    values = scores_of(truth, truth)["csi"][0, 1]
    assert float(values[0]) == 1.0 and values[1:].isnan().all(), "a speed of 5 m s-1"


def test_names_and_what_is_lacking() -> None:
    fields_of = layout_of()
    every: list[type[MetricABC]] = [*KINDS, SEEPS]
    assert {kind(fields_of).units("tp") for kind in every} == {"1"}
    (thresholds,) = CSI(fields_of).dimensions
    assert thresholds.name == "threshold" and thresholds.values[0] == [0.1, 1.0, 5.0, 10.0]
    bare = Layout.of(make_info())
    assert {kind.lacking(bare) for kind in KINDS} == {"precipitation, wind, or thresholds in the settings"}
    assert SEEPS.lacking(bare) == "the climate of a precipitation variable"
    assert SEEPS.lacking(fields_of) == "" and SEEPS(fields_of).features == ["tp"]


def test_seeps_by_hand() -> None:
    """p₁ = ½ dry, p₃ = 1/6 heavy (above 4): the matrix of M. J. Rodwell et al. (2010), halved."""
    forecast = of_rain([0, 0, 0, 2, 2, 2, 9, 9])
    truth = of_rain([0, 2, 9, 0, 2, 9, 0, 2])
    fields_of = layout_of()
    sums, totals = SeepsStatistic(fields_of).compute(Case(fields_of, forecast, truth))
    penalties = [0, 2, 6 + 2, 2, 0, 6, 2 + 6 / 5, 6 / 5]
    assert sums.tolist() == pytest.approx([sum(penalties) / 2]) and totals.tolist() == [8.0]


def test_seeps_leaves_out_missing_cells_and_too_dry_a_climate() -> None:
    fields_of = layout_of()
    assert fields_of.rain is not None
    fields_of.rain.dry["tp"][0, 0] = 0.9
    truth = of_rain([0.0] * 8)
    truth[1, 3, 2] = torch.nan
    aggregator = Aggregator([SEEPS(fields_of)], fields_of)
    aggregator.update(of_rain([9] + [0] * 6 + [9])[None, None], truth[None, None])
    assert aggregator.values()["seeps"].tolist() == [[0.0]]
    np.testing.assert_allclose(aggregator.totals["seeps"], [[6.0]])


def test_the_dry_limit_is_a_setting() -> None:
    wet = layout(1, CELLS, torch.ones(CELLS).double(), scales=(1,), dry_limit=2.0)
    sums, _ = SeepsStatistic(wet).compute(Case(wet, of_rain([2.0] * 8), of_rain([0.0] * 8)))
    assert sums.tolist() == [0.0]

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from py4cast.metrics.aggregator import Aggregator
from py4cast.metrics.base import MetricABC
from py4cast.metrics.case import Case
from py4cast.metrics.ensemble import (
    CRPS,
    Brier,
    EnergyScore,
    EnergyStatistic,
    FairCRPS,
    RankHistogram,
    Reliability,
    Spread,
    SpreadSkill,
)
from py4cast.metrics.layout import Layout
from py4cast.testing import make_info
from tests.metrics.layouts import layout

CELLS = (2, 3)


def equal_cells(num_members: int = 2, **settings: object) -> Layout:
    return layout(num_members, CELLS, torch.ones(CELLS).double(), scales=(1,), **settings)


def members_of(*values: float) -> Tensor:
    """Each member one value everywhere, `(1, member, 1, lat, lon, features)`."""
    return torch.tensor(values).reshape(1, -1, 1, 1, 1, 1).expand(1, len(values), 1, *CELLS, 3)


@pytest.mark.parametrize(
    ("kind", "value"),
    [(CRPS, 1.5), (FairCRPS, 1.0), (Spread, math.sqrt(2)), (SpreadSkill, math.sqrt(3) / 2), (EnergyScore, 1.0)],
)
def test_scores_of_two_members_at_one_and_three_of_a_truth_of_zero(kind: type[MetricABC], value: float) -> None:
    """Mean distance 2 from the truth, 2 between the members; their mean errs by 2, their variance is 2."""
    fields_of = equal_cells()
    aggregator = Aggregator([kind(fields_of)], fields_of)
    aggregator.update(members_of(1.0, 3.0), torch.zeros(1, 1, *CELLS, 3))
    np.testing.assert_allclose(aggregator.values()[kind.name], np.full((1, 3), value), rtol=1e-12)


def test_means_over_forecasts_are_taken_before_roots_and_ratios() -> None:
    fields_of = equal_cells()
    aggregator = Aggregator([Spread(fields_of), SpreadSkill(fields_of)], fields_of)
    truth = torch.zeros(1, 1, *CELLS, 3)
    aggregator.update(members_of(1.0, 3.0), truth)
    aggregator.update(members_of(2.0, 10.0), truth)
    np.testing.assert_allclose(aggregator.values()["spread"], math.sqrt((2 + 32) / 2), rtol=1e-12)
    ratio = math.sqrt(1.5 * (2 + 32) / (2**2 + 6**2))
    np.testing.assert_allclose(aggregator.values()["spread_skill"], ratio, rtol=1e-12)


def test_ranks_have_the_weights_of_their_cells() -> None:
    weights = torch.tensor([[1.0, 2.0, 3.0], [4.0, 0.0, 0.0]]).double()
    fields_of = layout(2, CELLS, weights, scales=(1,))
    truth = torch.tensor([[0.0, 2.0, 5.0], [1.0, 9.0, 9.0]])[None, None, ..., None].expand(1, 1, *CELLS, 3)
    aggregator = Aggregator([RankHistogram(fields_of)], fields_of)
    aggregator.update(members_of(1.0, 3.0), truth)
    # the tie at 1 is shared by the ranks below and above the first member
    expected = np.array([1 + 4 / 2, 2 + 4 / 2, 3]) / 10
    np.testing.assert_allclose(aggregator.values()["rank_histogram"][0], np.tile(expected, (3, 1)), rtol=1e-12)
    (ranks,) = RankHistogram(fields_of).dimensions
    assert ranks.name == "rank" and list(ranks.values) == [0, 1, 2]


def rain(members: list[list[float]], truth: list[float]) -> tuple[Tensor, Tensor]:
    """Rain of six cells, calm wind."""
    prediction, observed = torch.zeros(1, len(members), 1, *CELLS, 3), torch.zeros(1, 1, *CELLS, 3)
    prediction[0, :, 0, ..., 2] = torch.tensor(members).reshape(-1, *CELLS)
    observed[0, 0, ..., 2] = torch.tensor(truth).reshape(CELLS)
    return prediction, observed


def test_probabilities_of_rain_in_their_bins() -> None:
    """At 1 kg m-2: p = 1, 1, ½, ½, 0, 0 and the event in the first three cells."""
    prediction, truth = rain([[2, 2, 2, 2, 0, 0], [2, 2, 0, 0, 0, 0]], [2, 2, 2, 0, 0, 0])
    fields_of = equal_cells(num_bins=4)
    brier, reliability = Brier(fields_of), Reliability(fields_of)
    aggregator = Aggregator([brier, reliability], fields_of)
    aggregator.update(prediction, truth)
    assert brier.features == reliability.features == ["tp", "wind"]
    plain, fair = aggregator.values()["brier"][0, 0, 1].tolist()
    assert plain == pytest.approx((0.25 + 0.25) / 6)
    assert fair == pytest.approx((0.25 - 0.25 + 0.25 - 0.25) / 6, abs=1e-12)
    share, probability, frequency = aggregator.values()["reliability"][0, 0, 1].unbind(-1)
    np.testing.assert_allclose(share, [1 / 3, 0, 1 / 3, 1 / 3])
    np.testing.assert_allclose(probability, [0, np.nan, 0.5, 1])
    np.testing.assert_allclose(frequency, [0, np.nan, 0.5, 1])


def test_an_amount_at_the_threshold_is_an_event() -> None:
    prediction, truth = rain([[1, 1, 1, 1, 1, 1], [0, 0, 0, 0, 0, 0]], [1, 1, 1, 1, 1, 1])
    fields_of = equal_cells()
    aggregator = Aggregator([Reliability(fields_of)], fields_of)
    aggregator.update(prediction, truth)
    assert aggregator.values()["reliability"][0, 0, 1, 5].tolist() == [1.0, 0.5, 1.0]


def test_a_name_with_fewer_thresholds_has_no_score_at_the_others() -> None:
    fields_of = equal_cells()
    aggregator = Aggregator([Brier(fields_of)], fields_of)
    aggregator.update(members_of(0.0, 20.0), torch.zeros(1, 1, *CELLS, 3))
    scores = aggregator.values()["brier"][0]
    assert scores.shape == (2, 4, 2) and (scores[1, :3, 0] == 0.25).all() and scores[1, 3].isnan().all()


def test_dimensions_of_probabilities() -> None:
    fields_of = equal_cells(num_bins=4)
    thresholds, form = Brier(fields_of).dimensions
    assert thresholds.values[0] == [0.1, 1.0, 5.0, 10.0] and form.values == ("plain", "fair")
    _, bins, part = Reliability(fields_of).dimensions
    assert list(bins.values) == [0.125, 0.375, 0.625, 0.875]
    assert part.values == ("share", "probability", "frequency")


def test_the_energy_score_takes_the_field_as_one_vector() -> None:
    """Two members that err by 3 in one cell of six: ‖f‖² = 9/6 each, and (3 + 3)²/6 or nothing between them."""
    prediction, truth = rain([[3, 0, 0, 0, 0, 0], [-3, 0, 0, 0, 0, 0]], [0] * 6)
    fields_of = equal_cells()
    aggregator = Aggregator([EnergyScore(fields_of)], fields_of)
    aggregator.update(prediction, truth)
    assert float(aggregator.values()["energy_score"][0, 2]) == pytest.approx(math.sqrt(1.5) - math.sqrt(6) / 2)


def test_a_forecast_without_truth_has_no_weight_in_the_energy_score() -> None:
    fields_of = equal_cells()
    truth = torch.zeros(*CELLS, 3)
    truth[..., 1] = torch.nan
    values, weights = EnergyStatistic(fields_of).compute(Case(fields_of, members_of(1.0, 3.0)[0, :, 0], truth))
    assert values.tolist() == pytest.approx([1.0, 0.0, 1.0]) and weights.tolist() == [1.0, 0.0, 1.0]


@pytest.mark.parametrize("kind", [CRPS, FairCRPS, Spread, SpreadSkill, RankHistogram, EnergyScore, Brier, Reliability])
def test_one_member_is_no_ensemble(kind: type[MetricABC]) -> None:
    assert kind.lacking(equal_cells(1)) == "several members"
    assert kind.lacking(equal_cells(2)) == ""


@pytest.mark.parametrize("kind", [Brier, Reliability])
def test_probabilities_need_events(kind: type[MetricABC]) -> None:
    dry = Layout.of(make_info()).for_system(3)
    assert kind.lacking(dry) == "precipitation, wind, or thresholds in the settings"


def test_units() -> None:
    fields_of = equal_cells()
    assert [CRPS(fields_of).units("tp"), Spread(fields_of).units("u")] == ["kg m-2", "m s-1"]
    assert {k(fields_of).units("tp") for k in (SpreadSkill, RankHistogram, Brier, Reliability)} == {"1"}

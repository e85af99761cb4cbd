import numpy as np
import pytest
import torch

from py4cast.scores.categorical import (
    critical_success_index,
    equitable_threat_score,
    false_alarm_ratio,
    frequency_bias,
    probability_of_detection,
    seeps,
)

ONE, ZERO = torch.tensor(1.0), torch.tensor(0.0)


def test_a_perfect_forecast_has_the_best_of_every_score() -> None:
    hits = torch.tensor(0.25)
    assert float(probability_of_detection(hits, ZERO)) == float(critical_success_index(hits, ZERO, ZERO)) == 1.0
    assert float(false_alarm_ratio(hits, ZERO)) == 0.0 and float(frequency_bias(hits, ZERO, ZERO)) == 1.0
    assert float(equitable_threat_score(hits, ZERO, ZERO, ONE)) == 1.0


def test_chance_has_no_equitable_threat_score() -> None:
    """Forecast and truth independent, with shares 0.3 and 0.4."""
    a, b, c = (torch.tensor(x, dtype=torch.float64) for x in (0.3 * 0.4, 0.3 * 0.6, 0.7 * 0.4))
    assert float(equitable_threat_score(a, b, c, ONE)) == pytest.approx(0.0, abs=1e-12)
    assert float(critical_success_index(a, b, c)) == pytest.approx(0.12 / 0.58)


def test_scores_of_counts_are_those_of_shares() -> None:
    hits, false_alarms, misses = (torch.tensor(count, dtype=torch.float64) for count in (5, 3, 2))
    shares = equitable_threat_score(hits / 40, false_alarms / 40, misses / 40, ONE)
    assert float(equitable_threat_score(hits, false_alarms, misses, torch.tensor(40.0))) == pytest.approx(float(shares))


P1, P3 = 0.4, 0.2
COSTS = 0.5 * np.array(
    [
        [0, 1 / (1 - P1), 1 / P3 + 1 / (1 - P1)],
        [1 / P1, 0, 1 / P3],
        [1 / P1 + 1 / (1 - P3), 1 / (1 - P3), 0],
    ]
)


@pytest.mark.parametrize("forecast", [0, 1, 2])
@pytest.mark.parametrize("observed", [0, 1, 2])
def test_the_penalty_of_each_category(forecast: int, observed: int) -> None:
    """Dry up to and with 0.25, light up to and with the local limit of 5."""
    for amounts in ([0.0, 1.0, 9.0], [0.25, 5.0, 5.1]):
        x, y = (torch.tensor([amounts[i]]).double() for i in (forecast, observed))
        penalty = seeps(x, y, torch.tensor([P1]).double(), torch.tensor([5.0]).double(), 0.25)
        assert float(penalty) == pytest.approx(COSTS[forecast, observed])


def test_a_climate_at_its_bounds_is_used_and_beyond_is_not() -> None:
    dry = torch.tensor([0.0, 0.0999, 0.1, 0.85, 0.8501, 1.0, torch.nan], dtype=torch.float64)
    rain = torch.zeros(7).double()
    penalties = seeps(rain, rain, dry, torch.full((7,), 5.0).double(), 0.25)
    assert penalties.isnan().tolist() == [True, True, False, False, True, True, True]


def test_missing_rain_has_no_penalty() -> None:
    known, missing = torch.tensor([1.0, 1.0]).double(), torch.tensor([torch.nan, 1.0]).double()
    dry, heavy = torch.full((2,), 0.5).double(), torch.full((2,), 5.0).double()
    for pair in ((known, missing), (missing, known)):
        penalties = seeps(*pair, dry, heavy, 0.25)
        assert penalties.isnan().tolist() == [True, False] and float(penalties[1]) == 0.0

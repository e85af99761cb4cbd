"""Scores whose value is known without computing it."""

import math

import numpy as np
import pytest
import torch

from py4cast.scores import categorical, ensemble, neighbourhood
from py4cast.scores.deterministic import gradient_square


def test_crps_of_one_member_is_its_absolute_error() -> None:
    x, y = torch.tensor([[3.0, -1.0]]), torch.tensor([1.0, 1.0])
    assert ensemble.crps(x, y, is_fair=False).tolist() == [2.0, 2.0]
    assert torch.isnan(ensemble.crps(x, y)).all()


def test_fair_crps_of_a_normal_law() -> None:
    """E CRPS(N(0, 1), y = 0) = (√2 − 1)/√π, whatever the number of members; the plain one is larger by E|X − X'|/2m."""
    draws = torch.randn(3, 400_000, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    exact = (math.sqrt(2) - 1) / math.sqrt(math.pi)
    assert float(ensemble.crps(draws, torch.zeros(400_000).double()).mean()) == pytest.approx(exact, abs=4e-3)
    plain = float(ensemble.crps(draws, torch.zeros(400_000).double(), is_fair=False).mean())
    assert plain == pytest.approx(exact + 2 / math.sqrt(math.pi) / 6, abs=4e-3)


def test_pairs_by_sorting() -> None:
    x = torch.randn(7, 5, dtype=torch.float64)
    np.testing.assert_allclose(ensemble.absolute_difference(x), (x[:, None] - x[None]).abs().sum((0, 1)), rtol=1e-12)


def test_ranks_share_ties() -> None:
    members = torch.tensor([0.0, 0.0, 1.0])[:, None].double()
    assert ensemble.rank_shares(members, torch.tensor([0.0]).double())[0].tolist() == pytest.approx(
        [1 / 3, 1 / 3, 1 / 3, 0]
    )
    assert ensemble.rank_shares(members, torch.tensor([2.0]).double())[0].tolist() == [0, 0, 0, 1]


def test_a_reliable_ensemble_has_ratio_one() -> None:
    """Truth and members of one law: the uncorrected ratio is √(m/(m + 1))."""
    draws = torch.randn(5, 300_000, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    members, truth = draws[:4], draws[4]
    error = (members.mean(0) - truth).square().mean()
    assert float(ensemble.spread_skill_ratio(ensemble.variance(members).mean(), error, 4)) == pytest.approx(
        1.0, abs=0.01
    )


def test_fair_brier_is_zero_in_the_mean_for_a_perfect_law() -> None:
    generator = torch.Generator().manual_seed(3)
    events = (torch.rand(3, 200_000, generator=generator) < 0.3).double()
    truth = (torch.rand(200_000, generator=generator) < 0.3).double()
    p = events.mean(0)
    assert float(ensemble.brier(p, truth, 3).mean()) == pytest.approx(0.3 * 0.7, abs=3e-3)
    assert float(ensemble.brier(p, truth).mean()) == pytest.approx(0.3 * 0.7 * (1 + 1 / 3), abs=3e-3)
    assert torch.isnan(ensemble.brier(p, truth, 1)).all()


def test_events_of_a_known_table() -> None:
    a, b, c = (torch.tensor(x, dtype=torch.float64) for x in (82 / 2803, 38 / 2803, 23 / 2803))
    assert float(categorical.probability_of_detection(a, c)) == pytest.approx(82 / 105)
    assert float(categorical.false_alarm_ratio(a, b)) == pytest.approx(38 / 120)
    assert float(categorical.critical_success_index(a, b, c)) == pytest.approx(82 / 143)
    assert float(categorical.frequency_bias(a, b, c)) == pytest.approx(120 / 105)
    random = 120 * 105 / 2803
    assert float(categorical.equitable_threat_score(a, b, c, torch.tensor(1.0))) == pytest.approx(
        (82 - random) / (143 - random)
    )


def test_seeps_of_constant_forecasts_is_one() -> None:
    """In a climate of p₁ dry, (1 − p₁)·2/3 light and (1 − p₁)/3 heavy times, whatever is always forecast."""
    p1 = 0.4
    shares = torch.tensor([p1, (1 - p1) * 2 / 3, (1 - p1) / 3])
    observed = torch.tensor([0.0, 1.0, 9.0])
    for always in (0.0, 1.0, 9.0):
        cost = categorical.seeps(torch.full((3,), always), observed, torch.full((3,), p1), torch.full((3,), 5.0), 0.25)
        assert float((shares * cost).sum()) == pytest.approx(1.0, rel=1e-6)
    assert categorical.seeps(observed, observed, torch.full((3,), p1), torch.full((3,), 5.0), 0.25).tolist() == [
        0,
        0,
        0,
    ]
    dry = categorical.seeps(observed, observed, torch.tensor([0.05, 0.5, 0.9]), torch.full((3,), 5.0), 0.25)
    assert torch.isnan(dry).tolist() == [True, False, True]


def test_window_sums() -> None:
    field = torch.arange(30, dtype=torch.float64).reshape(5, 6)
    found = neighbourhood.window_sums(neighbourhood.summed_area(field), 3)
    expected = field.unfold(0, 3, 1).unfold(1, 3, 1).sum((-2, -1))
    np.testing.assert_array_equal(found, expected)


def test_a_shifted_event_is_found_at_a_wide_enough_scale() -> None:
    """Roberts and Lean (2008): a line displaced by d cells has FSS = 1 − d/n in windows of n ≥ d."""
    forecast, observed = torch.zeros(2, 200, 200, dtype=torch.float64).unbind(0)
    forecast[:, 100], observed[:, 104] = 1.0, 1.0
    for window in (5, 9, 21):
        f, o = (neighbourhood.window_sums(neighbourhood.summed_area(x), window) for x in (forecast, observed))
        score = neighbourhood.fractions_skill_score((f - o).square().mean(), f.square().mean(), o.square().mean())
        assert float(score) == pytest.approx(1 - 4 / window)


def test_the_gradient_of_a_plane() -> None:
    field = 2.0 * torch.arange(4.0)[:, None] + 3.0 * torch.arange(5.0)[None, :]
    rows, columns = gradient_square(field)
    assert rows.unique().tolist() == [4.0] and columns.unique().tolist() == [9.0]

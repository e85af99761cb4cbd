import math

import numpy as np
import pytest
import torch

from py4cast.scores.ensemble import (
    absolute_difference,
    brier,
    crps,
    energy_score,
    rank_shares,
    spread_skill_ratio,
    variance,
)

MEMBERS = torch.tensor([4.0, 1.0, 2.0]).double()[:, None]


def test_differences_of_three_members_in_both_orders() -> None:
    assert absolute_difference(MEMBERS).tolist() == [2 * (3 + 2 + 1)]
    assert absolute_difference(MEMBERS[:1]).tolist() == [0.0]


@pytest.mark.parametrize(("truth", "distance"), [(0.0, 7 / 3), (2.0, 1.0), (3.0, 4 / 3)])
def test_the_probability_score_by_hand(truth: float, distance: float) -> None:
    target = torch.tensor([truth]).double()
    assert float(crps(MEMBERS, target)) == pytest.approx(distance - 12 / (2 * 6))
    assert float(crps(MEMBERS, target, is_fair=False)) == pytest.approx(distance - 12 / (2 * 9))


def test_the_plain_score_is_the_area_between_the_distributions() -> None:
    """∫ (F − 1[x ≥ y])² dx of the members' steps at 1, 2 and 4 and a truth at 3."""
    area = (1 / 3) ** 2 * 1 + (2 / 3) ** 2 * 1 + (1 / 3) ** 2 * 1
    assert float(crps(MEMBERS, torch.tensor([3.0]).double(), is_fair=False)) == pytest.approx(area)


def test_scores_move_and_stretch_with_the_values() -> None:
    members, truth = torch.randn(5, 4, dtype=torch.float64), torch.randn(4, dtype=torch.float64)
    torch.testing.assert_close(crps(7 - 3 * members, 7 - 3 * truth), 3 * crps(members, truth))
    torch.testing.assert_close(variance(7 - 3 * members), 9 * variance(members))


def test_variance_is_unbiased() -> None:
    assert variance(MEMBERS).tolist() == pytest.approx([np.var([4.0, 1.0, 2.0], ddof=1)])
    assert variance(MEMBERS[:1]).isnan().all()


def test_the_ratio_is_corrected_for_the_number_of_members() -> None:
    ratio = spread_skill_ratio(torch.tensor(4.0), torch.tensor(6.0), 2)
    assert float(ratio) == pytest.approx(1.0)


def test_ranks_of_each_cell_add_up_to_one() -> None:
    generator = torch.Generator().manual_seed(0)
    members, truth = (torch.randint(0, 3, s, generator=generator).double() for s in ((4, 50), (50,)))
    shares = rank_shares(members, truth)
    assert shares.shape == (50, 5)
    np.testing.assert_allclose(shares.sum(-1), 1.0, rtol=1e-12)
    below, equal = (members < truth).sum(0), (members == truth).sum(0)
    mean_rank = (shares * torch.arange(5)).sum(-1)
    np.testing.assert_allclose(mean_rank, below + equal / 2, rtol=1e-12)


def test_brier_by_hand() -> None:
    probability, observed = torch.tensor([0.25, 1.0]).double(), torch.tensor([1.0, 0.0]).double()
    assert brier(probability, observed).tolist() == [0.5625, 1.0]
    assert brier(probability, observed, 4).tolist() == [0.5625 - 0.1875 / 3, 1.0]


def test_the_energy_score_weights_its_cells() -> None:
    """Members 0 and 2 in one cell of weight 3, truth 0: norms 0 and √3, and √3 between them."""
    members, weights = torch.zeros(2, 2, 1).double(), torch.tensor([[3.0], [1.0]]).double()
    members[1, 0] = 2.0
    norm = math.sqrt(3 * 4 / 4)
    truth = torch.zeros(2, 1).double()
    assert float(energy_score(members, truth, weights)) == pytest.approx(norm / 2 - 2 * norm / (2 * 2))
    assert float(energy_score(members, truth, weights, is_fair=False)) == pytest.approx(norm / 2 - 2 * norm / (2 * 4))


def test_the_energy_score_of_one_cell_is_the_probability_score() -> None:
    members, truth = torch.randn(6, 1, 3, dtype=torch.float64), torch.randn(1, 3, dtype=torch.float64)
    for is_fair in (True, False):
        score = energy_score(members, truth, torch.ones(1, 3).double(), is_fair)
        torch.testing.assert_close(score, crps(members[:, 0], truth[0], is_fair))


def test_a_fair_energy_score_needs_two_members() -> None:
    members, truth = torch.ones(1, 4, 1).double(), torch.zeros(4, 1).double()
    assert energy_score(members, truth, torch.ones_like(truth)).isnan().all()
    assert energy_score(members, truth, torch.ones_like(truth), is_fair=False).tolist() == [1.0]

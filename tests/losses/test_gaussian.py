import math

import pytest
import torch

from py4cast.errors import SettingsError
from py4cast.losses.gaussian import GaussianNLL, GaussianNLLSettings
from py4cast.settings import decode
from py4cast.testing import make_info

INFO = make_info((6, 7), border_size=1)
SHAPE = (2, 3, 6, 7, len(INFO.predicted))
STD = INFO.diff_stats.to_list("std", INFO.predicted)
WEIGHT = sum(INFO.state_weights[n] for n in INFO.predicted)


def test_two_members_stand_for_a_predicted_mean_and_spread() -> None:
    generator = torch.Generator().manual_seed(0)
    mean, truth = torch.randn(SHAPE, generator=generator), torch.randn(SHAPE, generator=generator)
    spread = torch.rand(SHAPE, generator=generator) + 0.5
    members = torch.stack([mean - spread / math.sqrt(2), mean + spread / math.sqrt(2)], dim=1)
    expected = -torch.distributions.Normal(mean / STD, spread / STD).log_prob(truth / STD)
    weights = torch.tensor([INFO.state_weights[n] for n in INFO.predicted])
    cells = (INFO.statics.cell_weights / INFO.statics.cell_weights.sum()).float()
    value = (expected * cells * weights).sum((2, 3, 4))
    torch.testing.assert_close(GaussianNLL(INFO)(members, truth), value, rtol=1e-4, atol=1e-4)


def test_the_truths_own_spread_is_the_best() -> None:
    generator = torch.Generator().manual_seed(0)
    truth = torch.randn(64, 1, 6, 7, len(INFO.predicted), generator=generator) * STD
    drawn = torch.randn(64, 200, 1, 6, 7, len(INFO.predicted), generator=generator) * STD
    loss = GaussianNLL(INFO)
    right, narrow, wide = (float(loss(drawn * factor, truth).mean()) for factor in (1.0, 0.7, 1.4))
    assert right < min(narrow, wide)
    assert right == pytest.approx(WEIGHT * 0.5 * (math.log(2 * math.pi) + 1), rel=0.02)


def test_gradients_are_right_and_missing_truth_changes_nothing() -> None:
    loss = GaussianNLL(INFO)
    members = torch.randn(2, 3, *SHAPE[1:], requires_grad=True)
    truth = torch.randn(SHAPE)
    truth[0, 0, 2, 3, 0] = torch.nan
    loss(members, truth).sum().backward()
    assert bool(torch.isfinite(members.grad).all()) and not bool(members.grad[0, :, 0, 2, 3, 0].any())
    small = torch.randn(1, 3, 1, 2, 2, 1, dtype=torch.float64, requires_grad=True)
    info = GaussianNLL.__new__(GaussianNLL)
    torch.nn.Module.__init__(info)
    info.settings, info.field = GaussianNLLSettings(), type("F", (), {"step_std": torch.ones(1, dtype=torch.float64)})
    target = torch.zeros(1, 1, 2, 2, 1, dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda x: GaussianNLL.score(info, x, target, None), small)


def test_one_member_and_no_least_spread_are_refused() -> None:
    with pytest.raises(ValueError, match="one member has no spread"):
        GaussianNLL(INFO)(torch.zeros(SHAPE), torch.zeros(SHAPE))
    with pytest.raises(SettingsError, match="least_spread 0: expected more than 0"):
        decode(GaussianNLLSettings, {"least_spread": 0})


def test_members_that_agree_are_scored_by_the_least_spread() -> None:
    value = GaussianNLL(INFO, GaussianNLLSettings(least_spread=1.0))(torch.zeros(2, 4, *SHAPE[1:]), torch.zeros(SHAPE))
    torch.testing.assert_close(value, torch.full_like(value, WEIGHT * 0.5 * math.log(2 * math.pi)), rtol=1e-5, atol=0)

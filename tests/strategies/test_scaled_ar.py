import pytest
import torch
from torch import Tensor

from py4cast.errors import SettingsError
from py4cast.settings import decode
from py4cast.strategies.scaled_ar import ScaledAR, ScaledARSettings
from py4cast.testing import make_info

CELLS = (4, 5)
INFO = make_info(CELLS)
STATE = torch.randn(2, *CELLS, 2)


def output(x: Tensor) -> Tensor:
    return torch.tensor([1.0, -2.0, 3.0], dtype=x.dtype).expand(*x.shape[:-1], 3)


def test_a_change_in_units_of_what_changes_in_a_step() -> None:
    """μ_Δ = 0.01, 0.02 and σ_Δ = 0.2, 0.3 of a and b."""
    strategy = ScaledAR(ScaledARSettings(), INFO)
    later = strategy.advance(output, torch.zeros(2, *CELLS, 4), STATE)
    expected = torch.cat([STATE + torch.tensor([0.21, -0.58]), torch.full((2, *CELLS, 1), 3.0)], -1)
    torch.testing.assert_close(later, expected)


def test_the_change_is_made_in_the_precision_of_the_network() -> None:
    later = ScaledAR(ScaledARSettings(), INFO).advance(output, torch.zeros(2, *CELLS, 4).bfloat16(), STATE.bfloat16())
    assert later.dtype == torch.bfloat16


def test_settings_are_those_of_the_rollout() -> None:
    strategy = ScaledAR(ScaledARSettings(num_inter_steps=3, force_border=False), INFO)
    assert strategy.num_inter_steps == 3 and not strategy.force_border
    assert ScaledAR(ScaledARSettings(), INFO).force_border and not strategy.state_dict()


def test_inter_steps_are_at_least_one() -> None:
    with pytest.raises(SettingsError, match="num_inter_steps must be at least 1"):
        decode(ScaledARSettings, {"num_inter_steps": 0})

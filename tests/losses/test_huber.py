import pytest
import torch

from py4cast.errors import SettingsError
from py4cast.losses.huber import Huber, HuberSettings
from py4cast.losses.weighted import WeightedMAE, WeightedMSE
from py4cast.settings import decode
from py4cast.testing import make_info

INFO = make_info((6, 7), border_size=1)
SHAPE = (2, 3, 6, 7, len(INFO.predicted))


def test_small_errors_are_half_of_the_squares() -> None:
    x, y = 1e-2 * torch.randn(SHAPE), torch.zeros(SHAPE)
    torch.testing.assert_close(Huber(INFO, HuberSettings(delta=100.0))(x, y), WeightedMSE(INFO)(x, y) / 2)


def test_large_errors_are_absolute_ones_less_half_of_delta() -> None:
    x, y = 50.0 * torch.randn(SHAPE).sign(), torch.zeros(SHAPE)
    weights = sum(INFO.state_weights[n] for n in INFO.predicted)
    delta = 0.5
    expected = delta * (WeightedMAE(INFO)(x, y) - delta / 2 * weights)
    torch.testing.assert_close(Huber(INFO, HuberSettings(delta=delta))(x, y), expected)


def test_missing_truth_changes_nothing_and_delta_is_positive() -> None:
    x, y = torch.randn(SHAPE, requires_grad=True), torch.zeros(SHAPE)
    y[0, 0, 2, 3, 0] = torch.nan
    Huber(INFO)(x, y).sum().backward()
    assert bool(torch.isfinite(x.grad).all()) and float(x.grad[0, 0, 2, 3, 0]) == 0.0
    with pytest.raises(SettingsError, match="delta 0: expected more than 0"):
        decode(HuberSettings, {"delta": 0})

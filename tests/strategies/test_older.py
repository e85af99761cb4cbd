"""A strategy of an older plugin, whose training_loss takes states, forcing, truth, border and inputs one by one."""

import warnings
from dataclasses import dataclass

import pytest
import torch

from py4cast.forecaster import Forecaster
from py4cast.given import Samples
from py4cast.losses import registry as losses
from py4cast.settings import Settings
from py4cast.strategies import StrategyABC, registry
from py4cast.testing import make_batch, make_info

INFO = make_info((8, 9))


@dataclass(frozen=True, slots=True, kw_only=True)
class NoSettings(Settings):
    """None."""


class Seven(StrategyABC):
    """Doubles the house's objective, in the older form."""

    settings_kls = NoSettings

    def advance(self, model, x, state):
        y = model(x)
        n = self.num_prognostic
        return torch.cat([state + y[..., :n], y[..., n:]], dim=-1)

    def training_loss(self, model, loss, states, forcing, truth, border=None, inputs=None):
        assert inputs is None or inputs
        return 2 * super().training_loss(model, loss, states, forcing, truth, border, inputs)


class Today(Seven):
    """The same in the form of today."""

    def training_loss(self, model, loss, samples):
        return 2 * StrategyABC.training_loss(self, model, loss, samples)


@pytest.fixture(autouse=True)
def registered():
    registry.register("seven", Seven)
    registry.register("today", Today)
    yield
    registry.unregister("seven")
    registry.unregister("today")


def build(strategy: str) -> Forecaster:
    torch.manual_seed(0)
    return Forecaster.build(INFO, "halfunet", strategy, 2, {"num_filters": 4, "norm": "none"})


def test_it_still_works_and_says_so() -> None:
    batch, loss = make_batch(INFO), losses.get("mse")(INFO)
    expected = 2 * build("diff_ar").training_loss(batch, loss)
    with pytest.warns(
        DeprecationWarning, match=r"Seven\.training_loss takes states, forcing, truth, border, inputs; write"
    ):
        value = build("seven").training_loss(batch, loss)
    torch.testing.assert_close(value, expected)


def test_the_form_of_today_is_silent() -> None:
    batch, loss = make_batch(INFO), losses.get("mse")(INFO)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        value = build("today").training_loss(batch, loss)
    torch.testing.assert_close(value, 2 * build("diff_ar").training_loss(batch, loss))


def test_the_house_takes_both_forms() -> None:
    batch, loss, forecaster = make_batch(INFO), losses.get("mse")(INFO), build("diff_ar")
    states, forcing, truth = forecaster._standardised(batch)
    one = forecaster.strategy.training_loss(forecaster.network, loss, Samples(states, forcing, truth))
    seven = forecaster.strategy.training_loss(forecaster.network, loss, states, forcing, truth, None, None)
    named = forecaster.strategy.training_loss(forecaster.network, loss, states, forcing=forcing, truth=truth)
    torch.testing.assert_close(one, seven)
    torch.testing.assert_close(one, named)

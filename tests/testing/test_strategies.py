"""The check of strategies: what it accepts, and what it refuses by name."""

from dataclasses import dataclass
from typing import Any, ClassVar

import pytest
import torch
from torch import Tensor, nn

from py4cast.errors import NumericalError
from py4cast.noise import NoiseKind
from py4cast.settings import Settings
from py4cast.strategies import registry
from py4cast.strategies.base import StrategyABC
from py4cast.strategies.diff_ar import DiffAR
from py4cast.testing.strategies import check_strategy
from tests.testing.registering import registered


@dataclass(frozen=True, slots=True, kw_only=True)
class NoneOfThem(Settings):
    """No settings."""


class Plain(StrategyABC):
    """x̂(t+1) = x̂(t) + f(x)."""

    settings_kls: ClassVar[type] = NoneOfThem

    def advance(self, model: Any, x: Tensor, state: Tensor) -> Tensor:
        y = model(x)
        n = self.num_prognostic
        return torch.cat([state + y[..., :n], y[..., n:]], dim=-1)


class Forced(Plain):
    force_border = True


class Counting(Plain):
    calls = 0

    def advance(self, model: Any, x: Tensor, state: Tensor) -> Tensor:
        self.calls += 1
        return super().advance(model, x, state) + self.calls


class Idle(Plain):
    def __init__(self, settings: Any, info: Any) -> None:
        super().__init__(settings, info)
        self.unused = nn.Parameter(torch.zeros(3))


class Noisy(Plain):
    """The noise stands among the features of x."""

    noise: NoiseKind = "cells"
    num_noise = 2
    num_members = 2


class Deaf(Noisy):
    """Takes noise and does not listen."""

    def advance(self, model: Any, x: Tensor, state: Tensor) -> Tensor:
        return super().advance(model, torch.cat([x[..., :-2], 0 * x[..., -2:]], -1), state)


class Sociable(Noisy):
    """A member hears of how many there are."""

    def advance(self, model: Any, x: Tensor, state: Tensor) -> Tensor:
        return super().advance(model, x, state) + x.shape[0]


class Restless(Noisy):
    """Draws for itself beside the noise that it is given."""

    calls = 0

    def advance(self, model: Any, x: Tensor, state: Tensor) -> Tensor:
        self.calls += 1
        return super().advance(model, x, state) * (1.0 + 0.1 * self.calls)


class Silent(Plain):
    """What it says of the border is not what it does."""

    force_border = True

    def unroll(self, *given: Any, **named: Any) -> Any:  # type: ignore[misc]
        self.force_border = False
        yield from super().unroll(*given, **named)
        self.force_border = True


@pytest.mark.parametrize("kind", [Plain, Forced, Noisy, DiffAR])
def test_a_good_strategy_is_accepted(kind: type[StrategyABC]) -> None:
    with registered(registry, kind) as name:
        check_strategy(name)


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        (Silent, "tried: border differs from truth"),
        (Counting, "tried: two single steps differ from a double one"),
        (Idle, "tried: a weight has no gradient"),
        (Deaf, "tried: takes noise, but two members are the same"),
        (Sociable, "tried: a member depends on how many there are"),
        (Restless, "tried: two forecasts of one seed differ"),
    ],
)
def test_a_bad_strategy_is_refused(kind: type[StrategyABC], message: str) -> None:
    with registered(registry, kind) as name, pytest.raises(AssertionError, match=message):
        check_strategy(name)


def test_a_forecast_that_is_not_finite_is_refused() -> None:
    class Endless(Plain):
        def advance(self, model: Any, x: Tensor, state: Tensor) -> Tensor:
            return super().advance(model, x, state) / 0.0

    with registered(registry, Endless) as name, pytest.raises(NumericalError, match="a, b, d is not finite"):
        check_strategy(name)

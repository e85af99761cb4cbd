"""Physics that the tests of hybrid share: a state that decays, so that every step has a closed form."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import torch
from torch import Tensor

from py4cast.dataset_info import DatasetInfo
from py4cast.physics import PhysicsABC
from py4cast.settings import Settings, setting
from py4cast.testing import make_info

CELLS = (4, 5)
INFO = make_info(CELLS)
HOUR_S = 3600.0
# one prognostic variable, and d in the place of a subgrid tendency
ONE = replace(INFO, variables=[v for v in INFO.variables if v.name != "b"])


@dataclass(frozen=True, slots=True, kw_only=True)
class DecaySettings(Settings):
    """Settings of the decay."""

    rate: float = setting(1e-4, "λ [s-1]")
    largest: float = setting(float("inf"), "largest stable step [s]")


class Decay(PhysicsABC):
    """Creates ∂ₜx = −λx of a and b."""

    settings_kls: ClassVar[type] = DecaySettings
    prognostic: ClassVar[Mapping[str, str]] = {"a": "K", "b": "m s-1"}
    terms: ClassVar[tuple[str, ...]] = ("decay", "f")

    def __init__(self, settings: DecaySettings, grid: Any) -> None:
        super().__init__()
        self.settings, self.is_left_out = settings, False

    def tendency(self, state: Tensor, forcing: Tensor | None = None) -> Tensor:
        change = torch.zeros_like(state) if self.is_left_out else -self.settings.rate * state
        return change if forcing is None else change + forcing

    def largest_step(self, state: Tensor) -> float:
        return self.settings.largest

    def leave_out(self, term: str) -> None:
        if term not in self.terms:
            super().leave_out(term)
        self.is_left_out = self.is_left_out or term == "decay"


class Forced(Decay):
    """The same under the forcing f, with d = a + b."""

    forcing: ClassVar[Mapping[str, str]] = {"f": "1", "absent": "K"}
    derived: ClassVar[Mapping[str, str]] = {"d": "kg m-2", "speed": "m s-1"}

    def derive(self, state: Tensor, names: tuple[str, ...]) -> Tensor:
        return torch.cat([state.sum(-1, keepdim=True)] * len(names), dim=-1)


class Kept(Decay):
    """One that keeps the mean over the cells."""

    conserves_mean: ClassVar[bool] = True


class Single(Decay):
    """Of a alone, with a closure that adds 1 K s-1."""

    prognostic: ClassVar[Mapping[str, str]] = {"a": "K"}

    def closure_tendency(self, state: Tensor) -> Tensor:
        return torch.ones_like(state)


KINDS: dict[str, type[Decay]] = {"decay": Decay, "forced": Forced, "kept": Kept, "single": Single}


def factor(seconds: float, rate: float = 1e-4) -> float:
    """What one step of the classical Runge–Kutta scheme leaves of a decaying state."""
    z = -rate * seconds
    return 1 + z + z**2 / 2 + z**3 / 6 + z**4 / 24


def silent(width: int) -> Any:
    """A network whose output is 0."""
    return lambda x, **_: torch.zeros(*x.shape[:-1], width)


def standardised(name: str, value: float | Tensor, info: DatasetInfo = INFO) -> Any:
    """A value of a variable in its standard units."""
    return (value - info.stats[name]["mean"]) / info.stats[name]["std"]

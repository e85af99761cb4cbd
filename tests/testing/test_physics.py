"""Checks of physics and closures: what they accept, and what they refuse by name."""

from dataclasses import dataclass
from typing import Any, ClassVar

import pytest
import torch
from torch import Tensor

from py4cast.grid import Grid
from py4cast.physics import registry
from py4cast.physics.base import PhysicsABC
from py4cast.physics.closures import closures
from py4cast.physics.closures.base import ClosureABC
from py4cast.settings import Settings
from py4cast.testing.physics import check_closure, check_physics
from tests.testing.registering import registered


@dataclass(frozen=True, slots=True, kw_only=True)
class NoneOfThem(Settings):
    """No settings."""


class Damped(PhysicsABC):
    """∂ₜ x = −1e−5 x."""

    settings_kls: ClassVar[Any] = NoneOfThem
    prognostic: ClassVar[dict[str, str]] = {"x": "1"}
    derived: ClassVar[dict[str, str]] = {"half": "1"}
    conserves_mean = True

    def __init__(self, settings: Any, grid: Grid) -> None:
        super().__init__()
        self.calls = 0

    def tendency(self, state: Tensor, forcing: Tensor | None = None) -> Tensor:
        return -1e-5 * state

    def derive(self, state: Tensor, names: tuple[str, ...]) -> Tensor:
        return state / 2


class Short(Damped):
    def tendency(self, state: Tensor, forcing: Tensor | None = None) -> Tensor:
        return super().tendency(state)[..., :0]


class Endless(Damped):
    def tendency(self, state: Tensor, forcing: Tensor | None = None) -> Tensor:
        return super().tendency(state) / 0.0


class Still(Damped):
    def largest_step(self, state: Tensor) -> float:
        return 0.0


class Growing(Damped):
    def tendency(self, state: Tensor, forcing: Tensor | None = None) -> Tensor:
        return super().tendency(state) + 1e-10


class Drifting(Damped):
    def advance(self, state: Tensor, step: float, num_steps: int, *given: Any, **named: Any) -> Tensor:
        self.calls += 1
        return super().advance(state, step, num_steps) * self.calls


class Detached(Damped):
    def advance(self, state: Tensor, step: float, num_steps: int, *given: Any, **named: Any) -> Tensor:
        return super().advance(state.detach(), step, num_steps).requires_grad_()


class Wide(Damped):
    def derive(self, state: Tensor, names: tuple[str, ...]) -> Tensor:
        return torch.cat([state, state], -1)


def test_a_good_physics_is_accepted() -> None:
    with registered(registry, Damped) as name:
        check_physics(name, size=8)


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        (Short, r"tried: a tendency of shape \(2, 8, 8, 0\)"),
        (Endless, "tried: a tendency that is not finite"),
        (Still, "tried: no step is stable"),
        (Growing, "tried: a tendency whose mean is not 0"),
        (Drifting, "tried: two single steps differ from a double one"),
        (Detached, "tried: no gradient comes back"),
        (Wide, "tried: derived half"),
    ],
)
def test_a_bad_physics_is_refused(kind: type[Damped], message: str) -> None:
    with registered(registry, kind) as name, pytest.raises(AssertionError, match=message):
        check_physics(name, size=8)


class Drag(ClosureABC):
    """R̂ = −0.1 ω̂."""

    def forward(self, modes: Tensor) -> Tensor:
        return -0.1 * modes


class Coarse(Drag):
    def forward(self, modes: Tensor) -> Tensor:
        return super().forward(modes)[..., :-1]


class Boundless(Drag):
    def forward(self, modes: Tensor) -> Tensor:
        return super().forward(modes) * float("inf")


class Pushing(Drag):
    def forward(self, modes: Tensor) -> Tensor:
        term = super().forward(modes).clone()
        term[..., 0, 0] = term.abs().max()
        return term


class Restless(Drag):
    def forward(self, modes: Tensor) -> Tensor:
        term = super().forward(modes).clone()
        term[..., 1, 1] += 1.0
        return term


def test_a_good_closure_is_accepted() -> None:
    with registered(closures, Drag) as name:
        check_closure(name, 8)


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        (Coarse, r"tried: modes of shape \(2, 7, 3\), expected \(2, 7, 4\)"),
        (Boundless, "tried: a term that is not finite"),
        (Pushing, "tried: its term has a mean"),
        (Restless, "tried: a flow at rest has a subgrid term"),
    ],
)
def test_a_bad_closure_is_refused(kind: type[Drag], message: str) -> None:
    with registered(closures, kind) as name, pytest.raises(AssertionError, match=message):
        check_closure(name, 8)

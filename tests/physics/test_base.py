import math
from collections.abc import Mapping
from typing import ClassVar

import pytest
import torch
from torch import Tensor

from py4cast.errors import SettingsError
from py4cast.physics.base import PhysicsABC


class Oscillation(PhysicsABC):
    """Creates ∂ₜa = b + f, ∂ₜb = −a, and counts how often it is asked."""

    prognostic: ClassVar[Mapping[str, str]] = {"a": "1", "b": "1"}
    derived: ClassVar[Mapping[str, str]] = {"energy": "1"}
    terms: ClassVar[tuple[str, ...]] = ("spring",)

    def __init__(self) -> None:
        super().__init__()
        self.calls = 0

    def tendency(self, state: Tensor, forcing: Tensor | None = None) -> Tensor:
        self.calls += 1
        change = torch.stack([state[..., 1], -state[..., 0]], -1)
        return change if forcing is None else change + forcing


START = torch.tensor([1.0, 0.0], dtype=torch.float64).expand(2, 3, 4, 2)


def test_a_tendency_is_stepped_by_the_classical_scheme() -> None:
    """One step is the Taylor series of the rotation to the fourth order."""
    physics, h = Oscillation(), 0.5
    later = physics.advance(START, h, 1)
    expected = torch.tensor([1 - h**2 / 2 + h**4 / 24, -h + h**3 / 6], dtype=torch.float64)
    torch.testing.assert_close(later, expected.expand_as(later))
    assert physics.calls == 4


def test_the_error_falls_with_the_fourth_power_of_the_step() -> None:
    exact = torch.tensor([math.cos(2.0), -math.sin(2.0)], dtype=torch.float64)
    errors = [float((Oscillation().advance(START, 2.0 / n, n) - exact).abs().max()) for n in (10, 20)]
    assert errors[0] / errors[1] == pytest.approx(16, rel=0.1)


def test_forcing_and_source_are_held_over_the_steps() -> None:
    """The state rests at a = −source of b, b = −forcing."""
    forcing, source = torch.tensor([3.0, 0.0]).double(), torch.tensor([0.0, 2.0]).double()
    rest = torch.tensor([2.0, -3.0]).double().expand_as(START)
    torch.testing.assert_close(Oscillation().advance(rest, 0.3, 7, forcing.expand_as(rest), source), rest)


def test_no_step_changes_nothing() -> None:
    assert Oscillation().advance(START, 1.0, 0) is START


def test_what_a_physics_need_not_have() -> None:
    physics = Oscillation()
    assert physics.learned() == {} and physics.closure_tendency(START) is None
    assert physics.largest_step(START) == float("inf") and not physics.conserves_mean and physics.forcing == {}
    with pytest.raises(SettingsError, match="physics Oscillation: no derived field 'enrgy'; did you mean 'energy'"):
        physics.derive(START, ("enrgy",))
    with pytest.raises(SettingsError, match="physics Oscillation: no term 'sprin'; did you mean 'spring'"):
        physics.leave_out("sprin")

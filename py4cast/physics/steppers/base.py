"""The contract of steppers: one step of ∂ₜs = L s + N(s) + source, with L taken exactly by an integrating factor.

With r = e^(−Lt) s, ∂ₜr = e^(−Lt)(N + source), which an explicit scheme takes; stiff damping costs no stability. What a
scheme remembers travels in its carry, whose first tensor is the state, so that a stepper itself holds nothing of a run.
"""

from abc import ABC, abstractmethod
from typing import ClassVar, final

import torch
from torch import Tensor

from py4cast.errors import SettingsError
from py4cast.physics.equation import EquationABC

__all__ = ["Carry", "TimeStepperABC"]

Carry = tuple[Tensor, ...]


class TimeStepperABC(ABC):
    """Abstract scheme that steps an equation in time.

    Args:
        equation: what is stepped.
        step: Δt > 0.

    Attributes:
        order: of its error.
        limit: largest |λ|Δt on the imaginary axis that does not grow.
        num_evaluations: of N per step.
    """

    order: ClassVar[int]
    limit: ClassVar[float]
    num_evaluations: ClassVar[int]

    def __init__(self, equation: EquationABC, step: float) -> None:
        if not step > 0:
            raise SettingsError(f"step {step:g}: expected more than 0")
        self.equation, self.step = equation, step

    @final
    def factors(self) -> Carry:
        """e^(LΔt) and what else of it a step needs; made anew where the equation's parameters have changed."""
        linear = self.equation.linear() * self.step
        return tuple(torch.exp(linear * share) for share in self.shares)

    @property
    @abstractmethod
    def shares(self) -> tuple[float, ...]:
        """The parts of a step whose factors a step needs."""

    @abstractmethod
    def advance(self, carry: Carry, factors: Carry, source: Tensor | None = None) -> Carry:
        """The carry one step later.

        Args:
            carry: `(state,)` at the start of a run, then what `advance` gave.
            factors: of `factors()`.
            source: held over the step, `(..., ky, kx)`.
        """

    def rate(self, state: Tensor, source: Tensor | None) -> Tensor:
        """The nonlinear rate and the source, N(s) + source."""
        change = self.equation.nonlinear(state)
        return change if source is None else change + source

    @final
    def run(self, state: Tensor, num_steps: int, source: Tensor | None = None) -> Tensor:
        """The state after some steps."""
        factors = self.factors()
        carry: Carry = (state,)
        for _ in range(num_steps):
            carry = self.advance(carry, factors, source)
        return carry[0]

    def largest_step(self, state: Tensor) -> float:
        """The largest stable Δt: limit / (k_max·max(|u| + |v|)); infinite at rest."""
        with torch.no_grad():
            speed = float(self.equation.speed(state))
        return self.limit / (self.equation.grid.k_max * speed) if speed else float("inf")

    @final
    def check(self, state: Tensor) -> None:
        """SettingsError where the step is longer than the largest stable one of a state."""
        largest = self.largest_step(state)
        if not self.step <= largest:
            raise SettingsError(
                f"step {self.step:g} violates the CFL condition: the largest stable step of {type(self).__name__} "
                f"for this flow is {largest:.3g}"
            )

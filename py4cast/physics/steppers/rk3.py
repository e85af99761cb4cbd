"""rk3: Kutta's scheme of order 3 with an integrating factor."""

from typing import ClassVar

from torch import Tensor

from py4cast.physics.steppers.base import Carry, TimeStepperABC

__all__ = ["RungeKutta3"]


class RungeKutta3(TimeStepperABC):
    """Creates, with e = e^(LΔt) and h = e^(LΔt/2),

        k₁ = N(s), k₂ = N(h(s + Δt/2·k₁)), k₃ = N(e(s − Δt·k₁) + 2Δt·h k₂)
        s⁺ = e s + Δt/6·(e k₁ + 4h k₂ + k₃)

    Reference: W. Kutta (1901), Beitrag zur näherungsweisen Integration totaler Differentialgleichungen,
    Zeitschrift für Mathematik und Physik 46, 435–453.
    """

    order: ClassVar[int] = 3
    limit: ClassVar[float] = 1.7320
    num_evaluations: ClassVar[int] = 3

    @property
    def shares(self) -> tuple[float, ...]:
        return 0.5, 1.0

    def advance(self, carry: Carry, factors: Carry, source: Tensor | None = None) -> Carry:
        state, (half, whole), dt = carry[0], factors, self.step
        first = self.rate(state, source)
        second = half * self.rate(half * (state + dt / 2 * first), source)
        third = self.rate(whole * (state - dt * first) + 2 * dt * second, source)
        return (whole * (state + dt / 6 * first) + dt / 6 * (4 * second + third),)

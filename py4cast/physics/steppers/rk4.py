"""rk4: the classical Runge–Kutta scheme of order 4 with an integrating factor."""

from typing import ClassVar

from torch import Tensor

from py4cast.physics.steppers.base import Carry, StepperABC

__all__ = ["RungeKutta4"]


class RungeKutta4(StepperABC):
    """Creates, with e = e^(LΔt), h = e^(LΔt/2) and h = Δt where it multiplies N,

        k₁ = N(s), k₂ = N(h(s + Δt/2·k₁)), k₃ = N(h s + Δt/2·k₂), k₄ = N(e s + Δt·h k₃)
        s⁺ = e s + Δt/6·(e k₁ + 2h(k₂ + k₃) + k₄)

    Reference: A.-K. Kassam, L. N. Trefethen (2005), Fourth-order time-stepping for stiff PDEs,
    doi 10.1137/S1064827502410633 (integrating factors).
    """

    order: ClassVar[int] = 4
    limit: ClassVar[float] = 2.8284
    num_evaluations: ClassVar[int] = 4

    @property
    def shares(self) -> tuple[float, ...]:
        return 0.5, 1.0

    def advance(self, carry: Carry, factors: Carry, source: Tensor | None = None) -> Carry:
        state, (half, whole), dt = carry[0], factors, self.step
        rate = self.rate
        first = rate(state, source)
        middle = half * state
        second = rate(middle + half * (dt / 2 * first), source)
        third = rate(middle + dt / 2 * second, source)
        end = whole * state
        pushed = half * third
        fourth = rate(end + dt * pushed, source)
        total = whole * first + 2 * (half * second + pushed) + fourth
        return (end + dt / 6 * total,)

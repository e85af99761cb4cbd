"""rk4: the classical Runge–Kutta scheme of order 4 with an integrating factor."""

from typing import ClassVar

import torch
from torch import Tensor

from py4cast.physics.steppers.base import Carry, TimeStepperABC

__all__ = ["RungeKutta4"]


class RungeKutta4(TimeStepperABC):
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
        second = rate(half * torch.add(state, first, alpha=dt / 2), source)
        third = rate(torch.add(half * state, second, alpha=dt / 2), source)
        end = whole * state
        fourth = rate(torch.add(end, half * third, alpha=dt), source)
        middle = half * (second + third)
        total = torch.add(torch.addcmul(fourth, whole, first), middle, alpha=2)
        return (torch.add(end, total, alpha=dt / 6),)

"""ab3: the Adams–Bashforth scheme of order 3 with an integrating factor; one evaluation a step."""

from typing import ClassVar

import torch
from torch import Tensor

from py4cast.physics.steppers.base import Carry, TimeStepperABC
from py4cast.physics.steppers.rk4 import RungeKutta4

__all__ = ["AdamsBashforth3"]


class AdamsBashforth3(TimeStepperABC):
    """Creates, with e = e^(LΔt) and Nⁿ⁻ʲ = N(sⁿ⁻ʲ),

        s⁺ = e s + Δt/12·(23 e Nⁿ − 16 e² Nⁿ⁻¹ + 5 e³ Nⁿ⁻²)

    The two steps before there are three rates are taken by `rk4`, which keeps the order.

    Reference: D. R. Durran (1991), The Third-Order Adams–Bashforth Method: An Attractive Alternative to Leapfrog Time
    Differencing, doi 10.1175/1520-0493(1991)119<0702:TTOABM>2.0.CO;2.
    """

    order: ClassVar[int] = 3
    limit: ClassVar[float] = 0.7236
    num_evaluations: ClassVar[int] = 1

    @property
    def shares(self) -> tuple[float, ...]:
        return 0.5, 1.0

    def advance(self, carry: Carry, factors: Carry, source: Tensor | None = None) -> Carry:
        state, whole, dt = carry[0], factors[1], self.step
        now = self.rate(state, source)
        if len(carry) < 3:
            later = RungeKutta4(self.equation, dt).advance((state,), factors, source)[0]
            return later, now * whole, *(old * whole for old in carry[1:2])
        before, oldest = carry[1], carry[2]
        # the rates are kept as they stand after a step's factor, so that one product serves all three
        latest = whole * now
        before = whole * before
        change = torch.add(torch.add(23 * latest, before, alpha=-16), whole * oldest, alpha=5)
        return torch.add(whole * state, change, alpha=dt / 12), latest, before

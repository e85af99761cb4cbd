"""An equation that the tests of the steppers share: every wave for itself, so that a step has a closed form."""

import torch
from torch import Tensor

from py4cast.physics.equation import EquationABC
from py4cast.physics.spectral import SpectralGrid

GRID = SpectralGrid(8, "pad", torch.float64)


class Scalars(EquationABC):
    """Creates ∂ₜs = L s + c·s and counts how often the second part is asked for."""

    def __init__(self, linear: float = 0.0, rate: float = 0.0, speed: float = 0.0) -> None:
        super().__init__(GRID)
        self.factor, self.c, self.flow, self.calls = linear, rate, speed, 0

    def linear(self) -> Tensor:
        return torch.full(GRID.shape, self.factor, dtype=torch.complex128)

    def nonlinear(self, modes: Tensor) -> Tensor:
        self.calls += 1
        return self.c * modes

    def speed(self, modes: Tensor) -> Tensor:
        return torch.tensor(self.flow)


def ones(value: float = 1.0) -> Tensor:
    return torch.full(GRID.shape, value, dtype=torch.complex128)

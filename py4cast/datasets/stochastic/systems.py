"""Random systems with a known answer: what a forecast's law should be can be computed, or drawn from the system itself.

References: E. N. Lorenz (1996), Predictability: a problem partly solved, doi 10.1017/CBO9780511617652.004; T. Gneiting and
A. E. Raftery (2007), doi 10.1198/016214506000001437 (the CRPS of a normal law at its own truth, σ/√π).
"""

from abc import ABC, abstractmethod
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from py4cast.grid import Grid

__all__ = ["SYSTEMS", "AdvectedPlane", "Lorenz96", "SystemABC"]

Field = NDArray[np.float64]


class SystemABC(ABC):
    """Abstract system x(t + 1) = F(x(t), η), η normal and correlated in space, on a grid that closes upon itself.

    Attributes:
        spin_up: steps from its first state until its climate.
    """

    spin_up: ClassVar[int]
    grid: Grid

    @abstractmethod
    def first(self, rng: np.random.Generator) -> Field:
        """A state to spin up from, `(lat, lon)`."""

    @abstractmethod
    def step(self, states: Field, rng: np.random.Generator) -> Field:
        """The next states of `(…, lat, lon)`, each with noise of its own."""

    def series(self, count: int, rng: np.random.Generator) -> Field:
        """So many states after one another, `(time, lat, lon)`."""
        state = self.first(rng)
        for _ in range(self.spin_up):
            state = self.step(state, rng)
        states = np.empty((count, *state.shape))
        for i in range(count):
            states[i] = state
            state = self.step(state, rng)
        return states

    def ensemble(self, state: Field, num_members: int, num_steps: int, rng: np.random.Generator) -> Field:
        """Members that are drawn from the system itself, `(member, step, lat, lon)`: the best that a forecast can be."""
        members = np.broadcast_to(state, (num_members, *state.shape)).copy()
        steps = []
        for _ in range(num_steps):
            members = self.step(members, rng)
            steps.append(members)
        return np.stack(steps, axis=1)


class AdvectedPlane(SystemABC):
    """Creates x(t + 1) = a·S x(t) + s(S x)·η on a periodic plane, S a shift by one cell, s(x) = 0.35·exp(0.7·tanh x).

    η is normal with variance 1 and the correlation exp(−r²/4ℓ²), ℓ one cell. The next state's law is normal, its mean
    a·S x and its deviation s(S x), so that the least CRPS is ⟨s⟩/√π and the least mean absolute error ⟨s⟩·√(2/π).

    Args:
        size: cells along each side.
    """

    spin_up: ClassVar[int] = 60
    memory: ClassVar[float] = 0.9
    length: ClassVar[float] = 1.0

    def __init__(self, size: int) -> None:
        self.grid = Grid.plane(size, size * 1e4, "stochastic")
        k = np.fft.fftfreq(size)
        square = k[:, None] ** 2 + k[None, : size // 2 + 1] ** 2
        # a Gaussian filter of width ℓ in space
        response = np.exp(-2 * (np.pi * self.length) ** 2 * square)
        both = np.exp(-4 * (np.pi * self.length) ** 2 * (k[:, None] ** 2 + k[None, :] ** 2))
        self._response = response / np.sqrt(both.mean())

    def noise(self, shape: tuple[int, ...], rng: np.random.Generator) -> Field:
        """η of variance 1, `(…, lat, lon)`."""
        white = rng.standard_normal((*shape, *self.grid.shape))
        return np.fft.irfft2(np.fft.rfft2(white) * self._response, s=self.grid.shape)

    def mean(self, states: Field) -> Field:
        """Mean of the next state, a·S x."""
        return self.memory * np.roll(states, 1, axis=-1)

    def deviation(self, states: Field) -> Field:
        """Deviation of the next state, s(S x)."""
        return 0.35 * np.exp(0.7 * np.tanh(np.roll(states, 1, axis=-1)))

    def first(self, rng: np.random.Generator) -> Field:
        return self.noise((), rng)

    def step(self, states: Field, rng: np.random.Generator) -> Field:
        return self.mean(states) + self.deviation(states) * self.noise(states.shape[:-2], rng)


class Lorenz96(SystemABC):
    """Creates dx_k/dt = (x_{k+1} − x_{k−2})·x_{k−1} − x_k + F on a ring, with noise η after every step, F = 8.

    One step is of 0.05 by five Runge–Kutta steps of order four; η is normal of deviation 0.3, correlated over two cells.

    Args:
        size: cells on the ring.
    """

    spin_up: ClassVar[int] = 200
    forcing: ClassVar[float] = 8.0
    deviation: ClassVar[float] = 0.3
    length: ClassVar[float] = 2.0

    def __init__(self, size: int) -> None:
        degrees = np.arange(size, dtype=np.float64) * np.float64(360.0 / size)
        self.grid = Grid(np.zeros(1), degrees, name="ring")
        k = np.fft.fftfreq(size)
        both = np.exp(-4 * (np.pi * self.length) ** 2 * k**2)
        self._response = np.exp(-2 * (np.pi * self.length * k[: size // 2 + 1]) ** 2) / np.sqrt(both.mean())

    def _noise(self, shape: tuple[int, ...], rng: np.random.Generator) -> Field:
        size = self.grid.shape[1]
        white = rng.standard_normal((*shape, size))
        return np.fft.irfft(np.fft.rfft(white) * self._response, n=size)

    def _slope(self, x: Field) -> Field:
        return (np.roll(x, -1, -1) - np.roll(x, 2, -1)) * np.roll(x, 1, -1) - x + self.forcing

    def first(self, rng: np.random.Generator) -> Field:
        return self.forcing + rng.standard_normal(self.grid.shape)

    def step(self, states: Field, rng: np.random.Generator) -> Field:
        h = 0.01
        for _ in range(5):
            k1 = self._slope(states)
            k2 = self._slope(states + h / 2 * k1)
            k3 = self._slope(states + h / 2 * k2)
            k4 = self._slope(states + h * k3)
            states = states + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
        return states + self.deviation * self._noise(states.shape[:-1], rng)


SYSTEMS: dict[str, type[SystemABC]] = {"plane": AdvectedPlane, "lorenz96": Lorenz96}

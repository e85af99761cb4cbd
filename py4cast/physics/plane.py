"""Physics on a doubly periodic square: from gridded fields in SI units to waves without units, and back.

Equations are solved on [0, 2π)² in a unit of time of their own, as the literature gives its parameters: lengths in
l = L/2π for a square of L [m], times in `time_unit` [s].
"""

from abc import abstractmethod
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Literal, final

import torch
from torch import Tensor, nn

from py4cast.errors import SettingsError, nearest
from py4cast.grid import Grid
from py4cast.physics.base import PhysicsABC
from py4cast.physics.equation import EquationABC
from py4cast.physics.spectral import SpectralGrid, check_resolution
from py4cast.physics.steppers import STEPPERS, TimeStepperABC

__all__ = ["PlanePhysics", "StepperName"]

StepperName = Literal["rk3", "rk4"]


class PlanePhysics(PhysicsABC):
    """Abstract physics on the square.

    Args:
        settings: with `time_unit`, `dealiasing`, `stepper` and `learn`.
        grid: a doubly periodic square.

    Raises:
        SettingsError: another grid, or one whose resolution the transforms do not take.
    """

    learnable: ClassVar[tuple[str, ...]] = ()

    def __init__(self, settings: Any, grid: Grid) -> None:
        super().__init__()
        self.settings = settings
        size = check_resolution(*grid.shape)
        if not grid.is_plane:
            raise SettingsError(
                f"physics {type(self).__name__}: a doubly periodic square expected, found {grid.describe()}"
            )
        self.unit_length = float(grid.projection["length"]) / (2 * torch.pi)
        self.unit_time = float(settings.time_unit)
        self.waves = SpectralGrid(size, settings.dealiasing)
        self.logs = nn.ParameterDict()
        for name in settings.learn:
            if name not in self.learnable:
                raise SettingsError(
                    f"physics {type(self).__name__}: no parameter {name!r}{nearest(name, self.learnable)}"
                )
            if not getattr(settings, name) > 0:
                raise SettingsError(f"physics {type(self).__name__}: to learn {name} give it a first value above 0")
            self.logs[name] = nn.Parameter(torch.zeros(()))
        self.left_out: set[str] = set()
        self._factors: dict[tuple[float, torch.device], tuple[Tensor, ...]] = {}

    def coefficient(self, name: str) -> float | Tensor:
        """A parameter of the equation: as set, times e^θ where it is learned (so that it keeps its sign), 0 left out."""
        if name in self.left_out:
            return 0.0
        value = float(getattr(self.settings, name))
        return value * torch.exp(self.logs[name]) if name in self.logs else value

    @final
    def learned(self) -> Mapping[str, float]:
        return {name: float(torch.as_tensor(self.coefficient(name)).detach()) for name in self.logs}

    @abstractmethod
    def equation(self) -> EquationABC:
        """The equation with its coefficients as they are now."""

    @abstractmethod
    def to_modes(self, state: Tensor) -> Tensor:
        """Waves without units of `(batch, lat, lon, features)`."""

    @abstractmethod
    def to_fields(self, modes: Tensor) -> Tensor:
        """Fields in their units of modes: the inverse of `to_modes`."""

    @abstractmethod
    def forced(self, forcing: Tensor | None) -> Tensor | None:
        """The forcing's part of the tendency, in waves without units."""

    def parametrised(self, modes: Tensor) -> Tensor | None:
        """What a closure of a formula adds to the tendency of waves, without units; None without one."""
        return None

    @final
    def tendency(self, state: Tensor, forcing: Tensor | None = None) -> Tensor:
        with torch.autocast(state.device.type, enabled=False):
            modes = self.to_modes(state.to(self.waves.dtype))
            rate = self.equation().tendency(modes)
            for more in (self.forced(forcing), self.parametrised(modes)):
                rate = rate if more is None else rate + more
            return self.to_fields(rate).to(state.dtype) / self.unit_time

    @final
    def closure_tendency(self, state: Tensor) -> Tensor | None:
        with torch.autocast(state.device.type, enabled=False):
            term = self.parametrised(self.to_modes(state.to(self.waves.dtype)))
            return None if term is None else self.to_fields(term).to(state.dtype) / self.unit_time

    @final
    def advance(
        self, state: Tensor, step: float, num_steps: int, forcing: Tensor | None = None, source: Tensor | None = None
    ) -> Tensor:
        with torch.autocast(state.device.type, enabled=False):
            modes = self.to_modes(state.to(self.waves.dtype))
            stepper = STEPPERS[self.settings.stepper](self.equation(), step / self.unit_time)
            held = None if source is None else self.to_modes(source.to(self.waves.dtype)) * self.unit_time
            given = self.forced(forcing)
            held = given if held is None else held if given is None else held + given
            factors = self._factors_of(stepper, modes.device)
            for _ in range(num_steps):
                more = self.parametrised(modes)
                total = held if more is None else more if held is None else held + more
                modes = stepper.advance((modes,), factors, total)[0]
            return self.to_fields(modes).to(state.dtype)

    def _factors_of(self, stepper: TimeStepperABC, device: torch.device) -> tuple[Tensor, ...]:
        if self.logs:
            return stepper.factors()
        key = (stepper.step, device)
        if key not in self._factors:
            # they outlive an inference, and training cannot keep what was made in one
            with torch.inference_mode(False):
                self._factors = {key: stepper.factors()}
        return self._factors[key]

    @final
    def largest_step(self, state: Tensor) -> float:
        with torch.no_grad(), torch.autocast(state.device.type, enabled=False):
            modes = self.to_modes(state.to(self.waves.dtype))
            return STEPPERS[self.settings.stepper](self.equation(), 1.0).largest_step(modes) * self.unit_time

    @final
    def leave_out(self, term: str) -> None:
        if term not in self.terms:
            super().leave_out(term)
        self.left_out.add(term)
        self._factors = {}

    @property
    @abstractmethod
    def recipes(self) -> Mapping[str, Callable[[Tensor], Tensor]]:
        """How each field of `derived` is made of waves without units, `(batch, lat, lon)`, in its units."""

    @final
    def derive(self, state: Tensor, names: tuple[str, ...]) -> Tensor:
        for name in names:
            if name not in self.derived:
                super().derive(state, (name,))
        with torch.autocast(state.device.type, enabled=False):
            modes = self.to_modes(state.to(self.waves.dtype))
            return torch.stack([self.recipes[name](modes) for name in names], dim=-1).to(state.dtype)

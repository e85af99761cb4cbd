"""barotropic: the vorticity equation as physics that a network can correct."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from torch import Tensor

from py4cast.grid import Grid
from py4cast.physics.closures import closures
from py4cast.physics.plane import PlanePhysics, StepperName
from py4cast.physics.spectral import Dealiasing
from py4cast.physics.vorticity import VorticityEquation
from py4cast.settings import Settings, setting

__all__ = ["Barotropic", "BarotropicSettings"]


@dataclass(frozen=True, slots=True, kw_only=True)
class BarotropicSettings(Settings):
    """Parameters of the vorticity equation on [0, 2π)², in units of `time_unit`."""

    viscosity: float = setting(0.0, "ν of −ν(−∇²)ᵖ ω")
    viscosity_order: int = setting(1, "p: 1 is Newton's viscosity, more is hyperviscosity")
    drag: float = setting(0.0, "μ of −μ ω")
    beta: float = setting(0.0, "β of −β ∂ₓψ")
    time_unit: float = setting(1.2e6, "unit of time [s]")
    closure: str | None = setting(None, "a closure of a formula: smagorinsky, leith, dynamic_leith, ...; null for none")
    closure_constant: float | None = setting(None, "the closure's constant; null: its own")
    learn: tuple[str, ...] = setting((), "parameters that are learned, of viscosity, drag and beta")
    dealiasing: Dealiasing = setting("pad", "pad: products on 3/2 as many points; truncate: waves up to a third alone")
    stepper: StepperName = setting("rk4", "scheme in time")

    def __post_init__(self) -> None:
        if min(self.viscosity, self.drag) < 0 or self.viscosity_order < 1 or not self.time_unit > 0:
            raise ValueError("viscosity and drag must not be negative, viscosity_order at least 1, time_unit above 0")
        if self.closure is not None:
            closures.get(self.closure)


class Barotropic(PlanePhysics):
    """Creates ∂ₜω + J(ψ, ω) = −ν(−∇²)ᵖ ω − μ ω − β ∂ₓψ + F + R, R of a closure where one is chosen.

    `vorticity_forcing` [s-2] is F where the data have it.
    """

    settings_kls: ClassVar[type] = BarotropicSettings
    reference = "Frezat et al. (2022), doi 10.1029/2022MS003124"
    prognostic: ClassVar[Mapping[str, str]] = {"vorticity": "s-1"}
    forcing: ClassVar[Mapping[str, str]] = {"vorticity_forcing": "s-2"}
    derived: ClassVar[Mapping[str, str]] = {
        "stream_function": "m2 s-1", "eastward_velocity": "m s-1", "northward_velocity": "m s-1",
    }  # fmt: skip
    terms: ClassVar[tuple[str, ...]] = ("viscosity", "drag", "beta", "vorticity_forcing", "closure")
    learnable: ClassVar[tuple[str, ...]] = ("viscosity", "drag", "beta")
    conserves_mean: ClassVar[bool] = True

    def __init__(self, settings: BarotropicSettings, grid: Grid) -> None:
        super().__init__(settings, grid)
        self._equation = VorticityEquation(
            self.waves, settings.viscosity, settings.drag, settings.beta, settings.viscosity_order
        )
        chosen = settings.closure
        self.closure = None if chosen is None else closures.get(chosen)(self._equation, settings.closure_constant)

    def equation(self) -> VorticityEquation:
        eq = self._equation
        eq.viscosity, eq.drag, eq.beta = (self.coefficient(n) for n in self.learnable)
        return eq

    def to_modes(self, state: Tensor) -> Tensor:
        return self.waves.modes(state[..., 0]) * self.unit_time

    def to_fields(self, modes: Tensor) -> Tensor:
        return self.waves.field(modes).unsqueeze(-1) / self.unit_time

    def forced(self, forcing: Tensor | None) -> Tensor | None:
        if forcing is None or "vorticity_forcing" in self.left_out:
            return None
        return self.to_modes(forcing.to(self.waves.dtype)) * self.unit_time

    def parametrised(self, modes: Tensor) -> Tensor | None:
        if self.closure is None or "closure" in self.left_out:
            return None
        term: Any = self.closure(modes)
        return term  # type: ignore[no-any-return]

    @property
    def recipes(self) -> Mapping[str, Callable[[Tensor], Tensor]]:
        speed = self.unit_length / self.unit_time
        eq, waves = self._equation, self.waves
        return {
            "stream_function": lambda modes: waves.field(eq.stream_function(modes)) * (speed * self.unit_length),
            "eastward_velocity": lambda modes: eq.velocity(modes)[..., 0, :, :] * speed,
            "northward_velocity": lambda modes: eq.velocity(modes)[..., 1, :, :] * speed,
        }

"""two_layer: the two-layer quasi-geostrophic equations as physics that a network can correct."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from py4cast.grid import Grid
from py4cast.physics.plane import PlanePhysics, StepperName
from py4cast.physics.spectral import Dealiasing
from py4cast.physics.two_layer import TwoLayerEquation
from py4cast.settings import Settings, setting

__all__ = ["Baroclinic", "BaroclinicSettings"]


@dataclass(frozen=True, slots=True, kw_only=True)
class BaroclinicSettings(Settings):
    """Parameters of the two-layer equations on [0, 2π)², in units of `time_unit`."""

    deformation: float = setting(8.0, "k_d, deformation wavenumber")
    depth_ratio: float = setting(1.0, "δ, depth of the upper layer over that of the lower one")
    shear: float = setting(0.5, "ΔU, mean flow of the upper layer")
    beta: float = setting(1.0, "β")
    drag: float = setting(0.1, "μ of the lower layer")
    viscosity: float = setting(0.0, "ν of −ν(−∇²)ᵖ q")
    viscosity_order: int = setting(1, "p")
    time_unit: float = setting(1.2e6, "unit of time [s]")
    learn: tuple[str, ...] = setting((), "parameters that are learned, of viscosity, drag and beta")
    dealiasing: Dealiasing = setting("pad", "pad: products on 3/2 as many points; truncate: waves up to a third alone")
    stepper: StepperName = setting("rk4", "scheme in time")

    def __post_init__(self) -> None:
        if min(self.deformation, self.depth_ratio, self.time_unit) <= 0 or min(self.viscosity, self.drag) < 0:
            raise ValueError("deformation, depth_ratio and time_unit must be above 0, viscosity and drag not negative")


class Baroclinic(PlanePhysics):
    """Creates the equations of `py4cast.physics.two_layer`, of the potential vorticity of both layers."""

    settings_kls: ClassVar[type] = BaroclinicSettings
    reference = "Phillips (1954), doi 10.1111/j.2153-3490.1954.tb01123.x"
    prognostic: ClassVar[Mapping[str, str]] = {
        "potential_vorticity_upper": "s-1", "potential_vorticity_lower": "s-1",
    }  # fmt: skip
    derived: ClassVar[Mapping[str, str]] = {"stream_function_upper": "m2 s-1", "stream_function_lower": "m2 s-1"}
    terms: ClassVar[tuple[str, ...]] = ("viscosity", "drag", "beta")
    learnable: ClassVar[tuple[str, ...]] = ("viscosity", "drag", "beta")
    conserves_mean: ClassVar[bool] = True

    def __init__(self, settings: BaroclinicSettings, grid: Grid) -> None:
        super().__init__(settings, grid)
        self._equation = TwoLayerEquation(
            self.waves,
            settings.deformation,
            settings.depth_ratio,
            settings.shear,
            viscosity_order=settings.viscosity_order,
        )

    def equation(self) -> TwoLayerEquation:
        eq = self._equation
        eq.viscosity, eq.bottom_drag, eq.beta = (self.coefficient(n) for n in self.learnable)
        return eq

    def to_modes(self, state: Tensor) -> Tensor:
        return self.waves.modes(state.movedim(-1, -3)) * self.unit_time

    def to_fields(self, modes: Tensor) -> Tensor:
        return self.waves.field(modes).movedim(-3, -1) / self.unit_time

    def forced(self, forcing: Tensor | None) -> Tensor | None:
        return None

    @property
    def recipes(self) -> Mapping[str, Callable[[Tensor], Tensor]]:
        scale = self.unit_length**2 / self.unit_time

        def layer(index: int) -> Callable[[Tensor], Tensor]:
            return lambda m: self.waves.field(self._equation.stream_functions(m)[..., index, :, :]) * scale

        return {"stream_function_upper": layer(0), "stream_function_lower": layer(1)}

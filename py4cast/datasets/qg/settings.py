"""Settings of qg: a regime of the flow, a size of the simulation, and what may be set otherwise."""

from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from py4cast.physics.spectral import check_resolution
from py4cast.settings import Settings, setting

__all__ = ["Plan", "QgSettings"]

TIME_UNIT = 1.2e6  # [s]
LENGTH = 10_080_000.0  # [m], a side of the square


class Regime(NamedTuple):
    """What drives and damps the flow, without units."""

    drag: float
    beta: float
    wind: float
    is_decaying: bool = False


class Size(NamedTuple):
    """A simulation: n of the fine and the coarse grid, steps, lengths in instants, viscosity."""

    fine: int
    coarse: int
    step: float
    num_substeps: int
    num_train: int
    num_valid: int
    num_test: int
    spinup: float
    viscosity: float
    viscosity_order: int


REGIMES = {
    "decaying": Regime(0.0, 0.0, 0.0, is_decaying=True),
    "forced": Regime(2e-2, 0.0, 3.02),
    "beta_plane": Regime(2e-2, 21.95, 3.02),
}
SIZES = {
    "seconds": Size(64, 16, 8e-3, 4, 64, 24, 24, 20.0, 2.3e-11, 4),
    "small": Size(128, 32, 4e-3, 4, 250, 64, 2500, 40.0, 1.07e-13, 4),
    "medium": Size(256, 64, 2e-3, 4, 2000, 250, 5000, 40.0, 4.2e-16, 4),
    "paper": Size(2048, 128, 1e-4, 16, 3000, 300, 12000, 120.0, 1.026e-5, 1),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class QgSettings(Settings):
    """Turbulence on a doubly periodic square of 10 080 km; parameters are those of [0, 2π)² in units of 1.2e6 s."""

    regime: Literal["decaying", "forced", "beta_plane"] = setting("forced", "what drives the flow")
    size: Literal["seconds", "small", "medium", "paper"] = setting(
        "seconds",
        "64² to 16² (seconds), 128² to 32² (a minute), 256² to 64² (half an hour), 2048² to 128² (an accelerator)",
    )
    filter: Literal["cut_off", "gaussian"] = setting("cut_off", "what the coarse grid sees of the fine one")
    seed: int = setting(0, "of the states to start from; every split and run has one of its own")
    num_runs: int | None = setting(
        None, "runs of each split, each from a state of its own; null: 1, of decaying flow 4"
    )
    num_train: int | None = setting(None, "instants of a run to learn from; null: the size's, as all that follow")
    num_valid: int | None = setting(None, "instants of a run that choose the best epoch")
    num_test: int | None = setting(None, "instants of a run that are scored")
    fine: int | None = setting(None, "points along a side of the simulation")
    coarse: int | None = setting(None, "points along a side of the data")
    step: float | None = setting(None, "step of the simulation")
    num_substeps: int | None = setting(None, "steps of the simulation between two instants")
    spinup: float | None = setting(None, "time before the first instant")
    viscosity: float | None = setting(None, "ν")
    viscosity_order: int | None = setting(None, "p of −ν(−∇²)ᵖ ω")
    drag: float | None = setting(None, "μ; null: the regime's")
    beta: float | None = setting(None, "β; null: the regime's")
    wind: float | None = setting(None, "½⟨F²⟩ of the wind; null: the regime's")
    diagnostics: tuple[Literal["subgrid_tendency", "stream_function"], ...] = setting(
        ("subgrid_tendency", "stream_function"), "what is stored beside the vorticity"
    )

    def plan(self) -> "Plan":
        """The whole simulation, every number in its place."""
        regime, size = REGIMES[self.regime], SIZES[self.size]

        def chosen(name: str, default: Any) -> Any:
            asked = getattr(self, name)
            return default if asked is None else asked

        from_size = {name: chosen(name, getattr(size, name)) for name in Size._fields}
        if regime.is_decaying and self.spinup is None:
            from_size["spinup"] = 0.5
        from_regime = {name: chosen(name, getattr(regime, name)) for name in ("drag", "beta", "wind")}
        num_runs = chosen("num_runs", 4 if regime.is_decaying else 1)
        return Plan(
            **from_size, **from_regime, is_decaying=regime.is_decaying, num_runs=num_runs, filter=self.filter,
            seed=self.seed, diagnostics=self.diagnostics,
        )  # fmt: skip

    def __post_init__(self) -> None:
        plan = self.plan()
        check_resolution(plan.fine, plan.fine)
        check_resolution(plan.coarse, plan.coarse)
        if not plan.is_decaying and plan.fine < 16:
            raise ValueError(f"fine {plan.fine}: a flow that is spun up needs at least 16 points a side")
        if plan.coarse > plan.fine:
            raise ValueError(f"coarse {plan.coarse} points a side are more than the fine {plan.fine}")
        if min(plan.num_train, plan.num_valid, plan.num_test) < 2 or min(plan.num_runs, plan.num_substeps) < 1:
            raise ValueError("every split must have at least 2 instants, num_runs and num_substeps be at least 1")
        if not plan.step > 0 or min(plan.spinup, plan.viscosity, plan.drag, plan.wind) < 0:
            raise ValueError("step must be above 0; spinup, viscosity, drag and wind not negative")
        if round(plan.interval * TIME_UNIT) < 1:
            raise ValueError(f"step {plan.step:g}: two instants are less than a second apart")


class Plan(NamedTuple):
    """A simulation with every number in its place, without units; see `QgSettings`."""

    fine: int
    coarse: int
    step: float
    num_substeps: int
    num_train: int
    num_valid: int
    num_test: int
    spinup: float
    viscosity: float
    viscosity_order: int
    drag: float
    beta: float
    wind: float
    is_decaying: bool
    num_runs: int
    filter: str
    seed: int
    diagnostics: tuple[str, ...]

    @property
    def interval(self) -> float:
        """The time between two instants, in units of the simulation."""
        return self.step * self.num_substeps

    @property
    def physics(self) -> dict[str, Any]:
        """Settings of the physics `barotropic` that the coarse flow obeys but for its subgrid term."""
        return {
            "viscosity": self.viscosity, "viscosity_order": self.viscosity_order, "drag": self.drag,
            "beta": self.beta, "time_unit": TIME_UNIT,
        }  # fmt: skip

    def num_instants(self, split: str) -> int:
        """Of one run of a split."""
        return int(getattr(self, f"num_{split}"))

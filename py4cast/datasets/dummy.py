"""dummy: a synthetic atmosphere on 64 × 64 cells, made from a seed in well under a second.

A stream function of superposed Rossby waves on a mean westerly flow U, with their dispersion relation,

    ψ(x, y, t) = Σ_k A_k cos(k_x x + k_y y − ω_k t + φ_k),   ω_k = U k_x − β k_x/(k_x² + k_y²),

gives geostrophic wind u = U − ∂ψ/∂y, v = ∂ψ/∂x and geopotential height. The same waves, lagged in phase,
carry temperature against its mean gradient, to which heights and the Sun add their part; rain falls where
warm air is carried north. All of it is a smooth function of time: learnable, not noise.
"""

from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from py4cast.axis import TimeAxis
from py4cast.cubes.memory import MemoryCube
from py4cast.dataset_info import DatasetInfo
from py4cast.datasets.base import Splits, WindowDataset
from py4cast.datasets.forcings import ComputedForcings, toa_radiation
from py4cast.datasets.statics import build_statics
from py4cast.errors import SettingsError
from py4cast.grid import Grid
from py4cast.settings import Settings, setting
from py4cast.timeline import Period, duration, instant
from py4cast.variables import Variable

__all__ = ["Dummy", "DummySettings"]

BETA, MEAN_FLOW, CORIOLIS, GRAVITY = 1.6e-11, 12.0, 1.0e-4, 9.80665  # [m-1 s-1], [m s-1], [s-1], [m s-2]
_NUM_WAVES = 24
_VARIABLES = (
    Variable(name="z500", short_name="gh", units="m", level=500, type_of_level="isobaricInhPa", standard_name="geopotential_height"),
    Variable(name="u10", short_name="10u", units="m s-1", level=10, type_of_level="heightAboveGround", standard_name="eastward_wind"),
    Variable(name="v10", short_name="10v", units="m s-1", level=10, type_of_level="heightAboveGround", standard_name="northward_wind"),
    Variable(name="t2m", short_name="2t", units="K", level=2, type_of_level="heightAboveGround", standard_name="air_temperature"),
    Variable(name="tp", short_name="tp", role="diagnostic", units="kg m-2", standard_name="precipitation_amount"),
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class DummySettings(Settings):
    """Settings of the synthetic atmosphere: its size, its length, its border."""

    seed: int = setting(0, "what the waves are drawn from")
    size: int = setting(64, "cells along each side")
    step: str = setting("1h", "time between two states")
    start: str = setting("2020-03-01T00", "first instant")
    num_train: int = setting(240, "instants to learn from")
    num_valid: int = setting(48, "instants that choose the best epoch")
    num_test: int = setting(72, "instants that are scored")
    border_size: int = setting(4, "width of the border ring [cells]")
    forcings: tuple[str, ...] = setting(("hour", "toa_radiation"), "computed forcings")
    statics: tuple[str, ...] = setting(("x", "y", "border_mask"), "computed statics, beside the height of the ground")

    def __post_init__(self) -> None:
        if self.size < 8 or min(self.num_train, self.num_valid, self.num_test) < 2:
            raise ValueError("size must be at least 8 and every split at least 2 instants")


def _waves(seed: int, length: float) -> tuple[NDArray[Any], ...]:
    """Wave numbers [m-1], frequencies [s-1], amplitudes of ψ [m² s-1] and phases."""
    rng = np.random.default_rng(seed)
    kx = 2 * np.pi / length * rng.integers(1, 7, _NUM_WAVES) * rng.uniform(0.8, 1.2, _NUM_WAVES)
    ky = 2 * np.pi / length * rng.integers(-5, 6, _NUM_WAVES) * rng.uniform(0.8, 1.2, _NUM_WAVES)
    square = kx**2 + ky**2
    omega = MEAN_FLOW * kx - BETA * kx / square
    amplitude = 4.0 / np.sqrt(square) * rng.uniform(0.5, 1.5, _NUM_WAVES) * (2 * np.pi / length) / np.sqrt(square)
    return kx, ky, omega, amplitude * 3.0, rng.uniform(0, 2 * np.pi, _NUM_WAVES)


def synthesise(
    settings: DummySettings, grid: Grid, times: NDArray[np.datetime64]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Fields `(variable, time, lat, lon)` and the height of the ground [m] `(lat, lon)`."""
    dy, dx = grid.spacing()
    rows, columns = grid.shape
    x, y = np.arange(columns) * dx, np.arange(rows)[::-1] * dy
    kx, ky, omega, amplitude, phase = _waves(settings.seed, columns * dx)
    seconds = (times - times[0]) / np.timedelta64(1, "s")
    in_time = np.exp(1j * (phase - np.outer(seconds, omega))) * amplitude
    in_space = (np.exp(1j * np.outer(ky, y))[:, :, None] * np.exp(1j * np.outer(kx, x))[:, None, :]).reshape(
        _NUM_WAVES, -1
    )

    def field(factor: NDArray[Any]) -> NDArray[np.float32]:
        waves = (in_time * factor).astype(np.complex64) @ in_space.astype(np.complex64)
        return np.asarray(waves.real.reshape(-1, rows, columns), dtype=np.float32)

    psi, u, v = field(np.ones(_NUM_WAVES)), MEAN_FLOW + field(-1j * ky), field(1j * kx)
    # temperature lags the stream function by an eighth of a wave, as in a growing baroclinic wave
    warm = field(np.full(_NUM_WAVES, 1.1e-6 * np.exp(1j * np.pi / 4)))
    ground = 900 * np.exp(-(((x[None] / x[-1] - 0.6) / 0.18) ** 2 + ((y[:, None] / y[0] - 0.45) / 0.22) ** 2))
    sun = toa_radiation(times - np.timedelta64(3, "h"), grid.latitude_2d(), grid.longitude_2d(), duration("3h"))
    background = 281.0 - 9.0 * (y / y[0])[None, :, None] - 0.0065 * ground[None]
    rain = np.maximum(v * warm * 0.01 - 0.1, 0.0)
    planes = [5500 + CORIOLIS / GRAVITY * psi, u, v, background + warm + 0.006 * sun, rain]
    return np.stack(planes).astype(np.float32), ground.astype(np.float32)


class Dummy(WindowDataset):
    """Creates the samples of one split of the synthetic atmosphere."""

    settings_kls: ClassVar[type] = DummySettings

    @classmethod
    def splits(
        cls, settings: Any, num_input_steps: int, num_pred_steps_train: int, num_pred_steps_val_test: int
    ) -> tuple[Self, Self, Self]:
        grid = Grid(np.linspace(56.0, 40.0, settings.size), np.linspace(-12.0, 12.0, settings.size), name="dummy")
        counts = (settings.num_train, settings.num_valid, settings.num_test)
        step = duration(settings.step)
        times = instant(settings.start) + np.arange(sum(counts)) * step
        values, ground = synthesise(settings, grid, times)
        cube = MemoryCube(_VARIABLES, TimeAxis.series(times), grid, values)
        stops = np.cumsum(counts)
        starts = stops - counts
        periods = [Period.of(times[a:b]) for a, b in zip(starts, stops, strict=True)]
        shared = _describe(settings, grid, cube, ground, periods[0])
        return cls.of_periods([shared] * 3, periods, num_input_steps, num_pred_steps_train, num_pred_steps_val_test)


def _describe(
    settings: DummySettings,
    grid: Grid,
    cube: MemoryCube,
    ground: NDArray[np.float32],
    train: Period,
) -> Splits:
    step = duration(settings.step)
    if 2 * settings.border_size >= settings.size:
        raise SettingsError(
            f"border_size {settings.border_size}: leaves no interior of {settings.size} x {settings.size} cells"
        )
    computed = ComputedForcings(settings.forcings, grid, step)
    statics = build_statics(grid, settings.statics, {"orography": ground}, settings.border_size)
    inside = cube.axis.inside(train)
    stats, differences = cube.statistics(inside)
    info = DatasetInfo(
        name="dummy",
        grid=grid,
        variables=[*_VARIABLES, *computed.variables],
        step_duration=step,
        stats=stats | computed.stats(cube.times[inside]),
        diff_stats=differences.standardised_by(stats),
        statics=statics,
        lineage={"dataset": "dummy", "settings": settings.to_dict()},
    )
    return Splits(cube, info, computed)

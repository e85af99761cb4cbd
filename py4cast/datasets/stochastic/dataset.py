"""The dataset `stochastic`: a series of a random system whose next state's law is known."""

from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np

from py4cast.axis import TimeAxis
from py4cast.cubes.memory import MemoryCube
from py4cast.dataset_info import DatasetInfo
from py4cast.datasets.base import Splits, WindowDataset
from py4cast.datasets.forcings import ComputedForcings
from py4cast.datasets.statics import build_statics
from py4cast.datasets.stochastic.systems import SYSTEMS, SystemABC
from py4cast.errors import nearest
from py4cast.settings import Settings, setting
from py4cast.timeline import Period, duration, instant
from py4cast.variables import Variable

__all__ = ["Stochastic", "StochasticSettings"]

_STATE = Variable(name="state", units="1")


@dataclass(frozen=True, slots=True, kw_only=True)
class StochasticSettings(Settings):
    """Settings of stochastic: which system, how large, how long."""

    system: str = setting("plane", "plane (advected, its law is known in closed form) or lorenz96 (on a ring)")
    seed: int = setting(0, "what the noise is drawn from")
    size: int = setting(24, "cells along each side, or on the ring")
    num_train: int = setting(160, "states to learn from")
    num_valid: int = setting(20, "states that choose the best epoch")
    num_test: int = setting(80, "states that are scored")

    def __post_init__(self) -> None:
        if self.system not in SYSTEMS:
            raise ValueError(f"system {self.system!r}: expected plane or lorenz96{nearest(self.system, SYSTEMS)}")
        if self.size < 8 or min(self.num_train, self.num_valid, self.num_test) < 8:
            raise ValueError("size must be at least 8 and every split at least 8 states")

    def make(self) -> SystemABC:
        """The system that the settings name."""
        made: SystemABC = SYSTEMS[self.system](self.size)  # type: ignore[call-arg]
        return made


class Stochastic(WindowDataset):
    """Creates the samples of one split of a random system; the splits follow one another."""

    settings_kls: ClassVar[type] = StochasticSettings

    @classmethod
    def splits(
        cls, settings: Any, num_input_steps: int, num_pred_steps_train: int, num_pred_steps_val_test: int
    ) -> tuple[Self, Self, Self]:
        system: SystemABC = settings.make()
        step, first = duration("1h"), instant("2020-01-01T00")
        counts = (settings.num_train, settings.num_valid, settings.num_test)
        rng = np.random.Generator(np.random.Philox(settings.seed))
        values = system.series(sum(counts), rng).astype(np.float32)[None]
        times = first + np.arange(sum(counts)) * step
        cube = MemoryCube([_STATE], TimeAxis.series(times), system.grid, values)
        stops = np.cumsum(counts)
        periods = [Period.of(times[b - n : b]) for n, b in zip(counts, stops, strict=True)]
        inside = cube.axis.inside(periods[0])
        stats, differences = cube.statistics(inside)
        info = DatasetInfo(
            name="stochastic",
            grid=system.grid,
            variables=[_STATE],
            step_duration=step,
            stats=stats,
            diff_stats=differences.standardised_by(stats),
            statics=build_statics(system.grid, (), {}, 0),
            lineage={"dataset": "stochastic", "settings": settings.to_dict()},
        )
        shared = Splits(cube, info, ComputedForcings((), system.grid, step))
        return cls.of_periods([shared] * 3, periods, num_input_steps, num_pred_steps_train, num_pred_steps_val_test)

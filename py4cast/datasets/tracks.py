"""tracks: a turbulent flow seen along the tracks of satellites, to be mapped.

The stream function of `qg` is observed, with noise, in the cells that satellites pass over: a satellite's pass is a
straight line across the square, its next one crosses at another place and the other way. The target is the field of an
instant; its forcings are what was observed at the instants around it, NaN where nothing was,

    stream_function                        ψ(t)                  prognostic
    observed_m2 … observed_0 … observed_p2  ψ + noise at t − 2 … t + 2    forcing

Reference: M. Ballarotta, et al. (2020), ocean-data-challenges 2020a, SSH mapping, doi 10.24400/527896/a01-2020.002.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from py4cast.cubes.base import CubeABC, Planes
from py4cast.cubes.kept import KeptCube
from py4cast.cubes.store.store import PreparedStore
from py4cast.dataset_info import DatasetInfo
from py4cast.datasets.base import SPLITS, Splits, WindowDataset
from py4cast.datasets.forcings import ComputedForcings
from py4cast.datasets.qg import Qg
from py4cast.datasets.qg.settings import QgSettings
from py4cast.datasets.statics import build_statics
from py4cast.grid import Grid
from py4cast.progress import Preparation
from py4cast.settings import Settings, setting
from py4cast.statistics import Stats
from py4cast.timeline import Period
from py4cast.variables import Variable

__all__ = ["ObservedCube", "Tracks", "TracksSettings", "passes"]

MAPPED = "stream_function"
_GOLDEN = (math.sqrt(5) - 1) / 2


@dataclass(frozen=True, slots=True, kw_only=True)
class TracksSettings(Settings):
    """A flow and the satellites that see it."""

    flow: QgSettings = setting(
        factory=lambda: QgSettings(num_substeps=16, num_train=200, num_valid=60, num_test=120),
        help="settings of qg; one run per split",
    )
    num_satellites: int = setting(4, "satellites, each with one pass between two instants")
    window: int = setting(5, "instants before and after whose observations are given")
    noise: float = setting(0.02, "standard deviation of the noise over that of the field")
    slope: float = setting(70.0, "angle between tracks and circles of latitude [degrees]")

    def __post_init__(self) -> None:
        if self.num_satellites < 1 or self.window < 0 or self.noise < 0 or not 0 < self.slope < 90:
            raise ValueError("num_satellites must be at least 1, window and noise not negative, slope within 0 to 90")
        plan = self.flow.plan()
        if plan.num_runs != 1 or MAPPED not in plan.diagnostics:
            raise ValueError(f"flow: expected one run with the diagnostic {MAPPED}")
        if min(plan.num_train, plan.num_valid, plan.num_test) < 2 * self.window + 3:
            raise ValueError(
                f"flow: every split needs at least {2 * self.window + 3} instants for a window of {self.window}"
            )


def passes(settings: TracksSettings, size: int, instant: int) -> NDArray[np.bool_]:
    """The cells that are seen at an instant, `(lat, lon)`: one line per satellite, up and down in turn."""
    seen = np.zeros((size, size), dtype=bool)
    rows = np.arange(4 * size) / 4
    for satellite in range(settings.num_satellites):
        number = instant * settings.num_satellites + satellite
        direction = 1 if number % 2 else -1
        # the golden ratio spreads crossings evenly, however many there are
        begin = size * ((number * _GOLDEN + satellite / settings.num_satellites) % 1.0)
        columns = begin + direction * rows / math.tan(math.radians(settings.slope))
        seen[np.floor(rows).astype(int) % size, np.floor(columns).astype(int) % size] = True
    return seen


class ObservedCube(KeptCube):
    """Creates the cube of a flow's stream function and what is observed of it around each instant.

    Args:
        flow: with `stream_function`.
        settings: of the satellites.
        scale: standard deviation of the field, which the noise is a part of.
        seed: of the noise and of the first pass.
    """

    def __init__(self, flow: CubeABC, settings: TracksSettings, scale: float, seed: int) -> None:
        self._flow, self.settings, self._scale, self._seed = flow, settings, scale, seed
        self.axis = flow.axis
        self.offsets = {_name(k): k for k in range(-settings.window, settings.window + 1)}
        mapped = replace(flow.variable(MAPPED), role="prognostic")
        observed = [
            Variable(name=n, short_name=n, role="forcing", units=mapped.units, nan="mask") for n in self.offsets
        ]
        self.variables = [mapped, *observed]

    @property
    def grid(self) -> Grid:
        return self._flow.grid

    @property
    def fingerprint(self) -> str:
        return f"{self._flow.fingerprint} {self.settings.to_dict()} {self._seed}"

    def available(self, names: Sequence[str]) -> NDArray[np.bool_]:
        mask = self._flow.available([MAPPED])
        for name in names:
            offset = self.offsets.get(name, 0)
            index = np.arange(self.axis.size) + offset
            mask = mask & (index >= 0) & (index < self.axis.size)
        return np.asarray(mask)

    def read(self, names: Sequence[str], start: int, stop: int, out: Planes) -> None:
        low = max(0, start - self.settings.window)
        high = min(self.axis.size, stop + self.settings.window)
        planes = np.empty((1, high - low, *self.shape), dtype=np.float32)
        self._flow.read([MAPPED], low, high, planes)
        for row, name in enumerate(names):
            if name == MAPPED:
                out[row] = planes[0, start - low : stop - low]
                continue
            for place, index in enumerate(range(start, stop)):
                at = index + self.offsets[name]
                is_there = 0 <= at < self.axis.size
                out[row, place] = self._observed(planes[0, at - low], at) if is_there else np.nan

    def _observed(self, plane: NDArray[np.float32], index: int) -> NDArray[np.float32]:
        """What is seen of an instant's field; its noise is the same whenever it is read."""
        rng = np.random.default_rng([self._seed, index])
        noise = rng.normal(0.0, self.settings.noise * self._scale, self.shape).astype(np.float32)
        seen = passes(self.settings, self.shape[0], index + 7919 * self._seed)
        return np.where(seen, plane + noise, np.float32(np.nan))


def _name(offset: int) -> str:
    return f"observed_{'m' if offset < 0 else 'p' if offset else ''}{abs(offset)}"


class Tracks(WindowDataset):
    """Creates the samples of one split of the observed flow."""

    settings_kls: ClassVar[type] = TracksSettings

    @classmethod
    def make(cls, settings: TracksSettings, how: Preparation | None = None) -> PreparedStore:
        """The store of the flow's training split; those of the others are made too."""
        return Qg.make(settings.flow, how)

    @classmethod
    def splits(
        cls, settings: Any, num_input_steps: int, num_pred_steps_train: int, num_pred_steps_val_test: int
    ) -> tuple[Self, Self, Self]:
        flows = [Qg.make_split(settings.flow, split) for split in SPLITS]
        stats, differences = flows[0].statistics(np.ones(flows[0].axis.size, dtype=bool), [MAPPED])
        scale = stats[MAPPED]["std"]
        cubes = [ObservedCube(flow, settings, scale, seed) for seed, flow in enumerate(flows)]
        info = _describe(settings, cubes[0], stats, differences)
        computed = ComputedForcings((), info.grid, info.step_duration)
        shared = [Splits(cube, info, computed) for cube in cubes]
        periods = [Period.of(cube.times) for cube in cubes]
        return cls.of_periods(shared, periods, num_input_steps, num_pred_steps_train, num_pred_steps_val_test)


def _describe(settings: TracksSettings, cube: ObservedCube, stats: Stats, differences: Stats) -> DatasetInfo:
    of_field = stats[MAPPED]
    return DatasetInfo(
        name="tracks",
        grid=cube.grid,
        variables=cube.variables,
        step_duration=cube.axis.step,
        # observations are standardised as what they are of
        stats=stats | Stats(dict.fromkeys(cube.offsets, of_field)),
        diff_stats=differences.standardised_by(stats),
        statics=build_statics(cube.grid, (), {}, 0),
        lineage={"dataset": "tracks", "settings": settings.to_dict(), "store": cube.fingerprint},
    )

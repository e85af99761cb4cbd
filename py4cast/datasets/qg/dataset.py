"""qg: trajectories of two-dimensional turbulence, with the tendency that a coarse model of it lacks.

A direct simulation on a fine grid is filtered to a coarse one, instant by instant:

    vorticity          ω̄ [s-1]                         prognostic
    subgrid_tendency   R = ∇·(ū ω̄ − bar(u ω)) [s-2]     diagnostic: at the beginning of the step that ends here
    stream_function    ψ̄ [m2 s-1]                      diagnostic
    vorticity_forcing  F̄ [s-2]                         forcing, where there is wind: in the middle of that step

Each split is a simulation of its own, from another seed. It is made on first use into a store, which is named by what
it is made from, goes on where a killed one stopped, and is read like any other.
"""

import logging
import shutil
from collections.abc import Sequence
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from py4cast.axis import Instant, TimeAxis
from py4cast.cubes.store.builder import StoreBuilder
from py4cast.cubes.store.layout import StoreLayout
from py4cast.cubes.store.store import MARKER, VERSION, PreparedStore
from py4cast.dataset_info import DatasetInfo
from py4cast.datasets.base import SPLITS, Splits, WindowDataset
from py4cast.datasets.forcings import ComputedForcings
from py4cast.datasets.qg.settings import LENGTH, TIME_UNIT, Plan, QgSettings
from py4cast.datasets.qg.simulation import Simulation
from py4cast.datasets.statics import build_statics
from py4cast.grid import Grid
from py4cast.progress import Preparation, Progress, Silent
from py4cast.settings import cache_dir, digest
from py4cast.timeline import Period
from py4cast.variables import Variable

__all__ = ["Qg"]

logger = logging.getLogger(__name__)
_START = np.datetime64("2000-01-01T00:00:00", "s")
_BLOCK = 64  # instants that are written together
_APART = np.timedelta64(3652, "D")
_VARIABLES = {
    "vorticity": Variable(name="vorticity", short_name="vo", units="s-1", standard_name="ocean_relative_vorticity"),
    "subgrid_tendency": Variable(name="subgrid_tendency", short_name="subgrid_tendency", role="diagnostic", units="s-2"),
    "stream_function": Variable(
        name="stream_function", short_name="strf", role="diagnostic", units="m2 s-1",
        standard_name="ocean_barotropic_streamfunction",
    ),
    "vorticity_forcing": Variable(name="vorticity_forcing", short_name="vorticity_forcing", role="forcing", units="s-2"),
}  # fmt: skip


class SimulatedPlanes:
    """Creates the planes of a split's runs, for the builder of its store.

    Args:
        runs: of the split, by their start.
        interval: between two instants.
    """

    def __init__(self, runs: Sequence[tuple[np.datetime64, Simulation]], interval: np.timedelta64) -> None:
        self._runs, self._interval = list(runs), interval
        self._kept: tuple[Instant | None, dict[str, NDArray[np.float32]]] = (None, {})

    def part(self, instants: Sequence[Instant]) -> "SimulatedPlanes":
        """All planes: they are made one after the other."""
        return self

    def read(self, name: str, instant: Instant) -> NDArray[np.float32] | None:
        """The plane of a variable."""
        if self._kept[0] != instant:
            time = instant[0] + instant[1]
            start, run = max((r for r in self._runs if r[0] <= time), key=lambda r: r[0])
            self._kept = (instant, run.planes(int((time - start) / self._interval)))
        return self._kept[1][name]

    def close(self) -> None:
        """Does nothing: a simulation has no files open."""


class Qg(WindowDataset):
    """Creates the samples of one split of the simulated turbulence."""

    settings_kls: ClassVar[type] = QgSettings

    @classmethod
    def make(cls, settings: QgSettings, how: Preparation | None = None) -> PreparedStore:
        """The store of the training split; those of the others are made too."""
        how = how or Preparation()
        stores = [cls.make_split(settings, split, how.progress) for split in SPLITS]
        return stores[0]

    @classmethod
    def make_split(cls, settings: QgSettings, split: str, progress: Progress | None = None) -> PreparedStore:
        """The store of one split, made where it is not there."""
        return _store(settings.plan(), split, progress or Silent())

    @classmethod
    def splits(
        cls, settings: QgSettings, num_input_steps: int, num_pred_steps_train: int, num_pred_steps_val_test: int
    ) -> tuple[Self, Self, Self]:
        plan = settings.plan()
        stores = [cls.make_split(settings, split) for split in SPLITS]
        info = _describe(settings, plan, stores[0])
        computed = ComputedForcings((), info.grid, info.step_duration)
        shared = [Splits(store, info, computed) for store in stores]
        periods = [Period.of(store.times) for store in stores]
        return cls.of_periods(shared, periods, num_input_steps, num_pred_steps_train, num_pred_steps_val_test)


def _names(plan: Plan) -> list[str]:
    return ["vorticity", *plan.diagnostics, *(["vorticity_forcing"] if plan.wind else [])]


def _store(plan: Plan, split: str, progress: Progress) -> PreparedStore:
    """The store of one split, made where it is not there."""
    # only what the split depends on names it: a longer test does not make the training anew
    others: dict[str, Any] = {f"num_{s}": 0 for s in SPLITS if s != split}
    recipe = {"plan": plan._replace(**others)._asdict(), "split": split, "version": VERSION}
    folder = cache_dir() / "qg" / f"{split}-{digest(recipe)[:16]}"
    if (folder / MARKER).exists():
        return PreparedStore(folder)
    order = SPLITS.index(split)
    interval = np.timedelta64(round(plan.interval * TIME_UNIT), "s")
    leads = np.arange(plan.num_instants(split)) * interval
    begin = _START + order * _APART
    # runs do not overlap in time
    starts = begin + np.arange(plan.num_runs) * (leads[-1] + interval)
    axis = TimeAxis.series(starts[0] + leads) if plan.num_runs == 1 else TimeAxis.forecasts(starts, leads)
    variables = [_VARIABLES[name] for name in _names(plan)]
    layout = StoreLayout(variables, Grid.plane(plan.coarse, LENGTH, "qg"), axis, block=min(_BLOCK, len(leads)))
    states = folder.with_name(f"{folder.name}-states")
    seeds = [(plan.seed * len(SPLITS) + order) * 1000 + run for run in range(plan.num_runs)]
    told = _Telling(progress)
    spun_up = cache_dir() / "qg-spun-up"
    runs = [Simulation(plan, seed, states, spun_up, layout.block, told.simulated) for seed in seeds]
    first = runs[0]
    told.total = plan.num_runs * (first.num_spinup_steps + len(leads) * plan.num_substeps)
    told.what = f"simulating {split}"
    planes = SimulatedPlanes(list(zip(starts, runs, strict=True)), interval)
    builder = StoreBuilder(folder, layout, planes, recipe, [], {})
    store = builder.build(told)
    shutil.rmtree(states, ignore_errors=True)
    return store


class _Telling:
    """Creates a progress of steps of the simulation, in place of the builder's of instants."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self.what, self.total = "", 0

    def start(self, what: str, total: int) -> None:
        self._progress.start(self.what, self.total)

    def step(self, count: int = 1) -> None:
        """Nothing: an instant costs more or fewer steps."""

    def simulated(self, count: int) -> None:
        """Steps of the simulation are done."""
        self._progress.step(count)


def _describe(settings: QgSettings, plan: Plan, store: PreparedStore) -> DatasetInfo:
    inside = np.ones(store.axis.size, dtype=bool)
    stats, differences = store.statistics(inside)
    return DatasetInfo(
        name="qg",
        grid=store.grid,
        variables=store.variables,
        step_duration=np.timedelta64(round(plan.interval * TIME_UNIT), "s"),
        stats=stats,
        diff_stats=differences.standardised_by(stats),
        statics=build_statics(store.grid, (), {}, 0),
        lineage={
            "dataset": "qg", "settings": settings.to_dict(), "store": store.meta["digest"],
            "physics": {"barotropic": plan.physics},
        },
    )  # fmt: skip

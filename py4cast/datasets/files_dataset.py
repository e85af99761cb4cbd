"""FilesDataset: a dataset that is prepared from files once and read from its store.

What a named dataset of a weather service adds is a way to say in its own words what files it has: the translation of
its settings into those of `gridded`. All else is done here, once.
"""

import logging
import os
from abc import abstractmethod
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any, ClassVar, Self

import numpy as np

from py4cast.batch import ItemBatch
from py4cast.cubes.store.store import PreparedStore
from py4cast.dataset_info import DatasetInfo
from py4cast.datasets.base import Splits, WindowDataset
from py4cast.datasets.describe import describe, fitted, open_drivers
from py4cast.datasets.file_windows import FileWindows
from py4cast.datasets.forcings import ComputedForcings
from py4cast.datasets.gridded_settings import GriddedSettings
from py4cast.datasets.preparing import files_of, prepare
from py4cast.planes.catalog import Catalog
from py4cast.progress import Preparation
from py4cast.timeline import duration, later, num_months

__all__ = ["FilesDataset"]

logger = logging.getLogger(__name__)


class FilesDataset(WindowDataset):
    """Abstract dataset of files; a concrete one has `settings_kls` and says what they mean."""

    settings_kls: ClassVar[type]
    # of a dataset of forecasts: the same around another start
    _around: "Callable[[np.datetime64], FilesDataset] | None" = None

    @classmethod
    @abstractmethod
    def gridded(cls, settings: Any) -> GriddedSettings:
        """The same in the words of `gridded`; SettingsError for what it does not know."""

    @classmethod
    def make(cls, settings: Any, how: Preparation | None = None) -> PreparedStore:
        """The store of these settings, built where it is not finished."""
        return prepare(cls.gridded(settings), how or Preparation())

    @classmethod
    def splits(
        cls, settings: Any, num_input_steps: int, num_pred_steps_train: int, num_pred_steps_val_test: int
    ) -> tuple[Self, Self, Self]:
        gridded = cls.gridded(settings)
        store = cls.make(settings)
        logger.info(
            "store %s of %d files; `py4cast prepare` looks whether they have changed",
            store.path,
            store.meta["num_inputs"],
        )
        weights = {v.name: v.weight for key, s in gridded.variables.items() for v in s.variables(key)}
        variables = [replace(v, weight=weights.get(v.name)) for v in store.variables]
        lineage = {
            "store": store.meta["digest"],
            "inputs": store.meta["inputs_digest"],
            "files": store.meta["num_inputs"],
        }
        shared = describe(gridded, store, variables, lineage, open_drivers(gridded, store.grid))
        periods = gridded.periods.in_order
        return cls.of_periods([shared] * 3, periods, num_input_steps, num_pred_steps_train, num_pred_steps_val_test)

    @classmethod
    def for_forecast(
        cls,
        path: str | os.PathLike[str] | None,
        info: DatasetInfo,
        init_time: np.datetime64,
        num_input_steps: int,
        num_steps: int,
        overrides: Iterable[str] = (),
    ) -> "FilesDataset":
        """The instants of one forecast, read from the files themselves, and of others when they are asked for; no store is made."""
        settings = cls.gridded(cls.read_settings(path, overrides))
        plans = settings.plans()
        statics = {p.variable.name for p in plans if p.variable.role == "static"}
        wanted = [p for p in plans if p.variable.name not in statics]
        step = duration(settings.step)
        if all(p.regrid is not None for p in wanted if p.is_file):
            wanted = plans  # a fixed field tells the grid
        files = files_of(settings, wanted)
        members = None if settings.member is None else (settings.member,)
        catalog = Catalog(
            files,
            wanted,
            members,
            arrays=settings.array_description(),
            time=settings.time_description(),
            is_monthly=bool(num_months(step)),
        )
        catalog.scan()
        assert catalog.grid is not None, "a dataset has at least one variable that is predicted"
        window = settings.grid.window(catalog.grid)
        planes = catalog.planes(catalog.grid, window, duration(settings.step))
        grid = catalog.grid.rows_columns(*window)
        computed = ComputedForcings(settings.forcings, grid, step)
        drivers = fitted(open_drivers(settings, grid), info)
        of_files = replace(
            info,
            name=settings.name,
            grid=grid,
            variables=[*planes.stored, *computed.variables],
            step_duration=step,
        )
        info.check_same(of_files)
        windows, held = FileWindows(planes, grid), catalog.times()

        def around(start: np.datetime64) -> "FilesDataset":
            times = later(start, np.arange(1 - num_input_steps, num_steps + 1), step)
            shared = Splits(windows.cube(times), info, computed, drivers, (held[0], held[-1]))
            return cls(shared, np.array([num_input_steps - 1]), num_input_steps, num_steps)

        data = around(init_time)
        data._around = around
        return data

    def at(self, init_time: np.datetime64, num_steps: int, with_outputs: bool) -> ItemBatch:
        if self._around is None or init_time in self.init_times:
            return super().at(init_time, num_steps, with_outputs)
        return self._around(init_time).at(init_time, num_steps, with_outputs)

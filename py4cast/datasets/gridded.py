"""gridded: any set of GRIB or NetCDF files on one grid, described by one JSON.

The files are prepared once into a store (in the cache, or where `store` says), from which samples are read.
"""

import hashlib
import json
import logging
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from py4cast.atomic import write_json
from py4cast.dataset_info import DatasetInfo
from py4cast.datasets.base import Splits, WindowDataset
from py4cast.datasets.builder import Progress, StoreBuilder, check_plane
from py4cast.datasets.catalog import Catalog, expand_patterns
from py4cast.datasets.cube import MemoryCube
from py4cast.datasets.forcings import ComputedForcings
from py4cast.datasets.gridded_settings import GriddedSettings
from py4cast.datasets.sampling import init_indices, instants_in, require_samples
from py4cast.datasets.statics import build_statics, regrid_static
from py4cast.datasets.store import MARKER, VERSION, PreparedStore
from py4cast.datasets.timeline import Period, Periods, duration
from py4cast.errors import DataError, SettingsError, nearest
from py4cast.grid import Grid
from py4cast.settings import cache_dir, read_json
from py4cast.variables import Variable, role_of

__all__ = ["Gridded", "GriddedSettings", "prepare"]

logger = logging.getLogger(__name__)


def _files(settings: GriddedSettings) -> tuple[dict[str, list[Path]], list[Variable], dict[str, str]]:
    root = settings.root_folder()
    if not settings.variables:
        raise SettingsError("variables: none given; at least one prognostic or diagnostic variable is needed")
    files: dict[str, list[Path]] = {}
    variables: list[Variable] = []
    regrid: dict[str, str] = {}
    shared = expand_patterns(root, settings.files) if settings.files else []
    for key, described in settings.variables.items():
        own = expand_patterns(root, described.files) if described.files else shared
        if not own:
            raise SettingsError(f"variables.{key}: no files given, neither here nor in dataset.files")
        if described.regrid != "no" and role_of(described.role) != "static":
            raise SettingsError(f"variables.{key}.regrid: for static variables only")
        for variable in described.variables(key):
            if variable.name in files:
                raise SettingsError(f"variables.{key}: the feature {variable.name!r} stands twice")
            files[variable.name], regrid[variable.name] = own, described.regrid
            variables.append(variable)
    if not any(v.is_predicted for v in variables):
        raise SettingsError("variables: none is prognostic or diagnostic; there is nothing to predict")
    return files, variables, regrid


def time_axis(found: NDArray[np.datetime64], periods: Periods, step: np.timedelta64) -> NDArray[np.datetime64]:
    """Evenly spaced instants over the periods, at the phase at which most of the files' instants lie.

    Raises:
        DataError: a period in which the files hold nothing.
    """
    inside = np.zeros(found.size, dtype=bool)
    for split in ("train", "valid", "test"):
        period: Period = getattr(periods, split)
        here = instants_in(found, period)
        if not here.any():
            span = f"{found[0]} to {found[-1]}" if found.size else "nothing"
            raise DataError(f"period {split} ({period.start} to {period.end}) holds no data; the files hold {span}")
        inside |= here
    seconds = found[inside].astype("int64")
    phases, counts = np.unique(seconds % int(step / np.timedelta64(1, "s")), return_counts=True)
    phase = int(phases[np.argmax(counts)])
    used = found[inside & (found.astype("int64") % int(step / np.timedelta64(1, "s")) == phase)]
    return np.arange(used[0], used[-1] + step, step)


def prepare(settings: GriddedSettings, progress: Progress) -> PreparedStore:
    """The store of these settings, built where it is not finished.

    A finished store is found again by the settings and the names, sizes and times of the files, which are then
    not read; when any of them has changed, the files are scanned.
    """
    files, variables, regrid = _files(settings)
    known = cache_dir() / "stores" / "known" / f"{_inputs_key(settings, files)}.json"
    folder = Path(read_json(known)["store"]) if known.exists() else None
    if folder is not None and (folder / MARKER).exists():
        store = PreparedStore(folder)
    else:
        store = _build(settings, files, variables, regrid, progress)
        write_json(known, {"store": str(store.path.absolute())})
    report_missing(store)
    return store


def _inputs_key(settings: GriddedSettings, files: Mapping[str, Sequence[Path]]) -> str:
    """Changes with anything that the store depends on, without opening a file."""
    paths = sorted({path for found in files.values() for path in found})
    stats = [(str(path.absolute()), path.stat().st_size, path.stat().st_mtime_ns) for path in paths]
    document = settings.to_dict() | {"forcings": [], "statics": []}
    return _hash({"settings": document, "files": stats, "version": VERSION})


def _build(
    settings: GriddedSettings,
    files: Mapping[str, Sequence[Path]],
    variables: Sequence[Variable],
    regrid: Mapping[str, str],
    progress: Progress,
) -> PreparedStore:
    step = duration(settings.step)
    catalog = Catalog(files, variables, settings.member)
    try:
        progress.start("scanning", len({p for paths in files.values() for p in paths}))
        catalog.scan(lambda _: progress.step())
        if catalog.grid is None:
            raise DataError("no variable but static ones; there is no grid to predict on")
        window = settings.grid.window(catalog.grid)
        grid = replace(catalog.grid.rows_columns(*window), name=settings.grid.name)
        grid.border_mask(settings.grid.border_size)
        times = time_axis(catalog.times(), settings.periods, step)
        statics = _static_fields(catalog, regrid, grid, window)
        recipe = _recipe(settings, catalog, times)
        folder = settings.store or cache_dir() / "stores" / f"{_safe(settings.name)}-{_hash(recipe)}"
        return StoreBuilder(Path(folder).expanduser(), catalog, grid, window, times, recipe, statics).build(progress)
    finally:
        catalog.close()


def report_missing(store: PreparedStore) -> None:
    """Logs the instants that lack a variable, one line per variable."""
    for name in store.names:
        lacking = store.times[~store.available([name])]
        if lacking.size:
            shown = ", ".join(str(t) for t in lacking[:5]) + (", ..." if lacking.size > 5 else "")
            logger.warning(
                "%s: %s is missing at %d of %d instants: %s",
                store.path.name,
                name,
                lacking.size,
                store.times.size,
                shown,
            )


def _safe(name: str) -> str:
    return "".join(c if c.isalnum() or c in "-_" else "_" for c in name)[:48]


def _hash(recipe: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(recipe, sort_keys=True).encode()).hexdigest()[:16]


def _recipe(settings: GriddedSettings, catalog: Catalog, times: NDArray[np.datetime64]) -> dict[str, Any]:
    """What the store's bytes depend on; loss weights and splits do not change them."""
    variables = [{k: v for k, v in variable.to_dict().items() if k != "weight"} for variable in catalog.variables]
    grid = settings.to_dict()["grid"]
    return {
        "variables": variables,
        "window": {k: grid[k] for k in ("subgrid", "box", "name")},
        "regrid": {k: v.regrid for k, v in settings.variables.items()},
        "times": [str(times[0]), str(times[-1]), settings.step],
        "member": settings.member,
        "inputs": catalog.inputs,
    }


def _static_fields(
    catalog: Catalog, regrid: Mapping[str, str], grid: Grid, window: tuple[slice, slice]
) -> dict[str, NDArray[np.float32]]:
    fields = {}
    for variable in catalog.variables:
        if variable.role != "static":
            continue
        values = catalog.read(variable, None)
        assert values is not None, "the catalog refuses a variable without a field"
        source = catalog.static_grid(variable)
        if regrid[variable.name] != "no":
            fields[variable.name] = regrid_static(values, source, grid, regrid[variable.name])
        elif source.shape == (catalog.grid or grid).shape and source.same_as(catalog.grid or grid):
            fields[variable.name] = values[window]
        else:
            raise DataError(
                f"grids differ: static {variable.name} is on {source.describe()}, the series on {grid.describe()}; "
                f'set "regrid": "linear" or "nearest" for it'
            )
    return fields


class _Silent:
    def start(self, what: str, total: int) -> None:
        logger.info("%s: %d", what, total)

    def step(self) -> None:
        pass


class Gridded(WindowDataset):
    """Creates the samples of one split of a prepared store."""

    settings_kls: ClassVar[type] = GriddedSettings

    @classmethod
    def splits(
        cls,
        settings: Any,
        num_input_steps: int,
        num_pred_steps_train: int,
        num_pred_steps_val_test: int,
        progress: Progress | None = None,
    ) -> tuple[Self, Self, Self]:
        store = prepare(settings, progress or _Silent())
        shared = Splits(store, *_describe(settings, store))
        info = shared.info
        states = store.available(info.prognostic)
        others = store.available([n for n in (*info.diagnostic, *info.forcing) if n in store.names])
        found = []
        for split, steps in (
            ("train", num_pred_steps_train),
            ("valid", num_pred_steps_val_test),
            ("test", num_pred_steps_val_test),
        ):
            period = getattr(settings.periods, split)
            inits = init_indices(store.times, states, others, period, num_input_steps, steps)
            require_samples(inits, split, store.times, states & others, period, num_input_steps + steps)
            found.append(cls(shared, inits, num_input_steps, steps))
        return found[0], found[1], found[2]

    @classmethod
    def for_forecast(
        cls,
        path: str | os.PathLike[str] | None,
        info: DatasetInfo,
        init_time: np.datetime64,
        num_input_steps: int,
        num_steps: int,
        overrides: Iterable[str] = (),
    ) -> WindowDataset:
        """The instants of one forecast, read from the files themselves; no store is made."""
        settings = cls.read_settings(path, overrides)
        files, variables, _ = _files(settings)
        wanted = [v for v in variables if v.role != "static"]
        step = duration(settings.step)
        catalog = Catalog({v.name: files[v.name] for v in wanted}, wanted, settings.member)
        try:
            catalog.scan()
            assert catalog.grid is not None, "a dataset has at least one variable that is predicted"
            window = settings.grid.window(catalog.grid)
            grid = catalog.grid.rows_columns(*window)
            computed = ComputedForcings(settings.forcings, grid, step)
            own = replace(
                info,
                name=settings.name,
                grid=grid,
                variables=[*catalog.variables, *computed.variables],
                step_duration=step,
            )
            info.check_same(own)
            times = init_time + np.arange(1 - num_input_steps, num_steps + 1) * step
            cube = read_planes(catalog, times, window, grid)
        finally:
            catalog.close()
        return cls(Splits(cube, info, computed), np.array([num_input_steps - 1]), num_input_steps, num_steps)


def read_planes(catalog: Catalog, times: NDArray[np.datetime64], window: tuple[slice, slice], grid: Grid) -> MemoryCube:
    """The planes of some instants in memory; NaN where a file lacks one.

    Raises:
        DataError: a field that is NaN where that is forbidden, or out of its physical range.
    """
    planes = np.full((len(catalog.variables), times.size, *grid.shape), np.nan, dtype=np.float32)
    for row, variable in enumerate(catalog.variables):
        for column, time in enumerate(times):
            found = catalog.read(variable, time)
            if found is not None:
                planes[row, column] = found[window]
                check_plane(catalog, variable, time, planes[row, column])
    return MemoryCube([v.name for v in catalog.variables], times, planes)


def _describe(settings: GriddedSettings, store: PreparedStore) -> tuple[DatasetInfo, ComputedForcings]:
    grid, step = store.grid(), duration(settings.step)
    weights = {v.name: v.weight for key, s in settings.variables.items() for v in s.variables(key)}
    stored = [replace(v, weight=weights.get(v.name)) for v in store.variables]
    computed = ComputedForcings(settings.forcings, grid, step)
    for name in computed.names:
        if name in store.names:
            raise SettingsError(f"forcings: {name!r} is a variable of the files too{nearest(name, computed.names)}")
    predicted = [v.name for v in stored if v.is_predicted]
    valid = store.valid_mask(predicted)
    if not valid.any():
        raise DataError(f"{store.path}: no cell holds data of all of {', '.join(predicted)}")
    wanted = settings.statics
    if wanted is None:
        wanted = ("sin_latitude", "sin_longitude", "cos_longitude") if grid.is_periodic else ("x", "y")
        wanted += ("border_mask",) if settings.grid.border_size else ()
        wanted += () if valid.all() else ("valid_mask",)
    statics = build_statics(grid, wanted, store.static_fields(), settings.grid.border_size, valid)
    inside = instants_in(store.times, settings.periods.train)
    stats, differences = store.statistics(inside)
    info = DatasetInfo(
        name=settings.name,
        grid=grid,
        variables=[
            *sorted(stored, key=lambda v: ("prognostic", "diagnostic", "forcing").index(v.role)),
            *computed.variables,
        ],
        step_duration=step,
        stats=stats | computed.stats(store.times[inside]),
        diff_stats=differences.standardised_by(stats),
        statics=statics,
        lineage={
            "store": store.meta["digest"],
            "inputs": store.meta["inputs"],
            "periods": settings.to_dict()["periods"],
        },
    )
    return info, computed

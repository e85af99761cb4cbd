"""From the settings of a dataset of files to its prepared store: scan, grid, time axis, statics, packing, build."""

import json
import logging
from collections.abc import Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from py4cast.atomic import write_json
from py4cast.axis import Instant, TimeAxis
from py4cast.border import border_mask
from py4cast.cell_order import order_of
from py4cast.cubes.store.builder import StoreBuilder
from py4cast.cubes.store.layout import StoreLayout
from py4cast.cubes.store.packing import Packing
from py4cast.cubes.store.store import MARKER, VERSION, PreparedStore
from py4cast.datasets.gridded_settings import GriddedSettings
from py4cast.datasets.series_settings import Window
from py4cast.errors import DataError, SettingsError
from py4cast.formats.zarr_address import metadata_of
from py4cast.grid import Grid
from py4cast.planes.catalog import Catalog, expand_patterns
from py4cast.planes.reader import FieldPlan, PlaneReader, check_plane
from py4cast.progress import Preparation
from py4cast.regrid import Regridder
from py4cast.remote import is_remote, url_of
from py4cast.settings import cache_dir, digest, read_json
from py4cast.timeline import Periods, ScoredPeriods, duration, evenly, num_months, show_duration

__all__ = ["files_of", "prepare", "report_missing", "time_axis"]

logger = logging.getLogger(__name__)
_SAMPLED = 24
_UNSTORED = ("forcings", "statics", "boundary", "inputs")


def files_of(settings: GriddedSettings, plans: Sequence[FieldPlan]) -> dict[str, list[Path]]:
    """The files that may hold each variable; those made by filters have none."""
    root, known = settings.root_folder(), dict[tuple[str, ...], list[Path]]()
    by_feature = {v.name: key for key, s in settings.variables.items() for v in s.variables(key)}
    files: dict[str, list[Path]] = {}
    for plan in plans:
        if not plan.is_file:
            continue
        key = by_feature[plan.variable.name]
        patterns = settings.variables[key].files or settings.files
        if not patterns:
            raise SettingsError(f"variables.{key}: no files given, neither here nor in dataset.files")
        if patterns not in known:
            known[patterns] = expand_patterns(root, patterns)
        files[plan.variable.name] = known[patterns]
    return files


def time_axis(
    instants: NDArray[np.datetime64], periods: Periods | ScoredPeriods, step: np.timedelta64
) -> NDArray[np.datetime64]:
    """Evenly spaced instants over the periods, at the phase at which most of the files' instants lie.

    Raises:
        DataError: a period in which the files hold nothing.
    """
    inside = np.zeros(instants.size, dtype=bool)
    for split, period in periods.known.items():
        here = period.contains(instants)
        if not here.any():
            span = f"{instants[0]} to {instants[-1]}" if instants.size else "nothing"
            raise DataError(f"period {split} ({period.start} to {period.end}) holds no data; the files hold {span}")
        inside |= here
    # seconds, or months of the calendar, since 1970
    months = num_months(step)
    places = instants.astype("datetime64[M]" if months else "datetime64[s]").astype("int64")
    length = months or int(step / np.timedelta64(1, "s"))
    phases, counts = np.unique(places[inside] % length, return_counts=True)
    is_used = inside & (places % length == int(phases[np.argmax(counts)]))
    used, beside = instants[is_used], instants[inside & ~is_used]
    if beside.size:
        # files that are finer than the step are thinned on purpose; others miss it
        is_finer = np.median(np.diff(instants[inside])) < step
        logger.log(
            logging.INFO if is_finer else logging.WARNING,
            "%d of %d instants lie between the steps of %s and are left out, such as %s",
            beside.size, used.size + beside.size, show_duration(step), beside[0],
        )  # fmt: skip
    return evenly(used[0], used[-1], step)


def _axis(settings: GriddedSettings, catalog: Catalog) -> TimeAxis:
    step = duration(settings.step)
    if settings.forecasts is None:
        return TimeAxis.series(time_axis(catalog.times(), settings.periods, step))
    starts = catalog.starts()
    inside = np.zeros(starts.size, dtype=bool)
    for split, period in settings.periods.known.items():
        here = period.contains(starts)
        if not here.any():
            span = f"{starts[0]} to {starts[-1]}" if starts.size else "nothing"
            raise DataError(
                f"period {split} ({period.start} to {period.end}) holds no forecast; the files start from {span}"
            )
        inside |= here
    members = catalog.members()
    if settings.forecasts.members is not None:
        lacking = sorted(set(settings.forecasts.members) - set(members))
        if lacking and members:
            logger.warning("members %s are in none of the files", ", ".join(map(str, lacking)))
        members = settings.forecasts.members
    catalog.spread_members(members)
    return TimeAxis.forecasts(starts[inside], settings.forecasts.lead_times(step), members)


def prepare(settings: GriddedSettings, how: Preparation) -> PreparedStore:
    """The store of these settings, built where it is not finished.

    A finished store is found again by the settings alone, without a look at the files, however many they are;
    with `check_files` their names, sizes and times are compared, and a change builds another store.
    """
    plans = settings.plans()
    known = cache_dir() / "stores" / "known" / f"{_hash(_stored_settings(settings))}.json"
    entry = read_json(known) if known.exists() else {}
    folder = Path(entry["store"]) if entry else _own_store(settings)
    is_there = folder is not None and (folder / MARKER).exists()
    if folder is not None and is_there and how.check_files:
        is_there = entry.get("files") == _listed(files_of(settings, plans))
    if folder is not None and is_there:
        store = PreparedStore(folder)
        report_missing(store)
        return store
    files = files_of(settings, plans)
    store = _build(settings, files, plans, how)
    write_json(known, {"store": str(store.path.absolute()), "files": _listed(files)})
    report_missing(store)
    if how.append:
        _tell_short(settings, store)
    return store


def _tell_short(settings: GriddedSettings, store: PreparedStore) -> None:
    """Warns of periods that reach beyond what the files hold, which whoever appends may have meant to change."""
    starts = store.times if store.axis.is_series else store.axis.init_times
    for name, period in settings.periods.known.items():
        if period.last > starts[-1]:
            logger.warning("period %s reaches to %s; the files hold up to %s", name, period.end, starts[-1])


def _own_store(settings: GriddedSettings) -> Path | None:
    """The store that the settings name, when it was made by the same ones and holds their periods."""
    folder = None if settings.store is None else settings.store.expanduser()
    if folder is None or not (folder / MARKER).exists():
        return None
    store = PreparedStore(folder)
    document = _portable(_stored_settings(settings))
    held = store.recipe().get("settings", {})
    if document != held:
        return None
    starts = store.times if store.axis.is_series else store.axis.init_times
    whole = all(p.first >= starts[0] and p.last <= starts[-1] for p in settings.periods.known.values())
    return folder if whole or store.recipe()["periods"] == settings.to_dict()["periods"] else None


def _portable(document: dict[str, Any]) -> dict[str, Any]:
    """Settings without what may change while the store stays: folders and periods."""
    kept = {k: v for k, v in document["settings"].items() if k not in ("root", "root_env", "store", "periods", "name")}
    return dict(json.loads(json.dumps(kept)))


def _listed(files: Mapping[str, Sequence[Path]]) -> str:
    """Changes with the name, size or time of any file."""
    paths = sorted({path for known in files.values() for path in known})
    return _hash([_state(path) for path in paths])


def _state(path: Path) -> tuple[Any, ...]:
    """What changes with a file: name, size and time; of a store at an address what describes it."""
    if is_remote(path):
        return url_of(path), *sorted(metadata_of(path).items())
    return str(path.absolute()), path.stat().st_size, path.stat().st_mtime_ns


def _stored_settings(settings: GriddedSettings) -> dict[str, Any]:
    """What a store depends on, of the settings."""
    document = settings.to_dict()
    for place in _UNSTORED:
        document.pop(place)
    for place in ("border_size", "border_km", "border_part"):
        document["grid"].pop(place)
    root = settings.root_folder()
    document["root"] = url_of(root) if is_remote(root) else str(root.absolute())
    document["store"] = None if settings.store is None else str(settings.store.expanduser().absolute())
    for described in document["variables"].values():
        described.pop("weight")
    return {"settings": document, "version": VERSION}


def _build(
    settings: GriddedSettings, files: Mapping[str, Sequence[Path]], plans: Sequence[FieldPlan], how: Preparation
) -> PreparedStore:
    members = None
    if settings.forecasts is not None:
        members = settings.forecasts.members
    elif settings.member is not None:
        members = (settings.member,)
    catalog = Catalog(
        files,
        plans,
        members,
        settings.forecasts is None,
        settings.array_description(),
        settings.time_description(),
        bool(num_months(duration(settings.step))),
    )
    how.progress.start("scanning", len({p for paths in files.values() for p in paths}))
    catalog.scan(lambda _: how.progress.step(), how.executor)
    if catalog.grid is None:
        raise DataError("no variable but static ones and regridded ones; there is no grid to predict on")
    window = settings.grid.window(catalog.grid)
    grid = replace(catalog.grid.rows_columns(*window), name=settings.grid.name)
    border_mask(grid, settings.grid.border_on(grid))
    axis = _axis(settings, catalog)
    planes = catalog.planes(catalog.grid, window, duration(settings.step))
    statics = _static_fields(catalog, planes, grid, window)
    recipe = _recipe(settings, planes)
    packings = _packings(settings, planes, axis, how.executor)
    recipe["packings"] = {name: packing.to_list() for name, packing in packings.items()}
    layout = StoreLayout(planes.stored, grid, axis, packings)
    identity = {
        "recipe": {k: v for k, v in recipe.items() if k != "periods"},
        "axis": axis.to_dict(),
        "inputs": catalog.inputs,
    }
    folder = settings.store or cache_dir() / "stores" / f"{_safe(settings.name)}-{_hash(identity)}"
    builder = StoreBuilder(Path(folder).expanduser(), layout, planes, recipe, catalog.inputs, statics)
    try:
        clock = {} if how.clock is None else {"clock": how.clock}
        return builder.build(how.progress, how.executor, how.num_jobs, how.append, **clock)
    finally:
        planes.close()


def _packings(
    settings: GriddedSettings, planes: PlaneReader, axis: TimeAxis, executor: Executor | None
) -> dict[str, Packing]:
    """Of every variable; ranges come from the settings, else from a sample of the instants, widened."""
    if settings.store_type == "float32":
        return {}
    asked = {v.name: s.range for key, s in settings.variables.items() for v in s.variables(key)}
    folder = settings.store and settings.store.expanduser()
    known = folder and (folder / MARKER).exists() and PreparedStore(folder).packings
    packings: dict[str, Packing] = dict(known or {})
    names = [v.name for v in planes.stored]
    sampled = _ranges([n for n in names if n not in packings and asked[n] is None], planes, axis, executor)
    for name in names:
        if name not in packings:
            packings[name] = Packing.over(settings.store_type, *(asked[name] or sampled[name]))
    return {name: packings[name] for name in names}


def _ranges(
    names: Sequence[str], planes: PlaneReader, axis: TimeAxis, executor: Executor | None
) -> dict[str, tuple[float, float]]:
    """From one width below the least to one above the largest value of a sample of instants, by variable."""
    instants = [axis.instant(int(i)) for i in _sampled(axis.size)] if names else []
    # what another process needs of the reader
    readers = [planes if executor is None else planes.part([instant]) for instant in instants]
    extremes = (map if executor is None else executor.map)(_extremes, readers, [names] * len(instants), instants)
    of_instants = list(extremes)
    ranges = {}
    for row, name in enumerate(names):
        low, high = min(lows[row] for lows, _ in of_instants), max(highs[row] for _, highs in of_instants)
        if low > high:
            raise DataError(f"{name}: no values to find the range for the packing; give its range")
        ranges[name] = (low - (high - low), high + (high - low))
    return ranges


def _extremes(planes: PlaneReader, names: Sequence[str], instant: Instant) -> tuple[list[float], list[float]]:
    """The least and the largest value of each variable at an instant; ∞ and −∞ where there is none."""
    try:
        read = [planes.read(name, instant) for name in names]
    finally:
        planes.close()
    with_values = [None if plane is None or not np.isfinite(plane).any() else plane for plane in read]
    lows = [np.inf if plane is None else float(np.nanmin(plane)) for plane in with_values]
    return lows, [-np.inf if plane is None else float(np.nanmax(plane)) for plane in with_values]


def _sampled(size: int) -> NDArray[np.int64]:
    """Some of so many instants, one anywhere in each of equal parts: even steps may meet one hour of the day alone."""
    count = min(_SAMPLED, size)
    within = np.random.default_rng(0).random(count)
    return np.unique(np.append(((np.arange(count) + within) * (size / count)).astype(np.int64), [0, size - 1]))


def report_missing(store: PreparedStore) -> None:
    """Logs the instants that lack a variable, one line per variable."""
    for name in store.meta["missing"]:
        lacking = np.flatnonzero(~store.available([name]))
        shown = ", ".join(_shown(store.axis, int(i)) for i in lacking[:5]) + (", ..." if lacking.size > 5 else "")
        count = f"{lacking.size} of {store.axis.size}"
        logger.warning("%s: %s is missing at %s instants: %s", store.path.name, name, count, shown)


def _shown(axis: TimeAxis, index: int) -> str:
    init, lead, member = axis.instant(index)
    if axis.is_series:
        return str(init)
    hours = lead / np.timedelta64(3600, "s")
    return f"{init}+{hours:g}h" + (f" member {member}" if member is not None else "")


def _safe(name: str) -> str:
    return "".join(c if c.isalnum() or c in "-_" else "_" for c in name)[:48]


def _hash(recipe: Any) -> str:
    return digest(recipe)[:16]


def _recipe(settings: GriddedSettings, planes: PlaneReader) -> dict[str, Any]:
    """What the store is made with; loss weights and splits do not change it."""
    variables = [{k: v for k, v in variable.to_dict().items() if k != "weight"} for variable in planes.stored]
    return {
        "variables": variables,
        "settings": _portable(_stored_settings(settings)),
        "periods": settings.to_dict()["periods"],
    }


def _static_fields(catalog: Catalog, planes: PlaneReader, grid: Grid, window: Window) -> dict[str, NDArray[np.float32]]:
    fields: dict[str, NDArray[np.float32]] = {}
    for plan in catalog.plans:
        variable = plan.variable
        if variable.role != "static":
            continue
        if plan.filter is not None:
            given = {a: fields[n] for a, n in plan.inputs.items() if n in fields}
            if len(given) < len(plan.inputs):
                raise SettingsError(f"variables: static {variable.name!r} can be made of static variables only")
            fields[variable.name] = np.asarray(plan.filter.apply(given), dtype=np.float32)
            continue
        values, source = catalog.static(variable.name)
        if plan.regrid is not None:
            fields[variable.name] = _covered(Regridder(source, grid, plan.regrid), values, variable.name)
        elif (order := order_of(source, catalog.grid or grid)) is not None:
            fields[variable.name] = np.array(order(values)[window], dtype=np.float32)
        else:
            raise DataError(
                f"grids differ: static {variable.name} is on {source.describe()}, the series on {grid.describe()}; "
                f'set "regrid": "linear" or "nearest" for it'
            )
    for plan in catalog.plans:
        if plan.variable.role == "static" and plan.is_stored:
            check_plane(plan.variable, partial(str, f"static {plan.variable.name}"), fields[plan.variable.name])
    stored = {p.variable.name for p in catalog.plans if p.is_stored}
    return {name: field for name, field in fields.items() if name in stored}


def _covered(regridder: Regridder, values: NDArray[np.float32], name: str) -> NDArray[np.float32]:
    if not regridder.covered.all():
        raise DataError(
            f"static {name} on {regridder.source.describe()} does not cover the grid {regridder.target.describe()}"
        )
    return regridder(values)

"""new dataset: looks into files and proposes the JSON file of a dataset, which `prepare` then takes."""

import os
import re
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from py4cast.cell_order import order_of
from py4cast.datasets.gridded_settings import GriddedSettings
from py4cast.edges import num_shared_columns
from py4cast.errors import DataError, SettingsError
from py4cast.grid import Grid
from py4cast.planes.patterns import expand_patterns
from py4cast.progress import Progress
from py4cast.remote import is_remote, url_of
from py4cast.timeline import MONTH, month_start, show_duration
from py4cast.units import normalise
from py4cast.variables import GRIB_NAMES, feature_name
from py4cast.workflows.new.look import Kind, look_into

__all__ = ["Proposal", "propose"]

_DAY = np.timedelta64(86400, "s")
_SHARES = (0.7, 0.85)  # where valid and test begin
_KEYS = {grib: name for name, grib in GRIB_NAMES.items() if len(name) <= 5}
_WILD = "*?[%"
_PLAIN = ("surface", "meanSea", None)


class Proposal(NamedTuple):
    """A dataset's JSON file, and what is to be looked at before it is believed.

    Args:
        document: its settings.
        remarks: what was guessed, or left out.
    """

    document: dict[str, Any]
    remarks: list[str]


def propose(patterns: Sequence[str], name: str = "", progress: Progress | None = None) -> Proposal:
    """The settings of a dataset of some files: variables, units, levels, grid, step, periods.

    Args:
        patterns: paths or addresses, or patterns of them.
        name: of the dataset; by default that of the files' folder, or of the only file.
        progress: told of every file.

    Raises:
        DataError: no file, none that can be read, or nothing over time in them.
        SettingsError: files that lie here together with addresses.
    """
    far = [url_of(p) for p in patterns if is_remote(p)]
    if far and len(far) < len(patterns):
        here = next(p for p in patterns if not is_remote(p))
        raise SettingsError(f"{far[0]} and {here}: give files that lie here, or addresses; a dataset has one root")
    near = [] if far else [os.path.normpath(Path(p).expanduser().absolute()) for p in patterns]
    paths = expand_patterns(Path.cwd(), far or near, "")
    look, remarks = look_into(paths, progress), list[str]()
    for path, reason in look.unreadable.items():
        remarks.append(f"{path.name}: left out, it cannot be read: {reason}")
    used = [p for p in paths if p not in look.unreadable]
    moving = [k for k in look.kinds if not k.is_static]
    if not moving:
        raise DataError(f"{len(used)} files: no field with a time; a dataset needs a series")
    grid = _grid(moving)
    chosen = [k for k in moving if order_of(k.grid, grid) is not None]
    for kind in moving:
        if kind not in chosen:
            remarks.append(f"{kind.short_name}: left out, it is on another grid ({kind.grid.describe()})")
    times, step = _times(chosen, remarks)
    statics = [k for k in look.kinds if k.is_static]
    chosen = _regular(chosen, times, statics, remarks)
    root, files = _places(used, far, [] if look.unreadable else near)
    document: dict[str, Any] = {
        "name": name or _word(used[0].stem if len(used) == 1 else Path(root).name),
        "root": root,
        "files": files,
        "step": show_duration(step),
        "variables": _variables(chosen, statics, grid, step, remarks),
        "periods": _periods(month_start(times) if step == MONTH else times, step, remarks),
        "forcings": _forcings(times, step, grid),
    }
    members = sorted({member for kind in chosen for member in kind.members})
    if len(members) > 1:
        document["member"] = members[0]
        remarks.append(
            f"member {members[0]}: the first of {len(members)}; a series has one, choose another or use forecasts"
        )
    if domain := _domain(grid, remarks):
        document["grid"] = domain
    GriddedSettings.from_dict(document)
    return Proposal(document, remarks)


def _domain(grid: Grid, remarks: list[str]) -> dict[str, Any]:
    """Which part of the grid, and its border: none round the globe, and no column twice."""
    if grid.is_periodic or not grid.is_rectangular or min(grid.shape) < 12:
        return {}
    shared = num_shared_columns(grid.xyz()) if grid.is_projected else None
    if shared is None:
        size = max(1, min(grid.shape) // 16)
        remarks.append(
            f"grid.border_size {size}: a limited area, in whose border truth is imposed; change it, or leave it out"
        )
        return {"border_size": size}
    rows, columns = grid.shape
    if not shared:
        remarks.append("grid: its last column is next to the first one; it has no border")
        return {}
    remarks.append(f"grid.subgrid: without the last {shared} of {columns} columns, which are the first ones again")
    return {"subgrid": [0, rows, 0, columns - shared]}


def _word(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9_-]+", "_", text).strip("_") or "data"


def _grid(kinds: Sequence[Kind]) -> Grid:
    """The grid on which most fields are."""
    grids: list[Grid] = []
    counts: Counter[int] = Counter()
    for kind in kinds:
        place = next((i for i, g in enumerate(grids) if order_of(kind.grid, g) is not None), len(grids))
        if place == len(grids):
            grids.append(kind.grid)
        counts[place] += len(kind.fields)
    return grids[counts.most_common(1)[0][0]]


def _times(kinds: Sequence[Kind], remarks: list[str]) -> tuple[NDArray[np.datetime64], np.timedelta64]:
    """The instants at which most variables are there, and the step between them."""
    by_count = Counter(t for kind in kinds for t in kind.valid_times.astype("datetime64[s]").tolist())
    most = max(by_count.values())
    times = np.array(sorted(t for t, count in by_count.items() if count * 2 > most), dtype="datetime64[s]")
    if times.size < 4:
        raise DataError(f"{times.size} instants; a dataset needs a series of at least 4{_apart(kinds, times.size)}")
    gaps, counts = np.unique(np.diff(times), return_counts=True)
    step = np.timedelta64(gaps[np.argmax(counts)], "s")
    if (gaps >= np.timedelta64(28, "D")).all() and (gaps <= np.timedelta64(31, "D")).all():
        step = MONTH
    elif gaps.size > 1:
        remarks.append(
            f"step {show_duration(step)}: the commonest of {gaps.size} distances between instants ({show_duration(gaps.min())} to "
            f"{show_duration(gaps.max())}); samples need it without gaps"
        )
    return times, step


def _apart(kinds: Sequence[Kind], num_common: int) -> str:
    """Which variables lie at how many instants, where they have few in common."""
    spans = {k.short_name: np.unique(k.valid_times) for k in kinds}
    if all(span.size <= num_common for span in spans.values()):
        return ""
    shown = [f"{name}: {span.size} from {span[0]} to {span[-1]}" for name, span in list(spans.items())[:4]]
    return f" in common ({'; '.join(shown)}); give files of variables that are at the same instants"


def _regular(
    kinds: Sequence[Kind], times: NDArray[np.datetime64], statics: list[Kind], remarks: list[str]
) -> list[Kind]:
    """The variables that are there at most of the instants; what is there once is a fixed field."""
    kept = []
    for kind in kinds:
        held = np.isin(times, kind.valid_times).mean()
        if held >= 0.5:
            kept.append(kind)
        elif kind.valid_times.size == 1:
            statics.append(kind)
            remarks.append(f"{kind.short_name}: there at one instant, taken for a fixed field")
        else:
            remarks.append(f"{kind.short_name}: left out, it is there at {100 * held:.0f} % of the instants")
    return kept


def _places(paths: Sequence[Path], addresses: Sequence[str], patterns: Sequence[str]) -> tuple[str, list[str]]:
    """The root of a dataset and its files under it; of addresses what they have in common, and the rest as it was given."""
    if not addresses:
        root = Path(os.path.commonpath([p.parent for p in paths]))
        return str(root), _under(root, paths, patterns)
    parents = [address.rsplit("/", 1)[0] for address in addresses]
    if any("::" in address for address in addresses) or len(set(parents)) > 1 or any(c in parents[0] for c in _WILD):
        return ".", list(addresses)
    return parents[0], [address.rsplit("/", 1)[1] for address in addresses]


def _under(root: Path, paths: Sequence[Path], patterns: Sequence[str]) -> list[str]:
    """The files under the root: the patterns that were asked for, which files that come later match too, else their names."""
    asked = [Path(os.path.relpath(pattern, root)).as_posix() for pattern in patterns]
    if any(c in text for text in asked for c in _WILD) and not any(text.startswith("..") for text in asked):
        return asked
    names = [p.relative_to(root).as_posix() for p in paths]
    suffixes, folders = {p.suffix for p in paths}, {p.parent for p in paths}
    if len(names) > 8 and len(suffixes) == len(folders) == 1:
        folder, pattern = folders.pop().relative_to(root).as_posix(), f"*{suffixes.pop()}"
        pattern = pattern if folder == "." else f"{folder}/{pattern}"
        # one that means others too is none of theirs
        if sorted(root.glob(pattern)) == sorted(paths):
            return [pattern]
    return names


def _variables(
    kinds: Sequence[Kind], statics: Sequence[Kind], grid: Grid, step: np.timedelta64, remarks: list[str]
) -> dict[str, Any]:
    """The variables by name; what stands on several levels is one of them where they are pressures."""
    variables: dict[str, Any] = {}
    names = Counter(k.short_name for k in kinds)
    for kind in kinds:
        levels = sorted(kind.levels)
        is_pressure = kind.type_of_level == "isobaricInhPa"
        groups = [levels] if is_pressure and len(levels) > 1 else [[level] for level in levels] or [[]]
        for group in groups:
            key = _key(kind, group, names[kind.short_name] + len(groups) - 1)
            variables[_free(key, variables)] = _described(kind, group, key, step, remarks)
    for kind in statics:
        described: dict[str, Any] = {"role": "static", "short_name": kind.short_name}
        if len(kind.levels) == 1 and kind.type_of_level:
            described |= {"level": min(kind.levels), "type_of_level": kind.type_of_level}
        if kind.units:
            described["units"] = _units(kind.units)
        if order_of(kind.grid, grid) is None:
            described["regrid"] = "linear"
            remarks.append(f"{kind.short_name}: a fixed field on another grid, brought to this one linearly")
        variables[_free(_word(kind.short_name), variables)] = described
    return variables


def _key(kind: Kind, levels: Sequence[float], count: int) -> str:
    """What to call a variable: a name that people know, else that of the files, with its level where it needs one."""
    known = _KEYS.get(kind.short_name, kind.short_name)
    if kind.short_name in _KEYS or count < 2 or not levels or len(levels) > 1:
        return _word(known)
    return _word(feature_name(known, levels[0], kind.type_of_level))


def _free(key: str, taken: dict[str, Any]) -> str:
    name, number = key, 2
    while name in taken:
        name, number = f"{key}_{number}", number + 1
    return name


def _described(
    kind: Kind, levels: Sequence[float], key: str, step: np.timedelta64, remarks: list[str]
) -> dict[str, Any]:
    described: dict[str, Any] = {"role": "prognostic"}
    if key != kind.short_name:
        described["short_name"] = kind.short_name
    if kind.units:
        described["units"] = _units(kind.units)
    else:
        remarks.append(f"{key}: its files say no units; give them")
    if levels and not (kind.type_of_level in _PLAIN and levels == [0.0]):
        described |= {"level": levels[0]} if len(levels) == 1 else {"levels": list(levels)}
        described |= {"type_of_level": kind.type_of_level} if kind.type_of_level else {}
    if kind.standard_name:
        described["standard_name"] = kind.standard_name
    if kind.standard_name.endswith("_from_direction") or kind.short_name in ("wdir", "dd"):
        remarks.append(f"{key}: an angle; learn it as sine and cosine by --set variables.{key}.transform=angle")
    if kind.is_accumulated:
        described |= {"role": "diagnostic", "accumulated": True}
        remarks.append(f"{key}: a sum since the start of the forecast; samples hold sums per step, and it is predicted from the others")  # fmt: skip
    if kind.has_holes or kind.is_accumulated:
        described["nan"] = "mask"
        if kind.has_holes:
            remarks.append(f"{key}: values are missing in some cells (nan: mask leaves them out of the loss)")
    if kind.members and len(kind.members) > 1:
        remarks.append(f"{key}: {len(kind.members)} members, of which the first is read; see member and forecasts")
    return described


def _units(text: str) -> str:
    """Units in the form that py4cast writes; as they stand where they are not understood."""
    try:
        return normalise(text)
    except DataError:
        return text


def _periods(times: NDArray[np.datetime64], step: np.timedelta64, remarks: list[str]) -> dict[str, Any]:
    """Seven tenths to learn from, the rest in equal parts to choose by and to judge by, one after the other."""
    marks = [0, *(round(share * times.size) for share in _SHARES), times.size]
    periods = {}
    for split, (first, stop) in zip(("train", "valid", "test"), pairwise(marks), strict=True):
        # the first states of a split may be the last truth of the one before
        begin = max(0, first - 2) if times.size < 60 and first else first
        periods[split] = {"start": _time(times[begin]), "end": _time(times[stop - 1])}
    remarks.append(f"periods: {times.size} instants from {_time(times[0])} to {_time(times[-1])}, 70 %, 15 % and 15 % of them in order")  # fmt: skip
    if times.size < 60:
        remarks.append("periods: few instants, so that those of valid and test begin two states earlier")
    return periods


def _time(when: np.datetime64) -> str:
    text = str(when.astype("datetime64[m]"))
    return text.removesuffix(":00")


def _forcings(times: NDArray[np.datetime64], step: np.timedelta64, grid: Grid) -> list[str]:
    """What is computed: the hour below a day's step, the season over more than two months, the Sun with the hour."""
    forcings = []
    if step < _DAY:
        forcings.append("hour")
    if times[-1] - times[0] > 60 * _DAY:
        forcings.append("day_of_year")
    if step < _DAY:
        forcings.append("toa_radiation")
    return forcings

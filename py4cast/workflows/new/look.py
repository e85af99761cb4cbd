"""Look: what some files hold, field by field, as far as a dataset must be told."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from py4cast.cell_order import order_of
from py4cast.errors import DataError
from py4cast.formats import ReaderABC, Record, open_reader
from py4cast.grid import Grid
from py4cast.progress import Progress

__all__ = ["Kind", "Look", "look_into"]

_SAMPLED = 5  # fields of each kind that are read


@dataclass(slots=True)
class Kind:
    """What is one variable on one type of level: its fields, and what a sample of them shows.

    Args:
        short_name: name in the files.
        type_of_level: of its levels.
        units: in the files.
        standard_name: of CF, where the files give it.
        grid: of its fields.
    """

    short_name: str
    type_of_level: str | None
    units: str
    standard_name: str
    grid: Grid
    files: set[Path] = field(default_factory=set)
    levels: set[float] = field(default_factory=set)
    members: set[int] = field(default_factory=set)
    fields: list[tuple[np.datetime64 | None, np.timedelta64, float | None]] = field(default_factory=list)
    is_accumulated: bool = False
    has_holes: bool = False

    @property
    def is_static(self) -> bool:
        """Whether none of its fields has a time."""
        return all(start is None for start, _, _ in self.fields)

    @property
    def valid_times(self) -> NDArray[np.datetime64]:
        """When its fields are valid, each once."""
        times = [start + lead for start, lead, _ in self.fields if start is not None]
        return np.unique(np.array(times, dtype="datetime64[s]"))


@dataclass(frozen=True, slots=True)
class Look:
    """What was seen in some files.

    Args:
        kinds: of fields.
        unreadable: files that could not be read, with the reason.
    """

    kinds: Sequence[Kind]
    unreadable: Mapping[Path, str]


def look_into(paths: Sequence[Path], progress: Progress | None = None) -> Look:
    """Lists the fields of files, and reads a few of each kind.

    Args:
        paths: of the files.
        progress: told of every file.

    Raises:
        DataError: none can be read.
    """
    kinds: dict[tuple[Any, ...], Kind] = {}
    unreadable: dict[Path, str] = {}
    if progress is not None:
        progress.start("looking into files", len(paths))
    for path in paths:
        try:
            with open_reader(path) as reader:
                _list(reader, path, kinds)
        except DataError as error:
            unreadable[path] = str(error)
        if progress is not None:
            progress.step()
    if not kinds:
        first = next(iter(unreadable.values()), "they hold no field")
        raise DataError(f"none of {len(paths)} files can be read: {first}")
    return Look(list(kinds.values()), unreadable)


def _list(reader: ReaderABC, path: Path, kinds: dict[tuple[Any, ...], Kind]) -> None:
    """Adds the fields of one file."""
    keys: dict[tuple[Any, ...], tuple[Any, ...]] = {}
    by_kind: dict[tuple[Any, ...], list[Record]] = {}
    for record in reader.records():
        here = record.short_name, record.type_of_level, record.grid_key
        if here not in keys:
            keys[here] = _key_of(record, reader.grid(record), path, kinds)
        key = keys[here]
        kind = kinds[key]
        kind.files.add(path)
        kind.fields.append((record.init_time, record.lead_time, record.level))
        if record.level is not None:
            kind.levels.add(float(record.level))
        if record.member is not None:
            kind.members.add(record.member)
        by_kind.setdefault(key, []).append(record)
    for key, records in by_kind.items():
        places = sorted({round(i * (len(records) - 1) / max(1, _SAMPLED - 1)) for i in range(_SAMPLED)})
        for place in places:
            kinds[key].is_accumulated |= _is_accumulated(reader, records[place])
            if not kinds[key].has_holes:
                kinds[key].has_holes = bool((~np.isfinite(reader.read(records[place]))).any())


def _key_of(record: Record, grid: Grid, path: Path, kinds: dict[tuple[Any, ...], Kind]) -> tuple[Any, ...]:
    """Under what its kind is known: the same name, type of level and grid, in whatever file."""
    for key, kind in kinds.items():
        if key[:2] == (record.short_name, record.type_of_level) and order_of(kind.grid, grid) is not None:
            return key
    key = (record.short_name, record.type_of_level, str(path), record.grid_key)
    kinds[key] = Kind(record.short_name, record.type_of_level, record.units, record.standard_name, grid)
    return key


def _is_accumulated(reader: ReaderABC, record: Record) -> bool:
    """Whether a field is a sum since the start of its forecast, as GRIB says."""
    for name in ("stepType", "GRIB_stepType"):
        try:
            if str(reader.key(record, name)) == "accum":
                return bool(record.lead_time > np.timedelta64(0, "s"))
        except (KeyError, DataError):
            continue
    return False

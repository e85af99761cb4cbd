"""Files of fields opened as they are: analyses or forecasts in any number of GRIB, NetCDF or Zarr files, one cube.

Nothing is prepared and nothing has to be described: the variables are what the files hold, a field is read when it
is asked for. For verification and comparison; training wants a prepared store.
"""

import hashlib
import logging
import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from py4cast.axis import TimeAxis
from py4cast.cubes.base import CubeABC, Planes
from py4cast.cubes.foreign import open_cube
from py4cast.cubes.kept import KeptCube
from py4cast.cubes.selection import ALL, Selection
from py4cast.cubes.store.store import MARKER
from py4cast.errors import DataError, SettingsError, nearest
from py4cast.formats import Record, open_reader
from py4cast.formats.zarr_address import is_remote_zarr, is_zarr
from py4cast.grid import Grid
from py4cast.planes.catalog import Catalog, FileIndex, expand_patterns, show_paths
from py4cast.planes.reader import FieldPlan
from py4cast.remote import is_remote
from py4cast.variables import Variable, feature_name

__all__ = ["FieldFiles", "open_fields"]

logger = logging.getLogger(__name__)
_PLAIN_LEVELS = ("surface", "meanSea", "heightAboveGround", None)
Identity = tuple[str, float | None, str | None]


def open_fields(
    patterns: Sequence[str | Path],
    accumulated: Sequence[str] = (),
    series: bool = False,
    only: Selection = ALL,
) -> CubeABC:
    """The cube of files that are given by path or pattern; one store or file of a whole period is read fastest.

    Args:
        patterns: paths, with `*` and `%Y %m %d %H %M` for many files; a prepared store or a Zarr is a folder.
        accumulated: variables that the files hold as sums since the start of the forecast; they become sums per step.
        series: whether a series of analyses is wanted; then of forecasts the shortest lead time of every valid time.
        only: of files of fields, which of them; by default all.

    Raises:
        DataError: no such file, or one that cannot be read; fields on several grids.
        SettingsError: a variable or a key that they do not have.
    """
    if len(patterns) == 1 and is_remote(patterns[0]) and is_remote_zarr(patterns[0]):
        return open_cube(Path(patterns[0]))
    patterns = [path for p in patterns for path in (expand_patterns(Path.cwd(), [str(p)], "") if is_remote(p) else [p])]
    # what a person types may go up; what a settings file says may not
    texts = [os.path.normpath(Path(p).expanduser().absolute()) for p in patterns]
    single = Path(texts[0]) if len(texts) == 1 else None
    if single is not None and (single / MARKER).is_file():
        return open_cube(single)
    # a folder that no pattern describes is a store, or is missing
    if single is not None and not any(c in texts[0] for c in "*?[%") and (not single.exists() or is_zarr(single) or single.is_dir()):  # fmt: skip
        return open_cube(single)
    paths = expand_patterns(Path.cwd(), [str(Path(t).absolute()) for t in texts], "")
    if len(paths) == 1 and not accumulated and not any(only):
        cube = _as_one(paths[0])
        if cube is not None and (cube.axis.is_series or not series):
            return cube
    return FieldFiles(paths, accumulated, series, only)


def _as_one(path: Path) -> CubeABC | None:
    """The cube of one file that holds a whole series under the CF conventions, else None."""
    try:
        return open_cube(path)
    except DataError:
        return None


class FieldFiles(KeptCube):
    """Creates the cube of files; it lists their fields, and reads none.

    Args:
        paths: the files.
        accumulated: variables that are sums since the start of the forecast.
        series: whether each valid time counts once.
        only: which fields; by default all.

    Raises:
        DataError: a file that cannot be read, no field with a time, fields on several grids.
        SettingsError: a variable or a key that no file holds.
    """

    def __init__(
        self, paths: Sequence[Path], accumulated: Sequence[str] = (), series: bool = False, only: Selection = ALL
    ) -> None:
        listed = [_index(path, only) for path in paths]
        indices = [index for index, _ in listed]
        self._masks = [mask for _, mask in listed if mask is not None]
        records = [record for index in indices for _, record in index.records]
        if not records:
            keys = "".join(f" and {key}={value}" for key, value in only.keys.items())
            raise DataError(f"{show_paths(paths)}: no field with a time{keys}")
        named = _names(_identity(record) for record in records)
        meant = only.of(named.values())
        names = {identity: name for identity, name in named.items() if name in meant}
        records = [record for record in records if _identity(record) in names]
        leads = {record.lead_time for record in records}
        for name in accumulated:
            if name not in names.values():
                raise SettingsError(f"accumulated: no variable {name!r} in the files{nearest(name, names.values())}")
        # what a file holds is told once its fields have names; each file was looked at once, and none is read whole
        indices = [
            replace(i, records=[(names[_identity(r)], r) for _, r in i.records if _identity(r) in names])
            for i in indices
        ]
        told = _standard_names(records)
        plans = [FieldPlan(_variable(i, name, name in accumulated, told.get(i, ""))) for i, name in names.items()]
        files = {name: [i.path for i in indices if any(n == name for n, _ in i.records)] for name in names.values()}
        is_ensemble = len({record.member for record in records}) > 1
        is_series = series or (leads == {np.timedelta64(0, "s")} and not is_ensemble)
        if is_series and is_ensemble:
            members = ", ".join(
                "none" if m is None else str(m)
                for m in sorted({r.member for r in records}, key=lambda m: -1 if m is None else m)
            )
            raise DataError(
                f"{show_paths(paths)}: fields of the members {members}, where one of each is wanted; give files of one member"
            )
        self._catalog = Catalog(files, plans, None, is_series)
        self._catalog.take(i for i in indices if i.records)
        if self._catalog.grid is None:
            raise DataError(f"{show_paths(paths)}: no field with a time on a rectangular grid")
        self._grid = self._catalog.grid
        # before its fields stand for every member
        alone = [] if is_series else self._catalog.without_members()
        self.axis = self._make_axis(leads, is_series)
        whole = (slice(0, self._grid.shape[0]), slice(0, self._grid.shape[1]))
        self._reader = self._catalog.planes(self._grid, whole)
        if alone:
            logger.warning("%s: left out, it has no members and others have; choose it alone", ", ".join(alone))
        self.variables = [v for v in self._reader.stored if v.name not in alone]
        self.spans = _spans(indices, dict.fromkeys(accumulated, self.axis.step))

    def _make_axis(self, leads: set[np.timedelta64], is_series: bool) -> TimeAxis:
        if is_series:
            times = self._catalog.times()
            return TimeAxis(times[:1], times - times[:1])
        members = self._catalog.members()
        self._catalog.spread_members(members)
        return TimeAxis.forecasts(self._catalog.starts(), np.array(sorted(leads)), members)

    @property
    def grid(self) -> Grid:
        return self._grid

    @property
    def imposed(self) -> NDArray[np.bool_] | None:
        masks = [mask for mask in self._masks if mask.shape == self._grid.shape]
        return np.logical_or.reduce(masks) if masks else None

    @property
    def fingerprint(self) -> str:
        return hashlib.sha256(repr([sorted(i.items()) for i in self._catalog.inputs]).encode()).hexdigest()

    def read(self, names: Sequence[str], start: int, stop: int, out: Planes) -> None:
        for row, name in enumerate(names):
            self.variable(name)
            for column, index in enumerate(range(start, stop)):
                plane = self._reader.read(name, self.axis.instant(index))
                out[row, column] = np.nan if plane is None else plane

    def available(self, names: Sequence[str]) -> NDArray[np.bool_]:
        instants = [self.axis.instant(i) for i in range(self.axis.size)]
        return np.array([all(self._reader.has(n, i) for n in names) for i in instants])

    def close(self) -> None:
        self._reader.close()


def _spans(indices: Sequence[FileIndex], known: Mapping[str, np.timedelta64]) -> dict[str, frozenset[np.timedelta64]]:
    """How long the sums of variables run as the messages of files say; `known` are those that are made per step."""
    spans: dict[str, set[np.timedelta64]] = {}
    for name, record in (pair for index in indices for pair in index.records):
        if record.keys.get("stepType") == "accum" and "since" in record.keys:
            spans.setdefault(name, set()).add(record.lead_time - record.keys["since"])
    return {name: frozenset([known[name]] if name in known else lengths) for name, lengths in spans.items()}


def _index(path: Path, only: Selection) -> tuple[FileIndex, NDArray[np.bool_] | None]:
    """The fields of a file that have a time, as yet without names, and which of its cells are imposed."""
    with open_reader(path) as reader:
        records = [r for r in reader.records() if r.valid_time is not None and only.has(reader, r)]
        imposed = reader.imposed
        grids = {key: reader.grid(record) for key, record in {r.grid_key: r for r in records}.items()}
    state = path.stat()
    fingerprint = {"file": str(path), "bytes": state.st_size, "modified_ns": state.st_mtime_ns}
    index = FileIndex(path, fingerprint, [("", r) for r in records], frozenset(r.short_name for r in records), grids)
    return index, imposed


def _identity(record: Record) -> Identity:
    return record.short_name, record.level, record.type_of_level


def _names(identities: Iterable[Identity]) -> dict[Identity, str]:
    """A name for each field: its short name alone where that says enough."""
    identities = list(dict.fromkeys(identities))
    counts = Counter(short for short, _, _ in identities)
    return {
        i: i[0] if counts[i[0]] == 1 and (i[2] in _PLAIN_LEVELS or _is_named(i)) else feature_name(*i)
        for i in identities
    }


def _is_named(identity: Identity) -> bool:
    """Whether its short name tells the level already, as files of this package do."""
    short, level, kind = identity
    return short.endswith(feature_name("", level, kind))


def _standard_names(records: Iterable[Record]) -> dict[Identity, str]:
    """The CF name of each field, where all of its records say one."""
    names: dict[Identity, set[str]] = {}
    for record in records:
        names.setdefault(_identity(record), set()).add(record.standard_name)
    return {identity: next(iter(told)) for identity, told in names.items() if len(told) == 1}


def _variable(identity: Identity, name: str, is_accumulated: bool, standard_name: str) -> Variable:
    short, level, kind = identity
    variable = Variable(
        name=name, short_name=short, level=level, type_of_level=kind, nan="mask", accumulated=is_accumulated,
        role="diagnostic", file_name=short,
    )  # fmt: skip
    # of a parameter that is known the name that is known
    return variable if variable.cf_name else replace(variable, standard_name=standard_name)

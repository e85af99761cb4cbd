"""Catalog: which field of which file is each variable at each instant.

Files are scanned once; what disagrees between them (units, grids) is refused by name before anything is read.
"""

import hashlib
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from py4cast.errors import DataError, SettingsError, nearest
from py4cast.formats import ReaderABC, Record, open_reader
from py4cast.grid import Grid
from py4cast.units import conversion, normalise, same_units
from py4cast.variables import Variable

__all__ = ["Catalog", "Source", "expand_patterns"]

_CODES = {
    "%Y": "[0-9]" * 4,
    "%m": "[0-9]" * 2,
    "%d": "[0-9]" * 2,
    "%H": "[0-9]" * 2,
    "%M": "[0-9]" * 2,
    "%j": "[0-9]" * 3,
}
_OPEN_READERS = 16


def expand_patterns(root: Path, patterns: Sequence[str]) -> list[Path]:
    """The files under `root` that match the patterns, sorted; `%Y %m %d %H %M %j` stand for digits.

    Raises:
        SettingsError: a pattern that leaves `root` by `..`.
        DataError: a pattern that matches nothing.
    """
    found: list[Path] = []
    for pattern in patterns:
        if ".." in Path(pattern).parts:
            raise SettingsError(f"files {pattern!r}: '..' is refused; give the folder as dataset.root")
        text = pattern
        for code, digits in _CODES.items():
            text = text.replace(code, digits)
        if Path(text).is_absolute():
            base, text = Path(Path(text).anchor), str(Path(text).relative_to(Path(text).anchor))
        else:
            base = root
        matches = sorted(p for p in base.glob(text) if p.is_file()) if base.is_dir() else []
        if not matches:
            raise DataError(f"no file matches {pattern!r} under {base}; give the folder by --set dataset.root=DIR")
        found += matches
    return list(dict.fromkeys(found))


@dataclass(frozen=True, slots=True)
class Source:
    """One field in one file."""

    path: Path
    record: Record


def _key(source: Source) -> tuple[float, int]:
    """Analyses before forecasts, short lead times before long ones, the first member before others."""
    return float(source.record.lead_time / np.timedelta64(1, "s")), source.record.member or 0


class Catalog:
    """Creates the catalog of some variables over some files.

    Args:
        files: variable name → files that may hold it.
        variables: what to look for; those without units take the files'.
        member: ensemble member to keep, None for the first.

    Raises:
        DataError: a file that cannot be read, a variable in none of its files, units or grids that differ.
    """

    def __init__(
        self, files: Mapping[str, Sequence[Path]], variables: Sequence[Variable], member: int | None = None
    ) -> None:
        self._files, self._member = files, member
        self._wanted = list(variables)
        self.variables: list[Variable] = []
        self.inputs: list[dict[str, Any]] = []
        self._sources: dict[str, dict[np.datetime64 | None, Source]] = {v.name: {} for v in variables}
        self._runs: dict[str, dict[tuple[Any, Any], Source]] = {v.name: {} for v in variables}
        self._units: dict[str, str] = {}
        self._readers: OrderedDict[Path, ReaderABC] = OrderedDict()
        self._flips: dict[tuple[Path, str], bool] = {}
        self.grid: Grid | None = None
        self._grid_path: Path | None = None

    def scan(self, on_file: Callable[[Path], None] | None = None) -> None:
        """Lists the fields of every file."""
        by_path: dict[Path, list[Variable]] = {}
        for variable in self._wanted:
            for path in self._files[variable.name]:
                by_path.setdefault(path, []).append(variable)
        seen: dict[str, set[str]] = {v.name: set() for v in self._wanted}
        for path, variables in by_path.items():
            records = self._reader(path).records()
            self.inputs.append(_fingerprint(path))
            for variable in variables:
                seen[variable.name] |= {r.short_name for r in records}
                self._collect(path, records, variable)
            if on_file:
                on_file(path)
        for variable in self._wanted:
            if not self._sources[variable.name]:
                name = variable.short_name or variable.name
                level = (
                    f" at level {variable.level:g} {variable.type_of_level or ''}".rstrip()
                    if variable.level is not None
                    else ""
                )
                raise DataError(
                    f"variable {variable.name}: no field {name!r}{level} in {_show_paths(self._files[variable.name])}"
                    f"{nearest(name, seen[variable.name])}"
                )
            found = self._units[variable.name]
            self.variables.append(variable.with_units(variable.units or found))
            if found and variable.units:
                conversion(found, variable.units)

    def _collect(self, path: Path, records: Iterable[Record], variable: Variable) -> None:
        for record in records:
            if not record.matches(variable) or (self._member is not None and record.member not in (None, self._member)):
                continue
            self._check_units(path, record, variable)
            if variable.role != "static":
                self._check_grid(path, record, variable)
                if record.valid_time is None:
                    continue
            source = Source(path, record)
            when = None if variable.role == "static" else record.valid_time
            known = self._sources[variable.name].get(when)
            if known is None or _key(source) < _key(known):
                self._sources[variable.name][when] = source
            if variable.accumulated:
                self._runs[variable.name][record.init_time, record.lead_time] = source

    def _check_units(self, path: Path, record: Record, variable: Variable) -> None:
        known = self._units.setdefault(variable.name, record.units)
        if not same_units(known or "1", record.units or "1"):
            first = next(iter(self._sources[variable.name].values())).path
            raise DataError(
                f"variable {variable.name}: units differ between files: {known!r} in {first}, {record.units!r} in {path}; make them the same"
            )

    def _check_grid(self, path: Path, record: Record, variable: Variable) -> None:
        if (path, record.grid_key) in self._flips:
            return
        grid = self._reader(path).grid(record)
        if self.grid is None:
            self.grid, self._grid_path = grid, path
        flipped = False
        if not grid.same_as(self.grid):
            flipped = grid.rows_columns(slice(None, None, -1), slice(None)).same_as(self.grid)
            if not flipped:
                raise DataError(
                    f"grids differ between files: {variable.name} in {path} is on {grid.describe()}; "
                    f"{self._grid_path} is on {self.grid.describe()}"
                )
        self._flips[path, record.grid_key] = flipped

    def _reader(self, path: Path) -> ReaderABC:
        if path in self._readers:
            self._readers.move_to_end(path)
        else:
            self._readers[path] = open_reader(path)
            while len(self._readers) > _OPEN_READERS:
                self._readers.popitem(last=False)[1].close()
        return self._readers[path]

    def times(self) -> NDArray[np.datetime64]:
        """All instants at which any variable is there, sorted."""
        found = {t for name in self._sources for t in self._sources[name] if t is not None}
        return np.array(sorted(found), dtype="datetime64[s]")

    def source(self, variable: Variable, time: np.datetime64 | None) -> Source | None:
        """Where a variable lies at an instant (None for a static one)."""
        return self._sources[variable.name].get(time)

    def read(self, variable: Variable, time: np.datetime64 | None) -> NDArray[np.float32] | None:
        """The plane of a variable at an instant in its units, `(lat, lon)`; None when no file has it."""
        source = self.source(variable, time)
        if source is None:
            return None
        values = self._read_source(source)
        if variable.accumulated:
            before = self._before(variable, source)
            if before is None:
                return None
            values = values - before
        found = self._units[variable.name]
        if found and variable.units and normalise(found) != normalise(variable.units):
            scale, offset = conversion(found, variable.units)
            values = (values.astype(np.float64) * scale + offset).astype(np.float32)
        return values

    def _read_source(self, source: Source) -> NDArray[np.float32]:
        values = self._reader(source.path).read(source.record)
        return values[::-1] if self._flips.get((source.path, source.record.grid_key)) else values

    def _before(self, variable: Variable, source: Source) -> NDArray[np.float32] | None:
        """The sum since the start of the run at the lead time before; zero at the first one, None at lead time 0."""
        record = source.record
        zero = np.timedelta64(0, "s")
        if record.lead_time <= zero:
            return None
        if record.keys.get("since", zero) > zero:
            return np.zeros((1, 1), dtype=np.float32)  # the file says that its sum starts later: it is one step's
        runs = self._runs[variable.name]
        earlier = [lead for init, lead in runs if init == record.init_time and zero < lead < record.lead_time]
        if not earlier:
            return np.zeros((1, 1), dtype=np.float32)
        return self._read_source(runs[record.init_time, max(earlier)])

    def static_grid(self, variable: Variable) -> Grid:
        """The grid of a static variable, which may be another one than the series'."""
        source = self._sources[variable.name][None]
        return self._reader(source.path).grid(source.record)

    def close(self) -> None:
        """Closes the files."""
        for reader in self._readers.values():
            reader.close()
        self._readers.clear()


def _fingerprint(path: Path) -> dict[str, Any]:
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while chunk := stream.read(1 << 22):
            digest.update(chunk)
    return {"file": path.name, "bytes": path.stat().st_size, "sha256": digest.hexdigest()}


def _show_paths(paths: Sequence[Path]) -> str:
    shown = ", ".join(str(p) for p in paths[:3])
    return shown + (f" and {len(paths) - 3} more" if len(paths) > 3 else "")

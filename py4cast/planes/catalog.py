"""Catalog: which field of which file is each variable at each instant.

Files are scanned once, in parallel where an executor is given; what disagrees between them (units, grids) is
refused by name before anything is read.
"""

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from py4cast.axis import Instant
from py4cast.cell_order import CellOrder, order_of
from py4cast.errors import DataError, SettingsError, nearest
from py4cast.formats import ArrayDescription, ReaderABC, Record, TimeDescription, open_reader
from py4cast.formats.base import same_key
from py4cast.formats.numpy import time_in_name
from py4cast.grid import Grid
from py4cast.planes.fingerprint import fingerprint_of
from py4cast.planes.patterns import expand_patterns, show_paths
from py4cast.planes.reader import STATIC, FieldPlace, FieldPlan, PlaneReader, run_of
from py4cast.planes.rivals import merged, preferred
from py4cast.planes.winds import WindAxes
from py4cast.regrid import Regridder
from py4cast.timeline import month_start
from py4cast.units import conversion, same_units
from py4cast.variables import Variable

__all__ = ["Catalog", "FileIndex", "expand_patterns", "scan_file", "show_paths"]

logger = logging.getLogger(__name__)

_ZERO = np.timedelta64(0, "s")


@dataclass(frozen=True, slots=True)
class FileIndex:
    """What one file holds of some variables.

    Args:
        path: the file.
        fingerprint: its name, size and SHA-256.
        records: pairs of a variable's name and a field of it.
        names: short names of all its fields.
        grids: of the records, by their `grid_key`.
    """

    path: Path
    fingerprint: Mapping[str, Any]
    records: Sequence[tuple[str, Record]]
    names: frozenset[str]
    grids: Mapping[str, Grid]


def scan_file(
    path: Path,
    variables: Sequence[Variable],
    arrays: ArrayDescription | None = None,
    time: TimeDescription | None = None,
) -> FileIndex:
    """The index of a file; DataError when it cannot be read."""
    options = (arrays,) if time is None else (arrays, time)
    with open_reader(path, *options) as reader:
        records = reader.records()
        if time is not None and time.from_name is not None:
            instant = time_in_name(path, time.from_name)
            records = [replace(r, init_time=instant) for r in records]
        by_name: dict[str, list[Variable]] = {}
        for variable in variables:
            by_name.setdefault(variable.sought, []).append(variable)
        pairs = []
        for record in records:
            names = {record.short_name, record.standard_name, record.keys.get("cf_name")}
            for variable in {id(v): v for n in names if n for v in by_name.get(n, ())}.values():
                if record.matches(variable) and _has_keys(reader, record, variable):
                    pairs.append((variable.name, record))
        grids = {r.grid_key: r for _, r in pairs}
        return FileIndex(
            path, fingerprint_of(path), pairs, frozenset(r.short_name for r in records),
            {key: reader.grid(record) for key, record in grids.items()},
        )  # fmt: skip


def _has_keys(reader: ReaderABC, record: Record, variable: Variable) -> bool:
    """Whether a field has the further keys that the settings ask for.

    A file of another format that has no such key is taken as it is where the key is one of GRIB's, to be written.
    """
    for key, wanted in variable.grib.items():
        try:
            value = reader.key(record, key)
        except KeyError:
            # ecCodes is loaded only where something asks for it
            from py4cast.formats.grib_keys import is_grib_key

            if is_grib_key(key):
                continue
            valid = [k for k in record.keys if not k.startswith("GRIB_") and k != "cf_name"]
            raise SettingsError(
                f"variables: {variable.name}.grib: {key!r} is no key of {reader.path} and none of GRIB{nearest(key, valid)}"
            ) from None
        if not same_key(value, wanted):
            return False
    return True


class Catalog:
    """Creates the catalog of some variables over some files.

    Args:
        files: variable name → files that may hold it.
        plans: how every variable comes to be; those without units take the files'.
        members: ensemble members to keep, None for all.
        is_series: whether each valid time counts once (its analysis, or its shortest forecast), or every start,
            lead time and member by itself.
        arrays: what NumPy files hold.
        time: what the files' times mean, where they do not say so.
        is_monthly: whether a field stands for the month that it is valid in, wherever in the month the file dates it.

    Raises:
        DataError: a file that cannot be read, a variable in none of its files, units or grids that differ.
    """

    def __init__(
        self,
        files: Mapping[str, Sequence[Path]],
        plans: Sequence[FieldPlan],
        members: Sequence[int] | None = None,
        is_series: bool = True,
        arrays: ArrayDescription | None = None,
        time: TimeDescription | None = None,
        is_monthly: bool = False,
    ) -> None:
        self._is_monthly = is_monthly
        self._files, self._members, self.is_series, self._arrays = files, members, is_series, arrays
        self._time, self._seen_members = time, dict[str, set[int]]()
        self._wanted = list(plans)
        self.plans: list[FieldPlan] = []
        self.inputs: list[Mapping[str, Any]] = []
        self._sources: dict[str, dict[Instant, FieldPlace]] = {p.variable.name: {} for p in plans}
        self._runs: dict[str, dict[tuple[Any, Any], dict[np.timedelta64, FieldPlace]]] = {}
        self._units: dict[str, str] = {}
        self._axes = WindAxes()
        self._orders: dict[tuple[Path, str], CellOrder] = {}
        self._known_orders: list[tuple[Grid, CellOrder]] = []
        self._grids: dict[tuple[str, str], Grid] = {}
        self._timeless: dict[str, Path] = {}
        self.grid: Grid | None = None
        self._static_grid: Grid | None = None
        self._grid_path: Path | None = None

    @property
    def variables(self) -> list[Variable]:
        """Of the plans, with their units."""
        return [p.variable for p in self.plans]

    def scan(self, on_file: Callable[[Path], None] | None = None, executor: Executor | None = None) -> None:
        """Lists the fields of every file."""
        by_path = self._by_path()
        scan = map if executor is None else executor.map
        count = len(by_path)
        indices = scan(scan_file, list(by_path), list(by_path.values()), [self._arrays] * count, [self._time] * count)
        self.take(indices, on_file)

    def _by_path(self) -> dict[Path, list[Variable]]:
        """The variables that each file may hold."""
        by_path: dict[Path, list[Variable]] = {}
        for plan in self._wanted:
            for path in self._files.get(plan.variable.name, ()):
                by_path.setdefault(path, []).append(plan.variable)
        return by_path

    def take(self, indices: Iterable[FileIndex], on_file: Callable[[Path], None] | None = None) -> None:
        """Lists the fields of files whose indices are made."""
        by_name, by_path = {p.variable.name: p for p in self._wanted}, self._by_path()
        seen: dict[str, set[str]] = {name: set() for name in by_name}
        for index in indices:
            self.inputs.append(index.fingerprint)
            for variable in by_path[index.path]:
                seen[variable.name] |= index.names
            for name, record in index.records:
                self._collect(index, record, by_name[name])
            if on_file:
                on_file(index.path)
        for plan in self._wanted:
            self.plans.append(self._finished(plan, seen[plan.variable.name]))
        if self.is_series and self._members is None:
            self._check_one_member()
        # where every series comes from another grid, a fixed field tells which one is meant
        self.grid = self.grid or self._static_grid

    def _check_one_member(self) -> None:
        """Refuses a series of several members, of which none is the first among equals."""
        for name, seen in self._seen_members.items():
            if len(seen) > 1:
                shown = ", ".join(map(str, sorted(seen)))
                raise DataError(
                    f'variable {name}: the files hold the members {shown}, and a series is of one; choose it by "member": {min(seen)}, or '
                    'take all by "forecasts"'
                )

    def _finished(self, plan: FieldPlan, seen: set[str]) -> FieldPlan:
        """The plan with the units of the files."""
        variable = plan.variable
        if plan.filter is not None:
            plan.filter.check_axes(
                variable.name, [p.variable for p in self.plans if p.variable.name in plan.inputs.values()]
            )
            units = variable.units or plan.filter.result_units
            if not units and plan.filter.keeps_units:
                units = next(p.variable.units for p in self.plans if p.variable.name in plan.inputs.values())
            return replace(plan, variable=variable.with_units(units))
        if not self._sources[variable.name]:
            raise DataError(self._not_found(variable, seen))
        file_units = self._units[variable.name]
        if file_units and variable.units:
            conversion(file_units, variable.units)
        variable = replace(variable, standard_name=self._axes.named(variable, plan.regrid is not None))
        return replace(plan, variable=variable.with_units(variable.units or file_units))

    def _not_found(self, variable: Variable, seen: set[str]) -> str:
        if variable.name in self._timeless:
            return (
                f"variable {variable.name}: the field {variable.sought!r} of {self._timeless[variable.name]} has no time; tell it by "
                f'the setting time, such as {{"from_name": "%Y%m%d%H.nc"}}, or set "role": "static"'
            )
        name, level = variable.sought, ""
        if variable.level is not None:
            level = f" at level {variable.level:g} {variable.type_of_level or ''}".rstrip()
        members = "" if self._members is None else f" of members {', '.join(map(str, self._members))}"
        where = show_paths(self._files[variable.name])
        hint = "" if name in seen else nearest(name, seen)
        return f"variable {variable.name}: no field {name!r}{level}{members}{self._chosen(variable)} in {where}{hint}"

    @staticmethod
    def _chosen(variable: Variable) -> str:
        return f" with {', '.join(f'{k} {v}' for k, v in variable.grib.items())}" if variable.grib else ""

    def _collect(self, index: FileIndex, record: Record, plan: FieldPlan) -> None:
        if self._members is not None and record.member is not None and record.member not in self._members:
            return
        variable = plan.variable
        if record.member is not None:
            self._seen_members.setdefault(variable.name, set()).add(record.member)
        self._check_units(index.path, record, variable)
        self._axes.take(index.path, record, variable, index.grids[record.grid_key])
        if variable.role == "static":
            self._grids[variable.name, record.grid_key] = index.grids[record.grid_key]
            self._take(variable, STATIC, FieldPlace(index.path, record))
            if plan.regrid is None and self._static_grid is None:
                self._static_grid = index.grids[record.grid_key]
            return
        self._check_grid(index, record, plan)
        if record.valid_time is None:
            self._timeless.setdefault(variable.name, index.path)
            return
        source = FieldPlace(index.path, record)
        if self.is_series:
            valid = month_start(record.valid_time)[()] if self._is_monthly else record.valid_time
            key: Instant = (valid, _ZERO, None)
        else:
            assert record.init_time is not None, "it has a valid time"
            key = (record.init_time, record.lead_time, record.member)
        self._take(variable, key, source)
        if variable.accumulated:
            init, lead = run_of(record, plan.restart)
            run = self._runs.setdefault(variable.name, {}).setdefault((init, record.member), {})
            run[lead] = source if lead not in run else merged(run[lead], source, variable)

    def _take(self, variable: Variable, key: Instant, place: FieldPlace) -> None:
        """Keeps the field that is meant at an instant; refuses one of two that nothing tells apart."""
        places = self._sources[variable.name]
        known = places.get(key)
        if known is None:
            places[key] = place
            return
        places[key] = preferred(known, place, variable, self._members is not None) or merged(known, place, variable)

    def _check_units(self, path: Path, record: Record, variable: Variable) -> None:
        known = self._units.setdefault(variable.name, record.units)
        if known == record.units:
            return
        if not same_units(known or "1", record.units or "1"):
            first = next(iter(self._sources[variable.name].values())).path
            raise DataError(
                f"variable {variable.name}: units differ between files: {known!r} in {first}, {record.units!r} in {path}; make them the same"
            )

    def _check_grid(self, index: FileIndex, record: Record, plan: FieldPlan) -> None:
        path, grid = index.path, index.grids[record.grid_key]
        if plan.regrid is not None:
            self._grids.setdefault((plan.variable.name, record.grid_key), grid)
            return
        if (path, record.grid_key) in self._orders:
            return
        if self.grid is None:
            self.grid, self._grid_path = grid, path
        order = next((o for g, o in self._known_orders if g.same_as(grid)), None)
        if order is None and (order := order_of(grid, self.grid)) is not None:
            self._known_orders.append((grid, order))
        if order is None:
            raise DataError(
                f"grids differ between files: {plan.variable.name} in {path} is on {grid.describe()}; "
                f'{self._grid_path} is on {self.grid.describe()}; set "regrid" for the one to be brought to the other'
            )
        self._orders[path, record.grid_key] = order

    def times(self) -> NDArray[np.datetime64]:
        """All valid times at which any variable is there, sorted."""
        times = {init + lead for keys in self._sources.values() for init, lead, _ in keys}
        return np.array(sorted(t for t in times if not np.isnat(t)), dtype="datetime64[s]")

    def starts(self) -> NDArray[np.datetime64]:
        """All starts of forecasts, sorted."""
        times = {init for keys in self._sources.values() for init, _, _ in keys}
        return np.array(sorted(t for t in times if not np.isnat(t)), dtype="datetime64[s]")

    def members(self) -> tuple[int, ...]:
        """All members, sorted; empty when the files name none."""
        return tuple(sorted({m for keys in self._sources.values() for _, _, m in keys if m is not None}))

    def without_members(self) -> list[str]:
        """Variables of which no field has the number of a member, where those of others have."""
        kept = {name: {m for init, _, m in keys if not np.isnat(init)} for name, keys in self._sources.items()}
        is_ensemble = any(members - {None} for members in kept.values())
        return [name for name, members in kept.items() if is_ensemble and members == {None}]

    def spread_members(self, members: Sequence[int]) -> None:
        """A variable without members stands for every member; fields without number beside numbered ones are none of them."""
        alone, beside, held = self.without_members(), [], self.members()
        for name, known in self._sources.items():
            unnumbered = [key for key in known if key[2] is None and not np.isnat(key[0])] if members else []
            for init, lead, _ in unnumbered:
                source = known.pop((init, lead, None))
                if name in alone or not held:
                    known.update({(init, lead, each): source for each in members})
            if unnumbered and name not in alone and held:
                beside.append(name)
        if beside:
            logger.warning(
                "%s: fields without the number of a member, such as a control or the mean, are left out beside the members %s",
                ", ".join(beside), ", ".join(map(str, held)),
            )  # fmt: skip

    def planes(
        self, target: Grid, window: tuple[slice, slice | NDArray[np.int64]], step: np.timedelta64 | None = None
    ) -> PlaneReader:
        """The reader of the variables on `target`, of which it gives the rows and columns of `window`; sums over `step`."""
        made: dict[tuple[str, str], Regridder] = {}
        by_key: dict[tuple[str, str], Regridder] = {}
        for plan in self.plans:
            if plan.regrid is None or plan.variable.role == "static":
                continue
            for (name, key), grid in self._grids.items():
                if name == plan.variable.name:
                    known = by_key.get((key, plan.regrid))
                    if known is None or not known.source.same_as(grid):
                        known = by_key[key, plan.regrid] = Regridder(grid, target, plan.regrid)
                    made[name, key] = known
        shape = target.rows_columns(*window).shape
        return PlaneReader(
            self.plans,
            self._sources,
            self._runs,
            self._units,
            self._orders,
            made,
            window,
            shape,
            self._arrays,
            step,
            self._time,
        )

    def static(self, name: str) -> tuple[NDArray[np.float32], Grid]:
        """A static variable of the files on its own grid."""
        source = self._sources[name][STATIC]
        with open_reader(source.path, self._arrays, self._time) as reader:
            values = reader.read(source.record)
        plan = next(p for p in self.plans if p.variable.name == name)
        variable, values = plan.variable, plan.without_fill(values)
        units = self._units[name]
        if units and variable.units:
            scale, offset = conversion(units, variable.units)
            values = (values.astype(np.float64) * scale + offset).astype(np.float32)
        return values, self._grids[name, source.record.grid_key]

"""PlaneReader: the planes of a dataset's variables, made from the files' fields.

A variable is a field of the files, or what a filter makes of other variables. On the way a field is turned to the
dataset's row order, freed of accumulation, converted to the dataset's units, regridded where asked, cut to the
window and checked. A reader is small and can be sent to another process: it knows where its instants lie, and
opens the files itself.
"""

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from py4cast.axis import Instant
from py4cast.cell_order import CellOrder
from py4cast.errors import DataError
from py4cast.formats import ArrayDescription, ReaderABC, Record, TimeDescription, open_reader
from py4cast.planes.checks import check_plane
from py4cast.planes.filters import FilterABC
from py4cast.regrid import Method, Regridder
from py4cast.units import conversion, normalise
from py4cast.variables import Variable

__all__ = ["STATIC", "FieldPlace", "FieldPlan", "PlaneReader", "check_plane", "run_of"]

Plane = NDArray[np.float32]
_OPEN_READERS = 16
_KEPT_PLANES = 64
_ZERO = np.timedelta64(0, "s")


@dataclass(frozen=True, slots=True)
class FieldPlan:
    """How one variable comes to be.

    Args:
        variable: what it is.
        is_stored: whether the dataset holds it; others only feed filters.
        regrid: how to bring it from another grid, None for the dataset's own.
        restart: for accumulated fields without a start of forecast: after how long the sum begins anew.
        filter: what makes it of other variables, None for a field of the files.
        inputs: variables that the filter reads, by argument.
        fill: number in the files that marks what is missing, where they do not say so.
    """

    variable: Variable
    is_stored: bool = True
    regrid: Method | None = None
    restart: np.timedelta64 | None = None
    filter: FilterABC | None = None
    inputs: Mapping[str, str] = field(default_factory=dict)
    fill: float | None = None

    def without_fill(self, values: Plane) -> Plane:
        """The values with NaN where the files mark what is missing."""
        return values if self.fill is None else np.where(np.isclose(values, self.fill, rtol=1e-6), np.nan, values)

    @property
    def is_file(self) -> bool:
        """Whether the files hold it."""
        return self.filter is None


@dataclass(frozen=True, slots=True)
class FieldPlace:
    """One field in one file.

    Args:
        path: the file.
        record: the field.
        twins: where the same field stands again.
        rest: where what it lacks stands, such as ERA5T beside ERA5.
        spans: of a sum: where the sums over other spans stand that end at the same time.
    """

    path: Path
    record: Record
    twins: tuple["FieldPlace", ...] = ()
    rest: "FieldPlace | None" = None
    spans: tuple["FieldPlace", ...] = ()


class PlaneReader:
    """Creates the reader of some variables at some instants.

    Args:
        plans: of every variable, in order.
        sources: name → instant → where the field lies.
        runs: of accumulated variables: name → (init_time, member) → lead_time → where the sum lies.
        units: as the files have them, by name.
        orders: (file, grid key) → where its cells stand in the file.
        regridders: by (name, grid key).
        window: rows and columns of the dataset's grid to keep.
        shape: of the window.
        arrays: what NumPy files hold.
        step: over which sums are wanted; by default since the lead time before.
        time: what the files' times mean, where they do not say so.
    """

    def __init__(
        self,
        plans: Sequence[FieldPlan],
        sources: Mapping[str, Mapping[Instant, FieldPlace]],
        runs: Mapping[str, Mapping[tuple[Any, Any], Mapping[np.timedelta64, FieldPlace]]],
        units: Mapping[str, str],
        orders: Mapping[tuple[Path, str], CellOrder],
        regridders: Mapping[tuple[str, str], Regridder],
        window: tuple[slice, slice | NDArray[np.int64]],
        shape: tuple[int, int],
        arrays: ArrayDescription | None = None,
        step: np.timedelta64 | None = None,
        time: TimeDescription | None = None,
    ) -> None:
        self._step, self._time = step, time
        self.plans = {p.variable.name: p for p in plans}
        self._sources, self._runs, self._units, self._orders = sources, runs, units, orders
        self._regridders, self._window, self.shape, self._arrays = regridders, window, shape, arrays
        self._readers: OrderedDict[Path, ReaderABC] = OrderedDict()
        self._kept: OrderedDict[tuple[str, Instant], Plane | None] = OrderedDict()
        self._feeding = {name for p in plans for name in p.inputs.values()}

    @property
    def stored(self) -> list[Variable]:
        """Variables that the dataset holds over time, in order."""
        return [p.variable for p in self.plans.values() if p.is_stored and p.variable.role != "static"]

    def read(self, name: str, instant: Instant) -> Plane | None:
        """The plane of a variable, `(lat, lon)`, checked; None when it is missing.

        Raises:
            DataError: a file that cannot be read, values that are missing where that is forbidden, or not of Earth.
        """
        key = (name, instant)
        if key in self._kept:
            return self._kept[key]
        plan = self.plans[name]
        plane = self._of_file(plan, instant) if plan.is_file else self._of_filter(plan, instant)
        if plane is not None:
            check_plane(plan.variable, lambda: self._where(plan, instant), plane)
        if name in self._feeding:
            self._kept[key] = plane
            while len(self._kept) > _KEPT_PLANES:
                self._kept.popitem(last=False)
        return plane

    def has(self, name: str, instant: Instant) -> bool:
        """Whether the files hold a variable at an instant."""
        return instant in self._sources.get(name, {})

    def _where(self, plan: FieldPlan, instant: Instant) -> str:
        source = self._sources.get(plan.variable.name, {}).get(instant)
        init, lead, member = instant
        text = f"{plan.variable.name} of {init + lead}"
        text += f" (member {member})" if member is not None else ""
        return f"{text} in {source.path}" if source else f"{text} by the filter {type(plan.filter).__name__}"

    def _of_filter(self, plan: FieldPlan, instant: Instant) -> Plane | None:
        assert plan.filter is not None, "asked for derived variables alone"
        stacks: dict[str, list[Plane]] = {}
        for argument, name in plan.inputs.items():
            stacks[argument] = []
            for offset in plan.filter.offsets:
                plane = self.read(name, _shifted(instant, offset))
                if plane is None:
                    return None
                wanted = plan.variable.units if plan.filter.keeps_units else plan.filter.units.get(argument)
                stacks[argument].append(_converted(plane, self.plans[name].variable.units, wanted))
        made = plan.filter.apply({k: np.stack(v) if len(v) > 1 else v[0] for k, v in stacks.items()})
        result = np.asarray(made, dtype=np.float32)
        return _converted(result, plan.filter.result_units or plan.variable.units, plan.variable.units)

    def _of_file(self, plan: FieldPlan, instant: Instant) -> Plane | None:
        variable = plan.variable
        source = self._sources[variable.name].get(instant)
        if source is None:
            return None
        if variable.accumulated:
            summed = self._sum(plan, source, instant)
            if summed is None:
                return None
            values = summed
        else:
            values = self._read_source(variable.name, source)
        values = _converted(values, self._units[variable.name], variable.units)
        regridder = self._regridders.get((variable.name, source.record.grid_key))
        if regridder is not None:
            values = regridder(values)
        return np.array(values[self._window], dtype=np.float32)

    def _sum(self, plan: FieldPlan, place: FieldPlace, instant: Instant) -> Plane | None:
        """What was added since the step before; None at lead time 0, and where a sum that is needed is not there."""
        init, lead = run_of(place.record, plan.restart)
        if lead <= _ZERO:
            return None
        run = self._runs[plan.variable.name][init, place.record.member]
        if self._step is None:
            earlier = [other for other in run if _ZERO < other < lead]
            first = max([*earlier, min(start_of(p) for p in (place, *place.spans))])
        else:
            first = lead - self._step
        if first < _ZERO:
            raise DataError(
                f"{self._where(plan, instant)}: the sum began {_hours(lead)} h before, less than the step of "
                f"{_hours(lead - first)} h; begin with a later lead time"
            )
        return self._between(plan, run, first, lead, instant)

    def _between(
        self, plan: FieldPlan, run: Mapping[np.timedelta64, FieldPlace], first: np.timedelta64, last: np.timedelta64,
        instant: Instant,
    ) -> Plane | None:  # fmt: skip
        """The sum from `first` to `last` of the run's sums over spans: one of them, the difference of two, or several in a row.

        Raises:
            DataError: spans that do not fit, or a sum that falls.
        """
        name = plan.variable.name
        if last not in run:
            return None
        places = sorted((run[last], *run[last].spans), key=lambda p: abs(start_of(p) - first))
        for place in places:
            start = start_of(place)
            if start == first:
                return self._read_source(name, place)
            if start < first:
                before = self._between(plan, run, start, first, instant)
                if before is not None:
                    return self._increment(plan, self._read_source(name, place), before, instant)
            else:
                before = self._between(plan, run, first, start, instant)
                if before is not None:
                    return np.asarray(self._read_source(name, place) + before)
        if first in run:
            spans = ", ".join(f"{_hours(start_of(p))}-{_hours(last)}" for p in places)
            raise DataError(
                f"{self._where(plan, instant)}: sums over {spans} h cannot tell what was added from {_hours(first)} to "
                f"{_hours(last)} h; choose another step"
            )
        return None

    def _increment(self, plan: FieldPlan, values: Plane, before: Plane, instant: Instant) -> Plane:
        step = values - before
        # packing makes sums fall by a hair; a sum that began anew falls by what it had, over most of the field
        size = float(np.nanmax(np.abs(before), initial=0.0))
        if size and float(np.nanmean(step < -1e-3 * size)) > 0.2:
            raise DataError(
                f"{self._where(plan, instant)}: the sum since the start of the forecast falls; it begins anew before this "
                f'time. Set "restart" for {plan.variable.name} (such as "1d"), or "accumulated": false if the fields are no sums'
            )
        return np.asarray(step)

    def _read_source(self, name: str, source: FieldPlace) -> Plane:
        values = self.plans[name].without_fill(self._read_place(source))
        for twin in source.twins:
            other = self.plans[name].without_fill(self._read_place(twin))
            if not np.allclose(values, other, rtol=1e-6, atol=0, equal_nan=True):
                raise DataError(
                    f"{name} of {source.record.valid_time} stands in {source.path} and again in {twin.path} with other values; "
                    f"remove one"
                )
        if source.rest is not None and not np.isfinite(values).all():
            values = np.where(np.isfinite(values), values, self._read_place(source.rest))
        return values

    def _read_place(self, place: FieldPlace) -> Plane:
        values = self.reader(place.path).read(place.record)
        return self._orders.get((place.path, place.record.grid_key), CellOrder())(values)

    def reader(self, path: Path) -> ReaderABC:
        """The open file of this path; a few stay open."""
        if path in self._readers:
            self._readers.move_to_end(path)
        else:
            self._readers[path] = open_reader(path, self._arrays, self._time)
            while len(self._readers) > _OPEN_READERS:
                self._readers.popitem(last=False)[1].close()
        return self._readers[path]

    def part(self, instants: Sequence[Instant]) -> "PlaneReader":
        """The same for these instants alone, small enough to be sent to another process."""
        wanted = {name: set(instants) for name in self.plans}
        # inputs stand before what is made of them, so that a filter of a filter asks for what both need
        for plan in reversed(list(self.plans.values())):
            for offset in () if plan.filter is None else plan.filter.offsets:
                for name in plan.inputs.values():
                    wanted[name] |= {_shifted(instant, offset) for instant in wanted[plan.variable.name]}
        sources = {
            name: {i: places[i] for i in wanted[name] if i in places}
            | ({STATIC: places[STATIC]} if STATIC in places else {})
            for name, places in self._sources.items()
        }
        runs: dict[str, dict[Any, Any]] = {}
        for name, known in self._runs.items():
            restart = self.plans[name].restart
            keys = {(run_of(s.record, restart)[0], s.record.member) for s in sources[name].values()}
            runs[name] = {key: known[key] for key in keys if key in known}
        return PlaneReader(
            list(self.plans.values()), sources, runs, self._units, self._orders, self._regridders, self._window,
            self.shape, self._arrays, self._step, self._time,
        )  # fmt: skip

    def close(self) -> None:
        """Closes the files that it has opened."""
        for reader in self._readers.values():
            reader.close()
        self._readers.clear()
        self._kept.clear()

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_readers": OrderedDict(), "_kept": OrderedDict()}


STATIC: Instant = (np.datetime64("NaT"), _ZERO, None)


def _shifted(instant: Instant, offset: np.timedelta64) -> Instant:
    """Another instant of the series, where time goes on by the start, or of the forecast, where it does by the lead time."""
    init, lead, member = instant
    return (init + offset, lead, member) if lead == _ZERO else (init, lead + offset, member)


def start_of(place: FieldPlace) -> np.timedelta64:
    """From which lead time a sum runs."""
    return np.timedelta64(place.record.keys.get("since", _ZERO))


def _hours(lead: np.timedelta64) -> str:
    return f"{lead / np.timedelta64(3600, 's'):g}"


def run_of(record: Record, restart: np.timedelta64 | None) -> tuple[np.datetime64 | None, np.timedelta64]:
    """Start and lead time of a sum: the record's, or those that the restart of the sum tells."""
    valid = record.valid_time
    if restart is None or valid is None:
        return record.init_time, record.lead_time
    since = valid.astype("datetime64[s]").astype("int64") - 1
    length = int(restart / np.timedelta64(1, "s"))
    start = np.datetime64(int(since // length * length), "s")
    return start, valid - start


def _converted(plane: Plane, units: str, wanted: str | None) -> Plane:
    if not units or not wanted or normalise(units) == normalise(wanted):
        return plane
    scale, offset = conversion(units, wanted)
    return np.asarray(plane.astype(np.float64) * scale + offset, dtype=np.float32)

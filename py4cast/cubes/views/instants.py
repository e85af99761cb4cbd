"""Views along time and members: some instants, some members, periods one after the other."""

import hashlib
import itertools
from collections.abc import Sequence
from typing import Self

import numpy as np
from numpy.typing import NDArray

from py4cast.axis import TimeAxis
from py4cast.cubes.base import CubeABC, Planes, pairs_of
from py4cast.cubes.views.base import ViewCube
from py4cast.errors import DataError, SettingsError, nearest
from py4cast.grid import Grid
from py4cast.statistics import Stats, moments
from py4cast.timeline import duration, evenly, instant, is_on, later, show_duration, steps_between
from py4cast.units import same_units

__all__ = ["ConcatCube", "MembersCube", "TimesCube", "align", "digest"]

Index = NDArray[np.int64]


def digest(*parts: object) -> str:
    """The fingerprint of a view: of what it is and of what it is on."""
    return hashlib.sha256(repr(parts).encode()).hexdigest()


class _IndexedCube(ViewCube):
    """Abstract cube of some instants of another, in any order; −1 stands for a missing one."""

    def __init__(self, source: CubeABC, axis: TimeAxis, indices: Index) -> None:
        super().__init__(source)
        self.axis, self._indices = axis, indices
        steps = np.diff(indices, prepend=-2)
        # differences of neighbours are the source's own where neighbours are neighbours there
        keeps = axis.is_first | (indices < 0) | (np.roll(indices, 1) < 0) | (steps == 1)
        self._keeps_steps = bool(keeps.all())

    @property
    def fingerprint(self) -> str:
        return digest(type(self).__name__, self.source.fingerprint, hashlib.sha256(self._indices.tobytes()).hexdigest())

    def available(self, names: Sequence[str]) -> NDArray[np.bool_]:
        return np.asarray(self.source.available(names)[self._indices] & (self._indices >= 0))

    def _runs(self, start: int, stop: int) -> list[tuple[int, int, int]]:
        """Stretches `(offset, source start, count)` of neighbours in the source."""
        wanted = self._indices[start:stop]
        cuts = [0, *(np.flatnonzero(np.diff(wanted) != 1) + 1).tolist(), wanted.size]
        return [(a, int(wanted[a]), b - a) for a, b in itertools.pairwise(cuts) if b > a]

    def read(self, names: Sequence[str], start: int, stop: int, out: Planes) -> None:
        for offset, at, count in self._runs(start, stop):
            if at < 0:
                out[:, offset : offset + count] = np.nan
            else:
                self.source.read(names, at, at + count, out[:, offset : offset + count])

    def read_window(
        self, names: Sequence[str], start: int, stop: int, rows: slice, columns: slice, out: Planes
    ) -> None:
        for offset, at, count in self._runs(start, stop):
            if at < 0:
                out[:, offset : offset + count] = np.nan
            else:
                self.source.read_window(names, at, at + count, rows, columns, out[:, offset : offset + count])

    def statistics(self, inside: NDArray[np.bool_], names: Sequence[str] | None = None) -> tuple[Stats, Stats]:
        chosen = inside & (self._indices >= 0)
        mask = np.zeros(self.source.axis.size, dtype=bool)
        mask[self._indices[chosen]] = True
        # a difference counts when both instants are inside: the source must see no pair that this one does not
        pairs = np.flatnonzero(pairs_of(self.axis, chosen))
        theirs = np.flatnonzero(pairs_of(self.source.axis, mask))
        if self._keeps_steps and np.array_equal(np.sort(self._indices[pairs]), theirs):
            return self.source.statistics(mask, names)
        return self.source.statistics(mask, names)[0], super().statistics(inside, names)[1]

    def valid_mask(self, names: Sequence[str]) -> NDArray[np.bool_]:
        if self._indices.size == self.source.axis.size:
            return self.source.valid_mask(names)
        return super().valid_mask(names)


class TimesCube(_IndexedCube):
    """Creates the view of a period, of fewer instants, or of another axis with the same instants."""

    @classmethod
    def choose(cls, source: CubeABC, start: str | None, end: str | None, frequency: str | None) -> Self:
        """From `start` to `end` (both included), every `frequency`.

        Raises:
            SettingsError: a frequency that is no multiple of the step; DataError: nothing is left.
        """
        axis = source.axis
        starts = axis.times if axis.is_series else axis.init_times
        keep = np.ones(starts.size, dtype=bool)
        keep &= starts >= instant(start) if start else True
        keep &= starts <= instant(end, is_end=True) if end else True
        places = np.flatnonzero(keep)
        if not places.size:
            raise DataError(
                f"nothing from {start or 'the start'} to {end or 'the end'}; the source holds {starts[0]} to {starts[-1]}"
            )
        stride = 1
        if frequency:
            step = duration(frequency)
            if axis.length < 2 or step % axis.step:
                raise SettingsError(
                    f"frequency {frequency}: no multiple of the source's step, {show_duration(axis.step)}"
                )
            stride = int(step / axis.step)
        if axis.is_series:
            chosen = places[::stride]
            return cls(source, TimeAxis.series(axis.times[chosen]), chosen)
        leads = np.arange(0, axis.length, stride)
        runs = (places[:, None] * axis.num_members + np.arange(axis.num_members)).ravel()
        indices = (runs[:, None] * axis.length + leads[None]).ravel()
        return cls(source, TimeAxis.forecasts(axis.init_times[places], axis.lead_times[leads], axis.members), indices)


class MembersCube(_IndexedCube):
    """Creates the view of some members of forecasts; SettingsError names one that is not there."""

    def __init__(self, source: CubeABC, members: Sequence[int]) -> None:
        axis = source.axis
        for member in members:
            if member not in axis.members:
                raise SettingsError(f"members: no member {member}{nearest(str(member), map(str, axis.members))}")
        places = np.array([axis.members.index(m) for m in members])
        starts = np.arange(axis.init_times.size) * axis.num_members
        runs = (starts[:, None] + places[None]).ravel()
        indices = (runs[:, None] * axis.length + np.arange(axis.length)[None]).ravel()
        chosen = TimeAxis.forecasts(axis.init_times, axis.lead_times, members)
        # one member of analyses is a series like any other
        if len(members) == 1 and axis.length == 1 and not axis.lead_times.any():
            chosen = TimeAxis.series(axis.init_times)
        super().__init__(source, chosen, indices)


def align(cubes: Sequence[CubeABC]) -> list[CubeABC]:
    """The cubes at their common instants.

    Raises:
        DataError: none is common, steps differ, or forecasts that do not start, last or count the same.
    """
    first = cubes[0].axis
    if all(c.axis.is_series == first.is_series and np.array_equal(c.times, first.times) for c in cubes):
        return list(cubes)
    if not all(c.axis.is_series for c in cubes):
        raise DataError(
            "sources of forecasts can be joined only with the same starts, lead times and members; select them"
        )
    steps = {show_duration(c.axis.step) for c in cubes if c.axis.size > 1}
    if len(steps) > 1:
        raise DataError(f"sources have steps of {' and '.join(sorted(steps))}; give the finer one a frequency")
    start, end = max(c.times[0] for c in cubes), min(c.times[-1] for c in cubes)
    aligned: list[CubeABC] = []
    for cube in cubes:
        chosen = np.flatnonzero((cube.times >= start) & (cube.times <= end))
        aligned.append(TimesCube(cube, TimeAxis.series(cube.times[chosen]), chosen) if chosen.size else cube)
    if end < start or not all(np.array_equal(c.times, aligned[0].times) for c in aligned):
        spans = "; ".join(f"{c.times[0]} to {c.times[-1]}" for c in cubes)
        raise DataError(f"sources have no common instants: {spans}")
    return aligned


class ConcatCube(CubeABC):
    """Creates the view of several periods, one after the other.

    Raises:
        DataError: other grids or units, periods that overlap or leave a gap that is not allowed.
    """

    def __init__(self, parts: Sequence[CubeABC], fill_missing: bool = False) -> None:
        first = parts[0]
        for part in parts[1:]:
            check_same_grid(first, part)
            for variable in first.variables:
                other = part.variable(variable.name) if variable.name in part.names else None
                if other is None:
                    raise DataError(f"concat: a part lacks {variable.name!r}{nearest(variable.name, part.names)}")
                if not same_units(variable.units or "1", other.units or "1"):
                    raise DataError(f"concat: {variable.name} is in {variable.units!r} and in {other.units!r}")
            if part.axis.is_series != first.axis.is_series:
                raise DataError("concat: analyses and forecasts cannot follow each other")
        self.parts, self.variables = list(parts), first.variables
        self.axis, self._starts = self._joined(fill_missing)

    def _joined(self, fill_missing: bool) -> tuple[TimeAxis, list[int]]:
        """The axis, and where each part begins on it."""
        first = self.parts[0].axis
        if not first.is_series:
            for part in self.parts[1:]:
                if not np.array_equal(part.axis.lead_times, first.lead_times) or part.axis.members != first.members:
                    raise DataError("concat: forecasts have other lead times or members; select the common ones")
            starts = np.concatenate([p.axis.init_times for p in self.parts])
            if (np.diff(starts) <= np.timedelta64(0, "s")).any():
                raise DataError("concat: the starts of the forecasts do not follow each other")
            sizes = np.cumsum([0, *(p.axis.size for p in self.parts)])
            return TimeAxis.forecasts(starts, first.lead_times, first.members), sizes[:-1].tolist()
        step = max((p.axis.step for p in self.parts), default=first.step)
        for part in self.parts:
            if part.axis.length > 1 and part.axis.step != step:
                raise DataError(
                    f"concat: {part.times[0]} to {part.times[-1]} has steps of {show_duration(part.axis.step)}, another part of "
                    f"{show_duration(step)}; select every so many instants first"
                )
        for before, after in zip(self.parts[:-1], self.parts[1:], strict=True):
            gap = after.times[0] - before.times[-1]
            is_apart = gap > step and bool(is_on(after.times[:1], before.times[-1], step)[0])
            if later(before.times[-1], 1, step) != after.times[0] and not (fill_missing and is_apart):
                raise DataError(
                    f"concat: {before.times[-1]} is followed by {after.times[0]}, not by one step of {show_duration(step)}; "
                    + ('set "fill_missing": true if the gap is meant' if is_apart else "cut one with start or end")
                )
        start, end = self.parts[0].times[0], self.parts[-1].times[-1]
        places = [int(steps_between(start, p.times[0], step)) for p in self.parts]
        return TimeAxis.series(evenly(start, end, step)), places

    @property
    def grid(self) -> Grid:
        return self.parts[0].grid

    @property
    def fingerprint(self) -> str:
        return digest("concat", [p.fingerprint for p in self.parts], self._starts)

    def _pieces(self, start: int, stop: int) -> list[tuple[CubeABC, int, int, int]]:
        """Parts with their own first and last instant, and where those lie from `start`."""
        pieces = []
        for part, begin in zip(self.parts, self._starts, strict=True):
            low, high = max(start, begin), min(stop, begin + part.axis.size)
            if low < high:
                pieces.append((part, low - begin, high - begin, low - start))
        return pieces

    def available(self, names: Sequence[str]) -> NDArray[np.bool_]:
        mask = np.zeros(self.axis.size, dtype=bool)
        for part, first, last, at in self._pieces(0, self.axis.size):
            mask[at : at + last - first] = part.available(names)
        return mask

    def read(self, names: Sequence[str], start: int, stop: int, out: Planes) -> None:
        pieces = self._pieces(start, stop)
        if sum(last - first for _, first, last, _ in pieces) < stop - start:
            out[:] = np.nan
        for part, first, last, at in pieces:
            part.read(names, first, last, out[:, at : at + last - first])

    def static_fields(self) -> dict[str, Planes]:
        return self.parts[0].static_fields()

    def statistics(self, inside: NDArray[np.bool_], names: Sequence[str] | None = None) -> tuple[Stats, Stats]:
        chosen = list(names or self.names)
        fields, differences = [], []
        for part, _, last, at in self._pieces(0, self.axis.size):
            here = inside[at : at + last]
            if here.any():
                of_part = part.statistics(here, chosen)
                fields.append(of_part[0])
                differences.append(of_part[1])
            if at and self.axis.is_series and inside[at - 1] and here[0]:
                pair = np.empty((len(chosen), 2, *self.shape), dtype=np.float32)
                self.read(chosen, at - 1, at + 1, pair)
                differences.append(Stats.from_moments(chosen, moments(pair[:, 1] - pair[:, 0])))
        return Stats.merged(fields, chosen), Stats.merged(differences, chosen)

    def valid_mask(self, names: Sequence[str]) -> NDArray[np.bool_]:
        masks = [np.stack([p.valid_mask([n]) for p in self.parts]).any(axis=0) for n in names]
        return np.asarray(np.all(masks, axis=0))

    def close(self) -> None:
        for part in self.parts:
            part.close()


def check_same_grid(first: CubeABC, other: CubeABC) -> None:
    """Refuses sources on different grids; DataError describes both."""
    if not first.grid.same_as(other.grid):
        raise DataError(f'grids differ: {first.grid.describe()}; {other.grid.describe()}; set "regrid" for one of them')

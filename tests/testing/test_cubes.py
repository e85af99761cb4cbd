"""Checks of cubes and filters: what they accept, and what they refuse by name."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pytest

from py4cast.axis import TimeAxis
from py4cast.cubes.memory import MemoryCube
from py4cast.grid import Grid
from py4cast.planes.filters import registry
from py4cast.planes.filters.base import FilterABC, Plane
from py4cast.settings import Settings, setting
from py4cast.statistics import Stats
from py4cast.testing.cubes import check_cube, check_filter
from py4cast.variables import Variable
from tests.testing.registering import registered

START, HOUR = np.datetime64("2020-01-01T00", "s"), np.timedelta64(3600, "s")
Array = np.ndarray


def made(kind: type[MemoryCube]) -> MemoryCube:
    values = np.random.default_rng(0).normal(5, 2, (2, 6, 4, 5)).astype(np.float32)
    values[1, :, 0, 0] = np.nan
    grid = Grid(np.linspace(50, 40, 4), np.linspace(0, 8, 5))
    return kind([Variable(name="a"), Variable(name="b")], TimeAxis.series(START + np.arange(6) * HOUR), grid, values)


class Misshapen(MemoryCube):
    shape = (5, 4)


class Short(MemoryCube):
    def available(self, names: Sequence[str]) -> Array:
        return super().available(names)[1:]


class Moody(MemoryCube):
    def read(self, names: Sequence[str], start: int, stop: int, out: Array) -> None:
        super().read(names, start, stop, out)
        out += len(names)


class Renamed(MemoryCube):
    def variable(self, name: str) -> Variable:
        return Variable(name="a")


class Shifted(MemoryCube):
    def read_window(self, names: Sequence[str], start: int, stop: int, rows: slice, columns: slice, out: Array) -> None:
        super().read_window(names, start, stop, slice(rows.start - 1, rows.stop - 1), columns, out)


class Nameless(MemoryCube):
    fingerprint = ""


class Altered(MemoryCube):
    """One of its moments is another."""

    moment, by = "mean", 0.1

    def statistics(self, inside: Array, names: Sequence[str] | None = None) -> tuple[Stats, Stats]:
        stats, differences = super().statistics(inside, names)
        changed = {n: {**stats[n], self.moment: stats[n][self.moment] + self.by} for n in self.names}
        return Stats(changed), differences


class Widened(Altered):
    moment = "std"


class Unmasked(MemoryCube):
    def valid_mask(self, names: Sequence[str]) -> Array:
        return np.ones(self.shape, dtype=bool)


def test_a_good_cube_is_accepted() -> None:
    check_cube(made(MemoryCube))


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        (Misshapen, r"Misshapen: shape \(5, 4\), grid \(4, 5\)"),
        (Short, "Short: instants"),
        (Moody, "Moody: a read alone differs"),
        (Renamed, "Renamed: variable b"),
        (Shifted, "Shifted: a window differs"),
        (Nameless, "Nameless: fingerprint"),
        (Altered, "Altered: mean of a is .*, of its planes"),
        (Widened, "Widened: deviation of a is .*, of its planes"),
        (Unmasked, "Unmasked: valid cells of b"),
    ],
)
def test_a_bad_cube_is_refused(kind: type[MemoryCube], message: str) -> None:
    with pytest.raises(AssertionError, match=message):
        check_cube(made(kind))


@dataclass(frozen=True, slots=True, kw_only=True)
class SumSettings(Settings):
    """Which variables are added."""

    first: str | None = setting(None, "a variable")
    second: str | None = setting(None, "another")


class Sum(FilterABC):
    """The sum of two planes."""

    settings_kls: ClassVar[type] = SumSettings
    arguments = ("first", "second")

    def apply(self, planes: Mapping[str, Plane]) -> Any:
        return sum(planes.values())


class OverTime(Sum):
    """The sum over two instants."""

    @property
    def offsets(self) -> tuple[np.timedelta64, ...]:
        return (-HOUR, 0 * HOUR)

    def apply(self, planes: Mapping[str, Plane]) -> Any:
        (plane,) = planes.values()
        assert plane.shape[0] == 2
        return plane.sum(0)


class Flat(Sum):
    def apply(self, planes: Mapping[str, Plane]) -> Any:
        return super().apply(planes)[0]


class Drifting(Sum):
    calls = 0

    def apply(self, planes: Mapping[str, Plane]) -> Any:
        self.calls += 1
        return super().apply(planes) + self.calls


class Greedy(Sum):
    def apply(self, planes: Mapping[str, Plane]) -> Any:
        result = super().apply(planes)
        planes["first"][:] = 1.0
        return 0 * result


class Smoothing(Sum):
    def apply(self, planes: Mapping[str, Plane]) -> Any:
        total = super().apply(planes)
        return total - total.mean()


@pytest.mark.parametrize(
    ("kind", "settings"), [(Sum, {"first": "x", "second": "y"}), (Sum, {"second": "y"}), (OverTime, {"first": "x"})]
)
def test_a_good_filter_is_accepted(kind: type[Sum], settings: dict[str, str]) -> None:
    with registered(registry, kind) as name:
        check_filter(name, settings)


@pytest.mark.parametrize(
    ("kind", "settings", "message"),
    [
        (Sum, {}, r"tried: none of its arguments \('first', 'second'\) is given"),
        (Flat, {"first": "x"}, r"tried: gives \(5,\) of planes \(4, 5\)"),
        (Drifting, {"first": "x"}, "tried: two results differ"),
        (Greedy, {"first": "x"}, "tried: changes what it is given"),
        (Smoothing, {"first": "x"}, "tried: a cell depends on its neighbours"),
    ],
)
def test_a_bad_filter_is_refused(kind: type[Sum], settings: dict[str, str], message: str) -> None:
    with registered(registry, kind) as name, pytest.raises(AssertionError, match=message):
        check_filter(name, settings)

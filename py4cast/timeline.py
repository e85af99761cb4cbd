"""Times: UTC instants and durations as text, steps of hours or of months, and the periods of the splits.

A step of months is the mean month of the Gregorian calendar (30.436875 days, what numpy takes a month for) as a duration,
and counts months of the calendar where it is added to a time: a month after 1 January is 1 February.
"""

import re
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from py4cast.errors import SettingsError
from py4cast.settings import Settings, setting

__all__ = [
    "MONTH",
    "Period",
    "Periods",
    "ScoredPeriods",
    "Stretch",
    "duration",
    "evenly",
    "instant",
    "is_even",
    "is_on",
    "later",
    "month_start",
    "num_months",
    "show_duration",
    "step_of",
    "steps_between",
    "told",
]

MONTH = np.timedelta64(2_629_746, "s")
Times = NDArray[np.datetime64]

_MONTH_S = int(MONTH / np.timedelta64(1, "s"))
_UNITS = {
    "s": 1, "min": 60, "m": 60, "h": 3600, "d": 86400, "day": 86400, "days": 86400, "mon": _MONTH_S, "month": _MONTH_S, "months": _MONTH_S,
}  # fmt: skip
# `2019033006`, and as py4cast writes it in names of files and ecFlow gives it: `20190330T06`, `20190330T0630`
_OLDER = re.compile(r"^(\d{4})(\d{2})(\d{2})(?:T?(\d{2})(\d{2})?(\d{2})?)?$")


def instant(text: str, is_end: bool = False) -> np.datetime64:
    """The UTC time of `2019-03-01T06`, `2019-03-01T06:00Z` or `2019030106`; a bare date that ends a period means its last second.

    Raises:
        SettingsError: not a time, or with an offset from UTC.
    """
    plain = text.strip().removesuffix("Z")
    if match := _OLDER.match(plain):
        year, month, day, hour, minute, second = match.groups()
        plain = f"{year}-{month}-{day}" + (f"T{hour}:{minute or '00'}:{second or '00'}" if hour else "")
    try:
        if re.search(r"T.*[+-]\d", plain):
            raise ValueError("offset")
        value = np.datetime64(plain.replace(" ", "T"), "s")
        if np.isnat(value):
            raise ValueError("not a time")
    except ValueError:
        raise SettingsError(
            f"time {text!r}: expected UTC such as 2019-03-01T06 or 2019030106, without offset"
        ) from None
    if is_end and "T" not in plain.replace(" ", "T"):
        return value + np.timedelta64(86399, "s")
    return value


def duration(text: str) -> np.timedelta64:
    """The duration of `1h`, `15min`, `6h`, `1d` or `1mon`; SettingsError when it is none or not positive."""
    match = re.fullmatch(r"\s*(\d{1,9})\s*(s|min|m|h|d|day|days|mon|month|months)\s*", text)
    if not match or int(match[1]) == 0:
        raise SettingsError(f"duration {text!r}: expected a number and a unit, such as 1h, 15min, 1d or 1mon")
    return np.timedelta64(int(match[1]) * _UNITS[match[2]], "s")


def show_duration(value: np.timedelta64) -> str:
    """The shortest text of a duration that `duration` reads."""
    seconds = int(value / np.timedelta64(1, "s"))
    if months := num_months(value):
        return f"{months}mon"
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds % length == 0:
            return f"{seconds // length}{unit}"
    return f"{seconds}s"


def num_months(step: np.timedelta64) -> int:
    """How many months of the calendar a step is; 0 for one of hours or days."""
    months, rest = divmod(int(step / np.timedelta64(1, "s")), _MONTH_S)
    return months if rest == 0 else 0


def told(step: np.timedelta64) -> str:
    """A step in words: `3600 seconds`, or `1mon` for months."""
    return show_duration(step) if num_months(step) else str(step)


def month_start(times: Times | np.datetime64) -> Any:
    """The beginning of the months that times lie in."""
    return np.asarray(times).astype("datetime64[M]").astype("datetime64[s]")


def later(start: Times | np.datetime64, count: NDArray[np.int64] | int, step: np.timedelta64) -> Any:
    """The times `count` steps after `start`: start + count · step, or so many months of the calendar later.

    A day that a month does not have becomes its last: a month after 31 January is the end of February.
    """
    start = np.asarray(start).astype("datetime64[s]")
    months = num_months(step)
    if not months:
        return np.asarray(start + np.asarray(count) * step)
    first = start.astype("datetime64[M]")
    month = first + np.asarray(count) * np.timedelta64(months, "M")
    longest = (month + np.timedelta64(1, "M")).astype("datetime64[s]") - month.astype("datetime64[s]")
    within = start - first.astype("datetime64[s]")
    day, time_of_day = within // np.timedelta64(86400, "s"), within % np.timedelta64(86400, "s")
    days = np.minimum(day, longest // np.timedelta64(86400, "s") - 1)
    return np.asarray(month.astype("datetime64[s]") + days * np.timedelta64(86400, "s") + time_of_day)


def is_on(times: Times, first: np.datetime64, step: np.timedelta64) -> NDArray[np.bool_]:
    """Whether each time is a whole number of steps from `first`."""
    return np.asarray(later(first, steps_between(first, times, step), step) == times)


def steps_between(first: np.datetime64, times: Times | np.datetime64, step: np.timedelta64) -> NDArray[np.int64]:
    """How many steps lie between `first` and each time, rounded down."""
    times = np.asarray(times).astype("datetime64[s]")
    if months := num_months(step):
        apart = (times.astype("datetime64[M]") - first.astype("datetime64[M]")).astype(np.int64)
        return np.asarray(apart // months)
    return np.asarray((times - first.astype("datetime64[s]")) // step).astype(np.int64)


def evenly(first: np.datetime64, last: np.datetime64, step: np.timedelta64) -> Times:
    """The times from `first` to `last`, both included, a step apart."""
    return np.asarray(later(first, np.arange(int(steps_between(first, last, step)) + 1), step))


def is_even(times: Times) -> bool:
    """Whether times follow each other a step apart, none left out."""
    step = step_of(times)
    return bool(step > np.timedelta64(0, "s")) and np.array_equal(evenly(times[0], times[-1], step), times)


def step_of(times: Times) -> np.timedelta64:
    """The smallest distance between neighbours, 0 for one time; months where all are beginnings of months."""
    if len(times) < 2:
        return np.timedelta64(0, "s")
    times = np.asarray(times).astype("datetime64[s]")
    if np.array_equal(times, month_start(times)):
        return MONTH * int(np.diff(times.astype("datetime64[M]")).astype(np.int64).min())
    return np.timedelta64(np.diff(times).min(), "s")


def _inside(times: Times, start: str, end: str, months: tuple[int, ...]) -> NDArray[np.bool_]:
    """Whether times lie between two instants, both included, and in months of the calendar, if any are named."""
    seconds = np.asarray(times, dtype="datetime64[s]")
    inside = (seconds >= instant(start)) & (seconds <= instant(end, is_end=True))
    if months:
        inside &= np.isin(seconds.astype("datetime64[M]").astype(np.int64) % 12 + 1, months)
    return np.asarray(inside)


def _check_stretch(start: str, end: str, months: tuple[int, ...]) -> None:
    if instant(end, is_end=True) < instant(start):
        raise ValueError(f"end {end} lies before start {start}")
    if not all(1 <= month <= 12 for month in months):
        raise ValueError(f"months {list(months)}: expected numbers from 1 to 12")


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch(Settings):
    """A stretch of time within a period, both ends included."""

    start: str = setting(help="first instant, UTC")
    end: str = setting(help="last instant, UTC; a bare date means the whole day")
    months: tuple[int, ...] = setting((), "months of the calendar, such as [12, 1, 2]; by default all")

    def __post_init__(self) -> None:
        _check_stretch(self.start, self.end, self.months)


@dataclass(frozen=True, slots=True, kw_only=True)
class Part(Settings):
    """One of the stretches of a period, both ends included, and what of it is left out."""

    start: str = setting(help="first instant, UTC")
    end: str = setting(help="last instant, UTC; a bare date means the whole day")
    months: tuple[int, ...] = setting((), "months of the calendar, such as [12, 1, 2]; by default all")
    without: tuple[Stretch, ...] = setting((), "stretches within it that are left out")

    left_out: ClassVar[tuple[str, ...]] = ("without",)

    def __post_init__(self) -> None:
        _check_stretch(self.start, self.end, self.months)

    def contains(self, times: Times) -> NDArray[np.bool_]:
        """Whether times belong to it."""
        inside = _inside(times, self.start, self.end, self.months)
        for stretch in self.without:
            inside &= ~_inside(times, stretch.start, stretch.end, stretch.months)
        return inside


@dataclass(frozen=True, slots=True, kw_only=True)
class Period(Settings):
    """A stretch of time, both ends included; or several, as a list of them."""

    start: str = setting(help="first instant, UTC, such as 2019-03-01T00")
    end: str = setting(help="last instant, UTC; a bare date means the whole day")
    init_step: str | None = setting(None, "distance between the starts of two forecasts; by default every step")
    months: tuple[int, ...] = setting((), "months of the calendar, such as [12, 1, 2]; by default all")
    without: tuple[Stretch, ...] = setting((), "stretches within it that are left out, such as a month of wrong data")
    parts: tuple[Part, ...] = setting((), "what a list of stretches became: only they count")

    # settings that stand in no document while they say nothing, so that older stores and files are found again
    left_out: ClassVar[tuple[str, ...]] = ("months", "without", "parts")

    def __post_init__(self) -> None:
        _check_stretch(self.start, self.end, self.months)
        if self.init_step is not None:
            duration(self.init_step)

    @classmethod
    def document_of_list(cls, documents: list[Any]) -> dict[str, Any]:
        """The document of a period of several stretches, each an object with start, end, months and without; what is wrong is told later."""
        whole = [d for d in documents if isinstance(d, dict) and {"start", "end"} <= set(d)]
        if not whole or len(whole) < len(documents):
            return {"parts": documents}
        try:
            first = min((str(d["start"]) for d in whole), key=instant)
            last = max((str(d["end"]) for d in whole), key=lambda text: instant(text, is_end=True))
        except SettingsError:
            first, last = str(whole[0]["start"]), str(whole[0]["end"])
        return {"start": first, "end": last, "parts": documents}

    def contains(self, times: Times) -> NDArray[np.bool_]:
        """Whether times belong to it."""
        inside = _inside(times, self.start, self.end, self.months)
        if self.parts:
            inside &= np.any([part.contains(times) for part in self.parts], axis=0)
        for stretch in self.without:
            inside &= ~_inside(times, stretch.start, stretch.end, stretch.months)
        return inside

    @classmethod
    def of(cls, times: NDArray[np.datetime64]) -> Self:
        """From the first to the last of some instants."""
        return cls(start=str(times.min()), end=str(times.max()))

    @property
    def first(self) -> np.datetime64:
        """The first instant of the period, UTC."""
        return instant(self.start)

    @property
    def last(self) -> np.datetime64:
        """The last instant of the period, UTC."""
        return instant(self.end, is_end=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Periods(Settings):
    """The periods of the three splits."""

    train: Period = setting(help="what is learned from; statistics come from here alone")
    valid: Period = setting(help="what chooses the best epoch")
    test: Period = setting(help="what is scored in the end")

    @property
    def in_order(self) -> tuple[Period, Period, Period]:
        """The periods of train, valid and test."""
        return self.train, self.valid, self.test

    @property
    def known(self) -> dict[str, Period]:
        """The three periods by the name of their split."""
        return {"train": self.train, "valid": self.valid, "test": self.test}

    @property
    def described(self) -> Period:
        """The period whose statistics describe the data."""
        return self.train


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoredPeriods(Settings):
    """The periods of data that nothing is trained on: a Forecaster is verified or calibrated on them, or starts from them."""

    test: Period = setting(help="what is scored")
    valid: Period | None = setting(None, "what a calibration is fitted on")

    @property
    def in_order(self) -> tuple[None, Period | None, Period]:
        """The periods of train, valid and test; None for one that is not given."""
        return None, self.valid, self.test

    @property
    def known(self) -> dict[str, Period]:
        """The periods that are given, by split."""
        return {"test": self.test} if self.valid is None else {"valid": self.valid, "test": self.test}

    @property
    def described(self) -> Period:
        """The period whose statistics describe the data."""
        return self.test

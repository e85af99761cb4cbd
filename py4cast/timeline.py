"""Times: UTC instants and durations as text, and the periods of the splits."""

import re
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from py4cast.errors import SettingsError
from py4cast.settings import Settings, setting

__all__ = ["Period", "Periods", "duration", "instant", "show_duration"]

_UNITS = {"s": 1, "min": 60, "m": 60, "h": 3600, "d": 86400, "day": 86400, "days": 86400}
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
    """The duration of `1h`, `15min`, `6h` or `1d`; SettingsError when it is none or not positive."""
    match = re.fullmatch(r"\s*(\d+)\s*(s|min|m|h|d|day|days)\s*", text)
    if not match or int(match[1]) == 0:
        raise SettingsError(f"duration {text!r}: expected a number and a unit, such as 1h, 15min or 1d")
    return np.timedelta64(int(match[1]) * _UNITS[match[2]], "s")


def show_duration(value: np.timedelta64) -> str:
    """The shortest text of a duration that `duration` reads."""
    seconds = int(value / np.timedelta64(1, "s"))
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds % length == 0:
            return f"{seconds // length}{unit}"
    return f"{seconds}s"


@dataclass(frozen=True, slots=True, kw_only=True)
class Period(Settings):
    """A stretch of time, both ends included."""

    start: str = setting(help="first instant, UTC, such as 2019-03-01T00")
    end: str = setting(help="last instant, UTC; a bare date means the whole day")
    init_step: str | None = setting(None, "distance between the starts of two forecasts; by default every step")

    def __post_init__(self) -> None:
        if self.last < self.first:
            raise ValueError(f"end {self.end} lies before start {self.start}")
        if self.init_step is not None:
            duration(self.init_step)

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

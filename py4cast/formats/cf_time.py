"""Times in CF files: instants and durations out of numbers or text, in any calendar, rounded to what they mean.

A number counts units since a reference date. One that was stored in few digits (hours or days as 32-bit floats) lies
beside what it means by up to the resolution ε of its type there; the coarsest step of a clock of at least 4 ε that all
numbers fit to 2 ε tells what was meant. Days of the year are carried from model calendars to the real one so that the
season stays: those of 365 days keep their dates; day d of a year of 360 becomes day ⌊d·N/360⌋ of the N real ones, but where
instants lie a month apart their dates are kept.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from py4cast.errors import DataError

__all__ = [
    "DURATIONS",
    "Instants",
    "TimeDescription",
    "decode_durations",
    "decode_instants",
    "is_reference",
    "parse_instants",
    "times_of",
]

_ZERO = np.timedelta64(0, "s")
Instants = NDArray[np.datetime64]
Durations = NDArray[np.timedelta64]

_SPELLINGS = {
    1e-9: ("ns", "nanosecond", "nanoseconds"), 1e-6: ("us", "microsecond", "microseconds"),
    1e-3: ("ms", "msec", "millisecond", "milliseconds"), 1.0: ("s", "sec", "secs", "second", "seconds"),
    60.0: ("min", "mins", "minute", "minutes"), 3600.0: ("h", "hr", "hrs", "hour", "hours"),
    86400.0: ("d", "day", "days"), 604800.0: ("week", "weeks"),
}  # fmt: skip
DURATIONS = {spelling: seconds for seconds, spellings in _SPELLINGS.items() for spelling in spellings}
_MONTHS = {"month": 1, "months": 1, "mon": 1, "year": 12, "years": 12, "yr": 12, "common_year": 12, "common_years": 12}
_REAL = ("", "standard", "gregorian", "proleptic_gregorian", "none")
_MODEL = {"noleap": "noleap", "365_day": "noleap", "360_day": "360_day", "julian": "julian", "all_leap": "all_leap", "366_day": "all_leap"}  # fmt: skip
_CLOCK = (86400, 43200, 21600, 10800, 7200, 3600, 1800, 1200, 900, 600, 300, 120, 60, 30, 20, 15, 10, 5, 2, 1)
_DATE = re.compile(
    r"(?P<year>\d{1,4})-(?P<month>\d{1,2})(?:-(?P<day>\d{1,2}))?"
    r"(?:[T\s_]+(?P<hour>\d{1,2})(?::(?P<minute>\d{1,2}))?(?::(?P<second>\d{1,2}(?:\.\d*)?))?)?"
    r"\s*(?P<zone>Z|UTC|GMT|[+-]\d{1,2}(?::?\d{2})?)?"
)
_EPOCH = np.datetime64("1970-01-01", "s")
_EPOCH_DAY = 2_440_588  # Julian day number of 1970-01-01
_REFORM = (1582, 10, 15)


@dataclass(frozen=True, slots=True)
class TimeDescription:
    """What the times of files mean, where the files say it wrongly or not at all.

    Args:
        units: such as `hours since 1900-01-01`, for time axes.
        calendar: such as `noleap`.
        from_name: the end of a file's path, with `%Y %m %d %H %M %S %j` for the instant of its fields.
        lead_units: such as `h`, for lead times.
    """

    units: str | None = None
    calendar: str | None = None
    from_name: str | None = None
    lead_units: str | None = None


def is_reference(units: str) -> bool:
    """Whether units count from a date: `hours since 2020-01-01`, or `day as %Y%m%d.%f`."""
    text = str(units).lower()
    return " since " in text or " as %y" in text


def decode_instants(values: Any, units: str, calendar: str = "standard") -> Instants:
    """Instants [UTC] of numbers in `units` since a date, of the shape of `values`; NaT where a number is missing.

    Raises:
        DataError: units or a calendar that are none; numbers whose type is too coarse for what they should tell.
    """
    numbers = np.asarray(values)
    kind = (calendar or "").strip().lower()
    if kind not in _REAL and kind not in _MODEL:
        raise DataError(f"calendar {calendar!r}: expected standard, 365_day, 360_day, 366_day or julian")
    if " as %y" in units.lower():
        return _of_digits(numbers, units)
    count, _, since = (part.strip() for part in re.split(r"(\ssince\s)", units, maxsplit=1, flags=re.IGNORECASE))
    reference = _reference(since, units)
    known = np.isfinite(numbers) if numbers.dtype.kind == "f" else np.ones(numbers.shape, dtype=bool)
    instants = np.full(numbers.shape, np.datetime64("NaT"), dtype="datetime64[s]")
    if not known.any():
        return instants
    if count.lower() in _MONTHS and kind not in _MODEL:
        instants[known] = _add_months(reference, numbers[known] * _MONTHS[count.lower()], units)
        return instants
    seconds = _seconds(numbers[known], count, units, reference[1])
    instants[known] = (
        _start(reference, kind) + seconds.astype("timedelta64[s]")
        if kind in _REAL
        else _of_model(seconds, reference, _MODEL[kind], np.diff(np.unique(seconds)).astype(np.int64))
    )
    return instants


def decode_durations(values: Any, units: str) -> Durations:
    """Durations of numbers in any spelling of a unit of time; NaT where a number is missing.

    Raises:
        DataError: units that are none of time.
    """
    numbers = np.asarray(values)
    if numbers.dtype.kind == "m":
        return numbers.astype("timedelta64[s]")
    known = np.isfinite(numbers) if numbers.dtype.kind == "f" else np.ones(numbers.shape, dtype=bool)
    durations = np.full(numbers.shape, np.timedelta64("NaT"), dtype="timedelta64[s]")
    if known.any():
        durations[known] = _seconds(numbers[known], units, units, 0).astype("timedelta64[s]")
    return durations


def parse_instants(texts: Sequence[Any] | NDArray[Any]) -> Instants:
    """Instants [UTC] that stand as text, `2020-02-27_00:00:00`; DataError for what is no date."""
    array = np.asarray(texts)
    flat = [t.decode(errors="replace") if isinstance(t, bytes) else str(t) for t in array.reshape(-1)]
    return np.array([_start(_reference(t.strip(), t), "") for t in flat], dtype="datetime64[s]").reshape(array.shape)


def _seconds(numbers: NDArray[Any], count: str, units: str, offset: int) -> NDArray[np.int64]:
    """Whole seconds of numbers in a unit, rounded to what they mean where their type is coarse.

    Args:
        numbers: finite.
        count: the unit.
        units: the whole text, for messages.
        offset: seconds of the day at which the numbers begin.
    """
    factor = DURATIONS.get(count.lower())
    if factor is None:
        raise DataError(f"units {units!r}: {count!r} is no unit of time; expected seconds, minutes, hours or days")
    if numbers.dtype.kind in "iub":
        if factor >= 1:
            return numbers.astype(np.int64) * int(factor)
        return np.rint(numbers.astype(np.float64) * factor).astype(np.int64)
    exact = numbers.astype(np.float64) * factor
    resolution = float(np.spacing(np.abs(numbers).max())) * factor
    if resolution < 0.125:
        return np.rint(exact).astype(np.int64)
    clock, num_told = exact + offset, np.unique(exact).size
    for step in _CLOCK:
        meant = np.rint(clock / step) * step
        is_near = bool((np.abs(clock - meant) <= 2 * resolution).all())
        # a clock that makes one of two times is too coarse
        if step >= 4 * resolution and is_near and np.unique(meant).size == num_told:
            return (meant - offset).astype(np.int64)
    raise DataError(
        f"units {units!r}: {numbers.dtype} numbers up to {np.abs(numbers).max():g} tell times to {resolution:.0f} s only, "
        f"and no clock fits them"
    )


def _reference(text: str, units: str) -> tuple[tuple[int, int, int], int]:
    """Year, month, day and seconds of the day (zone taken off) of a date; DataError when it is none."""
    match = _DATE.fullmatch(text.strip())
    if match is None:
        raise DataError(f"units {units!r}: {text!r} is no date, such as 1900-01-01 00:00:00")
    date = int(match["year"]), int(match["month"]), int(match["day"] or 1)
    seconds = int(match["hour"] or 0) * 3600 + int(match["minute"] or 0) * 60 + round(float(match["second"] or 0))
    zone = re.fullmatch(r"([+-])(\d{1,2}):?(\d{2})?", match["zone"] or "")
    if zone:
        seconds -= (1 if zone[1] == "+" else -1) * (int(zone[2]) * 3600 + int(zone[3] or 0) * 60)
    if not (1 <= date[1] <= 12 and 1 <= date[2] <= 31 and int(match["hour"] or 0) <= 24):
        raise DataError(f"units {units!r}: {text!r} is no date")
    return date, seconds


def _start(reference: tuple[tuple[int, int, int], int], kind: str) -> np.datetime64:
    """The reference as an instant; before the reform of 1582 a mixed calendar counts by Julian dates."""
    (year, month, day), seconds = reference
    if kind != "proleptic_gregorian" and (year, month, day) < _REFORM:
        import cftime

        days = cftime.datetime(year, month, day, calendar="standard", has_year_zero=False).toordinal() - _EPOCH_DAY
        return np.datetime64(_EPOCH + np.timedelta64(int(days) * 86400 + seconds, "s"))
    try:
        return np.datetime64(np.datetime64(f"{year:04d}-{month:02d}-{day:02d}", "s") + np.timedelta64(seconds, "s"))
    except ValueError:
        raise DataError(f"{year:04d}-{month:02d}-{day:02d} is no date of the real calendar") from None


def _add_months(reference: tuple[tuple[int, int, int], int], numbers: NDArray[Any], units: str) -> Instants:
    """Whole months after a date."""
    months = np.rint(numbers.astype(np.float64))
    if np.abs(numbers - months).max() > 1e-3:
        raise DataError(f"units {units!r}: {float(numbers[0]):g} is no whole number of months, which differ in length")
    start = _start(reference, "")
    first = start.astype("datetime64[M]")
    rest = start - first.astype("datetime64[s]")
    return np.asarray((first + months.astype(np.int64).astype("timedelta64[M]")).astype("datetime64[s]") + rest)


def _of_digits(numbers: NDArray[Any], units: str) -> Instants:
    """Instants that stand as digits, `20200227.25`: days with a fraction."""
    if not units.lower().startswith(("day as %y%m%d", "days as %y%m%d")):
        raise DataError(f"units {units!r}: expected a count of time since a date, or day as %Y%m%d.%f")
    days = np.floor(numbers.astype(np.float64) + 1e-6).astype(np.int64)
    text = [f"{d:08d}" for d in days.reshape(-1)]
    try:
        dates = np.array([f"{t[:4]}-{t[4:6]}-{t[6:8]}" for t in text], dtype="datetime64[s]").reshape(numbers.shape)
    except ValueError:
        raise DataError(f"units {units!r}: {text[0]} is no date") from None
    fraction = numbers.astype(np.float64) - days
    return np.asarray(dates + (np.rint(fraction * 1440) * 60).astype("timedelta64[s]"))


def _of_model(
    seconds: NDArray[np.int64], reference: tuple[tuple[int, int, int], int], calendar: str, steps: NDArray[np.int64]
) -> Instants:
    """Real instants of seconds since a date of a model's calendar."""
    import cftime

    (year, month, day), offset = reference
    try:
        dates = cftime.num2date(seconds + offset, f"seconds since {year:04d}-{month:02d}-{day:02d}", calendar)
    except ValueError as error:
        raise DataError(f"calendar {calendar}: {error}") from None
    keeps_dates = calendar != "360_day" or bool(steps.size and steps.min() >= 28 * 86400)
    return np.array([_real(date, calendar, keeps_dates) for date in np.atleast_1d(dates)], dtype="datetime64[s]")


def _real(date: Any, calendar: str, keeps_dates: bool) -> np.datetime64:
    clock = np.timedelta64(date.hour * 3600 + date.minute * 60 + date.second, "s")
    if not keeps_dates:
        first = np.datetime64(f"{date.year:04d}-01-01", "D")
        length = int((np.datetime64(f"{date.year + 1:04d}-01-01", "D") - first) / np.timedelta64(1, "D"))
        return np.datetime64(
            (first + np.timedelta64((date.dayofyr - 1) * length // 360, "D")).astype("datetime64[s]") + clock
        )
    if calendar == "360_day" and date.day > 28:
        # months end on the 30th there
        end = np.datetime64(f"{date.year:04d}-{date.month:02d}", "M") + np.timedelta64(1, "M")
        last = end.astype("datetime64[D]") - np.timedelta64(1, "D")
        date_of = min(
            last, np.datetime64(f"{date.year:04d}-{date.month:02d}-28", "D") + np.timedelta64(date.day - 28, "D")
        )
        return np.datetime64(date_of.astype("datetime64[s]") + clock)
    try:
        return np.datetime64(np.datetime64(f"{date.year:04d}-{date.month:02d}-{date.day:02d}", "s") + clock)
    except ValueError:
        raise DataError(
            f"calendar {calendar}: {date.year:04d}-{date.month:02d}-{date.day:02d} is no day of the real calendar"
        ) from None


def times_of(at: dict[str, Any]) -> tuple[np.datetime64 | None, np.timedelta64]:
    """Start and lead time from any two of init, lead and valid time, or an analysis time alone."""
    init, lead, valid = at.get("init"), at.get("lead"), at.get("time")
    if init is None and valid is None:
        return None, _ZERO if lead is None else _duration(lead)
    if init is None:
        # beside a lead time, `time` is the start of the forecast, as cfgrib and WeatherBench 2 have it
        return np.datetime64(valid, "s"), _ZERO if lead is None else _duration(lead)
    if lead is None:
        return np.datetime64(init, "s"), _ZERO if valid is None else _duration(valid - init)
    return np.datetime64(init, "s"), _duration(lead)


def _duration(lead: Any) -> np.timedelta64:
    return np.timedelta64(np.asarray(lead).astype("timedelta64[s]").item(), "s")

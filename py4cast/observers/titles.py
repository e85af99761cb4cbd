"""What stands above charts: of which forecasts they are, from when, and when they are valid."""

from typing import Any

import numpy as np

from py4cast.timeline import later, num_months, show_duration

__all__ = ["Starts", "of_case", "shown_time", "times_of"]


def shown_time(time: np.datetime64) -> str:
    """A time as it is read: `2020-03-01 06:00 UTC`."""
    return f"{str(time.astype('datetime64[m]')).replace('T', ' ')} UTC"


def of_case(start: np.datetime64 | None, lead: np.timedelta64) -> str:
    """Of one forecast: `2020-03-01 06:00 UTC +6 h, valid 2020-03-01 12:00 UTC`; without a start the lead time alone."""
    ahead = f"+{show_duration(lead)}" if num_months(lead) else f"+{lead / np.timedelta64(1, 'h'):g} h"
    if start is None:
        return ahead
    return f"{shown_time(start)} {ahead}, valid {shown_time(later(start, 1, lead))}"


class Starts:
    """Creates a note of the starts of the forecasts that a chart is made of, empty at first."""

    def __init__(self) -> None:
        self._first: np.datetime64 | None = None
        self._last: np.datetime64 | None = None
        self._count = 0

    def see(self, obj: Any, count: int) -> None:
        """Notes the first `count` forecasts of the batch that `obj`, the Lightning module, shows now."""
        times = times_of(obj)
        self._count += count
        if times is None:
            return
        shown = np.asarray(times)[:count]
        self._first = shown.min() if self._first is None else min(self._first, shown.min())
        self._last = shown.max() if self._last is None else max(self._last, shown.max())

    def pack(self) -> Any:
        """What another process needs to note these too."""
        return self._first, self._last, self._count

    def add_packed(self, packed: Any) -> None:
        """Notes what another process packed."""
        first, last, count = packed
        self._count += count
        if first is not None:
            self._first = first if self._first is None else min(self._first, first)
            self._last = last if self._last is None else max(self._last, last)

    def title(self, what: str) -> str:
        """`what of 64 forecasts, 2020-03-01 00:00 UTC to 2020-03-03 12:00 UTC`; the forecasts seen are forgotten then."""
        text = f"{what} of {self._count} forecast{'s' if self._count != 1 else ''}"
        if self._first is not None and self._last is not None:
            text += f", {shown_time(self._first)}"
            text += f" to {shown_time(self._last)}" if self._last != self._first else ""
        self._first, self._last, self._count = None, None, 0
        return text


def times_of(obj: Any) -> Any:
    """The starts of the batch that the Lightning module shows, `(batch,)`; None where its data have no dates."""
    return getattr(obj, "init_times", None)

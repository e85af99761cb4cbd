"""Starts of hindcasts: a period and how often, or times by name."""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from py4cast.errors import SettingsError
from py4cast.timeline import duration, instant, later

__all__ = ["Starts"]

_MAX_STARTS = 1_000_000


@dataclass(frozen=True, slots=True)
class Starts:
    """Creates the starts of hindcasts.

    Args:
        times: in order, each once.
        is_named: whether each was asked for by name, so that none may lack.
    """

    times: NDArray[np.datetime64]
    is_named: bool

    @classmethod
    def of(cls, text: str) -> Self:
        """The starts of `FIRST/LAST/EVERY`, or of times by comma.

        Raises:
            SettingsError: neither of them, a period that ends before it begins, more than a million starts.
        """
        parts = text.split("/")
        if len(parts) == 1:
            times = np.array([instant(part) for part in text.split(",") if part.strip()], dtype="datetime64[s]")
            if not times.size:
                raise SettingsError(f"--init_times {text!r}: expected FIRST/LAST/EVERY, or times by comma")
            return cls(np.unique(times), True)
        if len(parts) != 3:
            raise SettingsError(f"--init_times {text!r}: expected FIRST/LAST/EVERY, such as 2022-01-01/2022-12-31/12h")
        first, last, every = instant(parts[0]), instant(parts[1], is_end=True), duration(parts[2])
        if last < first:
            raise SettingsError(f"--init_times {text!r}: ends before it begins")
        # of months a step more than the mean one may fit
        count = int((last - first) / every) + 2
        if count > _MAX_STARTS:
            raise SettingsError(f"--init_times {text!r}: {count} starts; expected at most {_MAX_STARTS}")
        times = later(first, np.arange(count), every)
        return cls(times[times <= last], False)

"""TimeAxis: the instants of a series of analyses, or of many forecasts one behind the other.

Both are one row of instants. A series is a single run as long as it is; forecasts (reforecasts, an ensemble) are
runs of equal length, ordered by `init_time`, then `member`, then `lead_time`. A window of instants is a sample's
only within one run, so that one sampler serves both.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from py4cast.timeline import Period, duration, is_on, later, num_months, step_of

__all__ = ["Instant", "TimeAxis"]

Times = NDArray[np.datetime64]
Instant = tuple[np.datetime64, np.timedelta64, int | None]
_ZERO = np.timedelta64(0, "s")
_LEAST_MONTH = np.timedelta64(28 * 86400, "s")


@dataclass(frozen=True, eq=False)
class TimeAxis:
    """Creates an axis; `series` and `forecasts` make one.

    Args:
        init_times: start of every run, `(runs / members,)`; the first instant alone for a series.
        lead_times: evenly spaced distances from the start, `(length,)`.
        members: of every start, empty when there are none.
        is_series: whether it is one series of analyses.
    """

    init_times: Times
    lead_times: NDArray[np.timedelta64]
    members: tuple[int, ...] = ()
    is_series: bool = True
    times: Times = field(init=False)

    def __post_init__(self) -> None:
        starts = np.asarray(self.init_times, dtype="datetime64[s]").repeat(self.num_members)
        leads = np.asarray(self.lead_times, dtype="timedelta64[s]")
        object.__setattr__(self, "times", (starts[:, None] + leads[None, :]).ravel())

    @classmethod
    def series(cls, times: Times) -> Self:
        """The axis of evenly spaced analyses."""
        seconds = np.asarray(times, dtype="datetime64[s]")
        return cls(seconds[:1], seconds - seconds[:1])

    @classmethod
    def forecasts(cls, init_times: Times, lead_times: NDArray[np.timedelta64], members: Sequence[int] = ()) -> Self:
        """The axis of forecasts, one run per start and member."""
        return cls(np.asarray(init_times, dtype="datetime64[s]"), lead_times, tuple(members), False)

    def same_as(self, other: "TimeAxis") -> bool:
        """Whether both have the same instants, in the same order."""
        pairs = (self.init_times, other.init_times), (self.lead_times, other.lead_times)
        is_one = (self.members, self.is_series) == (other.members, other.is_series)
        return is_one and all(np.array_equal(mine, theirs) for mine, theirs in pairs)

    @property
    def size(self) -> int:
        """The number of instants, over all runs."""
        return int(self.times.size)

    @property
    def length(self) -> int:
        """The number of instants in each run."""
        return int(self.lead_times.size)

    @property
    def num_members(self) -> int:
        """The number of runs of each start; 1 where there are no members."""
        return max(1, len(self.members))

    @property
    def step(self) -> np.timedelta64:
        """Time between two neighbours; 0 for a single instant. Beginnings of months are months apart."""
        if self.length < 2:
            return _ZERO
        distance = self.lead_times[1] - self.lead_times[0]
        # no need to look at the times of a series of hours
        return step_of(self.times) if self.is_series and distance >= _LEAST_MONTH else distance

    @property
    def runs(self) -> NDArray[np.int64]:
        """The run of every instant, `(time,)`."""
        return np.arange(self.size) // max(1, self.length)

    @property
    def is_first(self) -> NDArray[np.bool_]:
        """Whether no instant comes before in its run, `(time,)`."""
        return np.asarray(np.arange(self.size) % max(1, self.length) == 0)

    @property
    def shape(self) -> tuple[int, ...]:
        """Sizes of the leading dimensions of an array over this axis: `dims`."""
        if self.is_series:
            return (self.size,)
        middle = (len(self.members),) if self.members else ()
        return (int(self.init_times.size), *middle, self.length)

    @property
    def dims(self) -> tuple[str, ...]:
        """Names of the leading dimensions: `time`, or `init_time, (member,) lead_time`."""
        if self.is_series:
            return ("time",)
        return ("init_time", "member", "lead_time") if self.members else ("init_time", "lead_time")

    def instant(self, index: int) -> Instant:
        """`(init_time, lead_time, member)` of an instant; in a series `(valid_time, 0, None)`."""
        if self.is_series:
            return self.times[index], _ZERO, None
        run, lead = divmod(index, self.length)
        start, member = divmod(run, self.num_members)
        return (
            self.init_times[start].astype("datetime64[s]"),
            self.lead_times[lead].astype("timedelta64[s]"),
            self.members[member] if self.members else None,
        )

    def inside(self, period: Period) -> NDArray[np.bool_]:
        """Whether each instant belongs to the period, `(time,)`: by its time, or by the start of its forecast."""
        if self.is_series:
            return period.contains(self.times)
        starts = period.contains(self.init_times)
        if period.init_step is not None:
            starts &= is_on(self.init_times, period.first, duration(period.init_step))
        return np.asarray(np.repeat(starts, self.num_members * self.length))

    def find(self, init_time: np.datetime64) -> int | None:
        """The first instant that is valid at `init_time`: the freshest forecast's, where there are several."""
        places = np.flatnonzero(self.times == init_time)
        if not places.size:
            return None
        return int(places[np.argmin(places % self.length)])

    def run_end(self, index: int) -> int:
        """One past the last instant of the run of `index`."""
        return (index // self.length + 1) * self.length

    def between(self, first: int, stop: int) -> Self:
        """The axis of the runs `first` to `stop` (excluded) of a forecasts' axis, or of these instants of a series."""
        if self.is_series:
            return type(self).series(self.times[first:stop])
        return type(self).forecasts(self.init_times[first:stop], self.lead_times, self.members)

    def to_dict(self) -> dict[str, Any]:
        """The axis as plain JSON values, from which `from_dict` makes it again."""
        seconds = [int(x) for x in (self.lead_times[0] / np.timedelta64(1, "s"), self.step / np.timedelta64(1, "s"))]
        document: dict[str, Any] = {"lead_start_s": seconds[0], "step_s": seconds[1], "length": self.length}
        starts = self.init_times.astype("datetime64[s]")
        gaps = np.unique(np.diff(starts))
        if gaps.size <= 1:
            gap = int(gaps[0] / np.timedelta64(1, "s")) if gaps.size else 0
            document |= {"start": str(starts[0]), "start_step_s": gap, "num_starts": int(starts.size)}
        else:
            document["starts"] = [str(s) for s in starts]
        if not self.is_series:
            document["members"] = list(self.members)
        return document

    @classmethod
    def from_dict(cls, document: dict[str, Any]) -> Self:
        """The axis of plain JSON values: the inverse of `to_dict`."""
        if "starts" in document:
            starts = np.array(document["starts"], dtype="datetime64[s]")
        else:
            offsets = np.arange(document["num_starts"]) * document["start_step_s"]
            starts = np.datetime64(document["start"], "s") + offsets.astype("timedelta64[s]")
        members = tuple(document.get("members", ()))
        step = np.timedelta64(document["step_s"], "s")
        if "members" not in document and num_months(step):
            return cls.series(later(starts[0], np.arange(document["length"]), step))
        steps = np.arange(document["length"]) * document["step_s"] + document["lead_start_s"]
        return cls(starts, steps.astype("timedelta64[s]"), members, "members" not in document)

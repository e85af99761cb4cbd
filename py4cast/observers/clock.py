"""PlotClock: pictures in training are drawn when they cost few of its time, and skipped otherwise."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["PlotClock"]


class PlotClock:
    """Creates a clock that counts what observers cost against the time that training has taken.

    Args:
        most: share of the time that they may cost.
        first_cost: guess of the first pictures' cost [s]; later ones are guessed to cost what the last did.
    """

    def __init__(self, most: float = 0.03, first_cost: float = 2.0) -> None:
        self._most, self._cost = most, first_cost
        self._began: float | None = None
        self.spent_s = 0.0

    def start(self) -> None:
        """Notes that the training begins; the first call counts."""
        if self._began is None:
            self._began = time.perf_counter()

    @property
    def elapsed_s(self) -> float:
        """The time since training began [s]."""
        return 0.0 if self._began is None else time.perf_counter() - self._began

    @property
    def share(self) -> float:
        """What the observers cost of the time so far."""
        return self.spent_s / self.elapsed_s if self.elapsed_s else 0.0

    def allows(self) -> bool:
        """Whether further pictures keep within the share."""
        return self.spent_s + self._cost <= self._most * self.elapsed_s

    @contextmanager
    def counting(self) -> Iterator[None]:
        """Counts what is done within."""
        began = time.perf_counter()
        try:
            yield
        finally:
            self.spent_s += time.perf_counter() - began

    def finish(self, before_s: float) -> None:
        """The pictures of an epoch are drawn; `before_s` is what had been spent before them."""
        self._cost = max(self.spent_s - before_s, 1e-3)

"""Progress: what long work tells of itself; the command line draws a bar of it. Preparation: how data are made."""

import logging
import time
from collections.abc import Mapping
from concurrent.futures import Executor
from dataclasses import dataclass, field
from typing import Protocol

__all__ = ["Preparation", "Progress", "Silent", "WorkClock"]

logger = logging.getLogger(__name__)


class Progress(Protocol):
    """Told of the work done; the command line draws a bar."""

    def start(self, what: str, total: int) -> None:
        """A stage of `total` steps begins."""

    def step(self, count: int = 1) -> None:
        """Some steps of the stage are done."""


class Silent:
    """A Progress that tells the log what begins."""

    def start(self, what: str, total: int) -> None:
        logger.info("%s: %d", what, total)

    def step(self, count: int = 1) -> None:
        pass


class WorkClock:
    """Creates the account of where the time of a preparation goes: its stages one after the other, and parts of the work of all processes.

    Attributes:
        seconds: of the parts, summed over processes.
    """

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._begun = time.perf_counter()
        self._blocks_from: float | None = None
        self._blocks_until: float | None = None

    def begin_blocks(self) -> None:
        """Files are known, and blocks are begun."""
        self._blocks_from = time.perf_counter()

    def end_blocks(self) -> None:
        """All blocks are written now."""
        self._blocks_until = time.perf_counter()

    def add(self, seconds: Mapping[str, float]) -> None:
        """Counts what a block took."""
        for part, value in seconds.items():
            self.seconds[part] = self.seconds.get(part, 0.0) + value

    def table(self, num_processes: int) -> list[tuple[str, float, str]]:
        """What took how long, in seconds, and what that is.

        Args:
            num_processes: that wrote blocks.
        """
        now = time.perf_counter()
        begun, ended = self._blocks_from or now, self._blocks_until or now
        wall = max(0.0, ended - begun)
        told = "of all processes"
        return [
            ("files", begun - self._begun, "scanning, matching, planning, before the first block"),
            (
                "decoding",
                self.seconds.get("decoding", 0.0),
                f"reading and decoding fields, filters, regridding; {told}",
            ),
            ("statistics", self.seconds.get("statistics", 0.0), f"moments and counts; {told}"),
            ("writing", self.seconds.get("writing", 0.0), f"packing, checksums, writing and flushing; {told}"),
            (
                "waiting",
                max(0.0, wall * max(1, num_processes) - sum(self.seconds.values())),
                f"nothing to do, or starting; {told}",
            ),
            ("end", now - ended, "merging statistics, checksums of the store"),
            ("whole", now - self._begun, f"from the first file to the last byte, {num_processes} processes"),
        ]


@dataclass(frozen=True, slots=True)
class Preparation:
    """How the data that samples are read from are made.

    Args:
        progress: told of the work done.
        executor: what scans and writes; this process alone when None.
        num_jobs: blocks handed to it at a time.
        append: whether a finished store may be given further instants.
        check_files: whether a store that is found is compared with the files, which are then listed.
        clock: that is told where the time goes; None for none.
    """

    progress: Progress = field(default_factory=Silent)
    executor: Executor | None = None
    num_jobs: int = 1
    append: bool = False
    check_files: bool = False
    clock: WorkClock | None = None

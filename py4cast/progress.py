"""Progress: what long work tells of itself; the command line draws a bar of it. Preparation: how data are made."""

import logging
from concurrent.futures import Executor
from dataclasses import dataclass, field
from typing import Protocol

__all__ = ["Preparation", "Progress", "Silent"]

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


@dataclass(frozen=True, slots=True)
class Preparation:
    """How the data that samples are read from are made.

    Args:
        progress: told of the work done.
        executor: what scans and writes; this process alone when None.
        num_jobs: blocks handed to it at a time.
        append: whether a finished store may be given further instants.
        check_files: whether a store that is found is compared with the files, which are then listed.
    """

    progress: Progress = field(default_factory=Silent)
    executor: Executor | None = None
    num_jobs: int = 1
    append: bool = False
    check_files: bool = False

"""Progress: what long work tells of itself; the command line draws a bar of it."""

import logging
from typing import Protocol

__all__ = ["Progress", "Silent"]

logger = logging.getLogger(__name__)


class Progress(Protocol):
    """Told of the work done; the command line draws a bar."""

    def start(self, what: str, total: int) -> None:
        """A stage of `total` steps begins."""

    def step(self, count: int = 1) -> None:
        """Steps are done."""


class Silent:
    """A Progress that tells the log what begins."""

    def start(self, what: str, total: int) -> None:
        logger.info("%s: %d", what, total)

    def step(self, count: int = 1) -> None:
        pass

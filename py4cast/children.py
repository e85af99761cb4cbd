"""Children: the ranks that this process started, watched so that one that dies ends the job with a line that names it.

Lightning watches them too, and kills this process at once: nothing is told, and a state that is being written is lost.
"""

import contextlib
import importlib
import os
import signal
import subprocess
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from py4cast.heartbeat import RankLost, hint_of
from py4cast.meeting import kill_children
from py4cast.ranks import is_shared

__all__ = ["ChildWatch", "watched_children"]

_LOOK_S = 1.0
# how long the main thread may take to end by itself: after a rank has died, and after all were asked to stop
_GRACE_S, _SAVING_S = 20.0, 600.0
_ASKED = (143, -signal.SIGTERM)


class ChildWatch(threading.Thread):
    """Creates the watch of some ranks; it ends this process where one of them has failed and the main thread has not noticed.

    Args:
        processes: of the ranks 1, 2, …
        last: where the state lies that a run goes on from.
        grace_s: how long the main thread may take, which knows more of what happened.
    """

    def __init__(self, processes: Sequence["subprocess.Popen[bytes]"], last: Path, grace_s: float = _GRACE_S) -> None:
        super().__init__(daemon=True, name="py4cast-children")
        self._processes, self._last, self._grace_s = processes, last, grace_s

    def run(self) -> None:
        """Looks until all have ended well, or one has not."""
        while True:
            codes = [process.poll() for process in self._processes]
            if all(code == 0 for code in codes):
                return
            failed = [(rank, code) for rank, code in enumerate(codes, 1) if code]
            if failed:
                self._end(*failed[0], all(code in _ASKED for _, code in failed))
            time.sleep(_LOOK_S)

    def _end(self, rank: int, code: int, is_asked: bool) -> None:
        # before they have met there is nothing to save, and nobody else tells the main thread
        time.sleep(_SAVING_S if is_asked and is_shared() else self._grace_s)
        how = f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with status {code}"
        os.write(2, f"py4cast train: error: rank {rank} {how}; {hint_of(self._last)}\n".encode())
        kill_children()
        os._exit(143 if is_asked else RankLost.status)


@contextlib.contextmanager
def watched_children(last: Path) -> Iterator[None]:
    """Within, ranks that Lightning starts are watched here and not by itself.

    Args:
        last: where the state lies that a run goes on from.
    """
    # a name of its own, which it tells nobody
    launcher: Any = importlib.import_module("pytorch_lightning.strategies.launchers.subprocess_script")
    before = launcher._launch_process_observer
    launcher._launch_process_observer = lambda processes: ChildWatch(processes, last).start()
    try:
        yield
    finally:
        launcher._launch_process_observer = before

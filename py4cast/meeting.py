"""Meeting: the ranks of a job wait for each other before they begin, in a call that no signal reaches.

Where a rank was never started, or has ended with an error of its own, the others wait in torch's rendezvous for half an hour.
A thread beside it says so, and answers the signals that ask to stop.
"""

import contextlib
import logging
import os
import select
import signal
import threading
from pathlib import Path

__all__ = ["Meeting", "kill_children"]

logger = logging.getLogger(__name__)
_ASKS_TO_STOP = (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1)
_GRACE_S = 3.0  # in which Python's own handler would have answered


class Meeting:
    """Creates the watch over the ranks' meeting; it begins and ends in the main thread.

    Args:
        silent_s: seconds after which is told that others are waited for.
    """

    def __init__(self, silent_s: float) -> None:
        self._silent_s = silent_s
        self._met = threading.Event()
        self._pipe: tuple[int, int] | None = None
        self._before = -1

    def begin(self) -> None:
        """Begins to listen: Python writes the number of every signal to the pipe, whatever the main thread does."""
        if threading.current_thread() is not threading.main_thread():
            return
        self._pipe = os.pipe()
        os.set_blocking(self._pipe[1], False)
        self._before = signal.set_wakeup_fd(self._pipe[1], warn_on_full_buffer=False)
        threading.Thread(target=self._watch, args=(self._pipe[0],), daemon=True, name="py4cast-meeting").start()

    def end(self) -> None:
        """Ends: the ranks have met, or will not."""
        if self._pipe is None or self._met.is_set():
            return
        self._met.set()
        signal.set_wakeup_fd(self._before)
        # which wakes the watch
        os.close(self._pipe[1])

    def _watch(self, pipe: int) -> None:
        is_told = False
        while not self._met.is_set():
            ready, _, _ = select.select([pipe], [], [], None if is_told else self._silent_s)
            if not ready:
                is_told = True
                logger.warning(
                    "waiting for the other ranks since %g s: was every one started (by srun or torchrun), and did none end with an error?",
                    self._silent_s,
                )
                continue
            asked = [number for number in os.read(pipe, 64) if number in _ASKS_TO_STOP]
            if asked and not self._met.wait(_GRACE_S):
                name = signal.Signals(asked[0]).name
                os.write(
                    2,
                    f"py4cast train: error: stopped by {name} while it waited for the other ranks; start it again with --resume\n".encode(),
                )
                kill_children()
                os._exit(143)
        os.close(pipe)


def kill_children() -> None:
    """Ends the ranks that this process started: one that is stopped hears no other signal."""
    for children in Path("/proc/self/task").glob("*/children"):
        with contextlib.suppress(OSError, ValueError):
            for child in children.read_text().split():
                os.kill(int(child), signal.SIGKILL)

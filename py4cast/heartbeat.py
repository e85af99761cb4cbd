"""Heartbeat: ranks hear of each other beside the training, so that a job whose rank is dead or hung ends, and says which.

A rank that waits for another in a collective would wait for half an hour, and then tell of a time-out. Here every rank counts
aloud in the store that brought the ranks together, and listens to the others; a count that stands still is a rank that does.
"""

import contextlib
import datetime
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import torch

from py4cast.errors import Py4castError, first_line
from py4cast.meeting import Meeting, kill_children
from py4cast.ranks import is_shared

__all__ = ["Heartbeat", "RankLost", "hint_of", "lost_ranks"]

_BEAT_S = 2.0
# what a rank says last: that it has ended, or that it was asked to stop where no other rank learns of it
_END, _STOPPED = "end", "stopped"


class RankLost(Py4castError):
    """Another rank of the job is dead or hung: exit status 1."""

    status = 1


class Heartbeat:
    """Creates the heartbeat of this rank, once the ranks have met; without others it does nothing.

    Args:
        last: where the state lies that a run goes on from.
        silent_s: seconds of silence after which a rank is lost and the job ends.
    """

    def __init__(self, last: Path, silent_s: float) -> None:
        self._last, self._silent_s = last, silent_s
        self._stopped = threading.Event()
        self.meeting = Meeting(silent_s)
        self._rank = self._world = 0
        self._heard: dict[int, tuple[bytes, float]] = {}
        self._beating: threading.Thread | None = None
        self._last_word = _END
        self._left: int | None = None  # a rank that was asked to stop
        self._answered = time.monotonic()

    def start(self) -> None:
        """Begins to beat and to listen."""
        self.meeting.end()
        if not is_shared() or "MASTER_ADDR" not in os.environ:
            return
        self._rank, self._world = torch.distributed.get_rank(), torch.distributed.get_world_size()
        self._answered = time.monotonic()
        # who is never heard is lost as well
        self._heard = {rank: (b"", self._answered) for rank in range(self._world) if rank != self._rank}
        self._beating, watching = (
            threading.Thread(target=work, daemon=True, name="py4cast-heartbeat") for work in (self._beat, self._watch)
        )
        self._beating.start()
        watching.start()

    def stop(self, word: str = _END) -> None:
        """Ends the beat and the watch, and says so to the others, who may still be at work."""
        self._last_word = word
        self._stopped.set()
        if self._beating is not None:
            self._beating.join(timeout=2 * _BEAT_S)

    def silent(self, after_s: float) -> list[int]:
        """Ranks that have not been heard for so long."""
        now = time.monotonic()
        return sorted(rank for rank, (_, when) in self._heard.items() if now - when > after_s)

    def _beat(self) -> None:
        env = os.environ
        timeout = datetime.timedelta(seconds=max(10.0, self._silent_s))
        # a connection of its own: the training may wait in that of the process group
        store = torch.distributed.TCPStore(  # type: ignore[attr-defined]
            env["MASTER_ADDR"], int(env["MASTER_PORT"]), is_master=False, timeout=timeout, wait_for_workers=False
        )
        count = 0
        while not self._stopped.wait(_BEAT_S):
            count += 1
            try:
                store.set(self._key(self._rank), str(count))
                for rank in range(self._world):
                    if rank != self._rank:
                        self._listen(store, rank)
            except (RuntimeError, OSError):
                return  # whoever keeps the store is gone, which the watch tells
            self._answered = time.monotonic()
        with contextlib.suppress(RuntimeError, OSError):
            store.set(self._key(self._rank), self._last_word)

    def _key(self, rank: int) -> str:
        return f"py4cast/beat/{os.environ.get('TORCHELASTIC_RESTART_COUNT', '0')}/{rank}"

    def _listen(self, store: "torch.distributed.TCPStore", rank: int) -> None:  # type: ignore[name-defined]
        now = time.monotonic()
        beat = store.get(self._key(rank)) if store.check([self._key(rank)]) else b""
        if beat == _END.encode():
            self._heard.pop(rank, None)
            return
        if beat == _STOPPED.encode():
            self._heard.pop(rank, None)
            self._left = rank
            return
        before = self._heard.get(rank)
        if before is None or before[0] != beat:
            self._heard[rank] = (beat, now)

    def _watch(self) -> None:
        while not self._stopped.wait(_BEAT_S):
            if self._left is not None:
                self._end(f"rank {self._left} of {self._world} was asked to stop", 143)
            lost = self.silent(self._silent_s)
            if lost:
                self._end(
                    f"rank {', '.join(map(str, lost))} of {self._world} has not been heard for {self._silent_s:g} s: hung, or dead"
                )
            if time.monotonic() - self._answered > self._silent_s + 2 * _BEAT_S:
                self._end(
                    f"the store of the job, kept by rank 0 or its launcher, has not answered for {self._silent_s:g} s"
                )

    def _end(self, why: str, status: int = RankLost.status) -> None:
        # the main thread may wait in a collective for ever: nothing else ends it
        if status == RankLost.status or self._rank == 0:
            os.write(2, f"py4cast train: error: {why}; {hint_of(self._last)}\n".encode())
        kill_children()
        os._exit(status)


def hint_of(last: Path) -> str:
    """How a run goes on from its state."""
    return f"the state is in {last}; go on with --resume" if last.exists() else "nothing was saved yet; start it again"


@contextlib.contextmanager
def lost_ranks(heartbeat: Heartbeat, last: Path, num_ranks: int = 1) -> Iterator[None]:
    """Within, what torch says of a connection that another rank has closed becomes one line that names the rank.

    Args:
        heartbeat: of this rank.
        last: where the state lies, if there is one.
        num_ranks: that have yet to meet.

    Raises:
        RankLost: names the rank, and how the run goes on.
    """
    if num_ranks > 1:
        heartbeat.meeting.begin()
    try:
        yield
    except RuntimeError as error:
        text = str(error)
        if not is_shared() and isinstance(error, torch.distributed.DistError):
            # whoever keeps the store of the job has ended, or was never there
            raise RankLost(f"the ranks did not meet ({first_line(error)}); {hint_of(last)}") from error
        if not is_shared() or not any(
            word in text for word in ("gloo", "NCCL", "nccl", "Connection closed", "ProcessGroup")
        ):
            raise
        # those who live are heard again within two beats
        time.sleep(2.5 * _BEAT_S)
        lost = heartbeat.silent(2 * _BEAT_S)
        who = f"rank {', '.join(map(str, lost))}" if lost else "another rank"
        raise RankLost(f"{who} of {torch.distributed.get_world_size()} is gone; {hint_of(last)}") from error
    except Exception:
        raise
    except BaseException:
        # a signal, which came to this rank alone: the others may wait for it
        heartbeat.stop(_STOPPED)
        raise
    finally:
        heartbeat.meeting.end()
        heartbeat.stop()

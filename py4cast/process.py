"""What the command line asks of its processes before the work begins.

Settings of speed give way to what the environment already says.
"""

import os
import sys
from pathlib import Path

__all__ = [
    "available_memory_bytes",
    "end_with_parent",
    "give_memory_back",
    "keep_memory",
    "process_rank",
    "quiet_frames",
    "sleep_while_waiting",
]

# of mallopt(3)
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
_LARGEST, _MMAPPED = 2**31 - 1, 32 * 2**20


def sleep_while_waiting() -> None:
    """Threads wait asleep instead of spinning: several times faster on a machine that others use too.

    It is read when torch is loaded, so call it before that.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


def quiet_frames() -> None:
    """Frames of C++ that torch warns with, where another rank has gone, are not printed; what it raises is told in one line.

    It is read when torch is loaded, so call it before that.
    """
    os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")


def available_memory_bytes() -> int | None:
    """Memory that is free for programs, within what a container may have, as Linux tells; None where it does not."""
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
        free = next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable"))
    except (OSError, StopIteration, ValueError, IndexError):
        return None
    try:
        limit, used = (Path(f"/sys/fs/cgroup/memory.{name}").read_text().strip() for name in ("max", "current"))
        return min(free, max(0, int(limit) - int(used)))
    except (OSError, ValueError):
        return free  # no container, or one without a limit


def keep_memory() -> bool:
    """Whether freed memory will stay with the process (Linux with glibc), so that a training step finds it again.

    Returned to the system and asked for anew at every step, each page costs a fault: a tenth of the time of a small
    network. Arrays of 32 MB and more still go back when they are freed.
    """
    is_set = any(name in os.environ for name in ("MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_THRESHOLD_", "GLIBC_TUNABLES"))
    if is_set or not sys.platform.startswith("linux"):
        return False
    import ctypes

    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    return mallopt is not None and bool(mallopt(_TRIM_THRESHOLD, _LARGEST) and mallopt(_MMAP_THRESHOLD, _MMAPPED))


def give_memory_back() -> None:
    """Returns freed memory to the system now (Linux with glibc), so that what the process holds is what it needs."""
    import ctypes
    import gc

    gc.collect()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if sys.platform.startswith("linux") else None
    if trim is not None:
        trim(0)


def process_rank() -> int:
    """The rank of this process in its job, as torchrun, SLURM or Lightning's launcher tell it."""
    for name in ("RANK", "SLURM_PROCID", "LOCAL_RANK"):
        if os.environ.get(name, "").isdigit():
            return int(os.environ[name])
    return 0


def end_with_parent() -> None:
    """Makes this worker process end when the one that started it does, even when that is killed."""
    import multiprocessing
    import threading

    def watch() -> None:
        parent = multiprocessing.parent_process()
        if parent is not None:
            parent.join()
            os._exit(1)

    threading.Thread(target=watch, daemon=True, name="py4cast-parent").start()

"""Ranks of a test, as processes that meet over a file."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

__all__ = ["met", "on_ranks"]


@contextmanager
def met(rank: int, size: int, folder: str) -> Iterator[None]:
    """Within, this rank is in a group with the others; each has one thread."""
    torch.set_num_threads(1)
    torch.distributed.init_process_group("gloo", f"file://{folder}/store", rank=rank, world_size=size)
    yield
    torch.distributed.destroy_process_group()


def on_ranks(work: Callable[..., None], size: int, folder: Path, *words: Any) -> None:
    """Does `work(rank, size, folder, *words)` on so many ranks."""
    torch.multiprocessing.spawn(work, (size, str(folder), *words), nprocs=size)

"""Threads that score: one lead time each, beside one another.

A field is small, and an operation on it is over before other threads have woken to share it; whole lead times side
by side keep the cores busy instead, each thread with one core for its operations. Python lets one thread at a time
speak, so that this pays where operations are long: large fields, and transforms.
"""

import functools
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

import torch

__all__ = ["in_threads", "single_threaded"]

T = TypeVar("T")
R = TypeVar("R")


@functools.lru_cache(maxsize=1)
def _pool(count: int) -> ThreadPoolExecutor:
    pool = ThreadPoolExecutor(count, "py4cast-scores")
    # the number of threads of an operation belongs to the thread that asks for it, but new threads take the last one set
    list(pool.map(lambda _: torch.set_num_threads(1), range(count)))
    torch.set_num_threads(count)
    return pool


@contextmanager
def single_threaded() -> Iterator[None]:
    """Operations within are done by one thread each: on small fields twice as fast as waking others that wait asleep."""
    count = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(count)


def in_threads(function: Callable[[T], R], items: Sequence[T]) -> list[R]:
    """The results for all items, in order, as many at once as torch may use threads."""
    count = torch.get_num_threads()
    if count < 2 or len(items) < 2:
        return [function(item) for item in items]

    def without_gradients(item: T) -> R:
        # the mode belongs to the thread, and sums made in inference mode may be added to in that mode alone
        with torch.inference_mode():
            return function(item)

    return list(_pool(count).map(without_gradients, items))

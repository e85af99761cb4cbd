"""Loader: batches in an order that depends on (seed, epoch) alone, read ahead by threads.

A batch in training is fully told by the epoch and its position in it, so that a run that was stopped anywhere
goes on with the batch that would have come. Threads beat processes here: a batch is filled in place and never
copied between processes.
"""

import inspect
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from py4cast.batch import ItemBatch
from py4cast.settings import Settings, setting

__all__ = ["Loader", "LoaderSettings"]


_TOGETHER = 4


class _Source(Protocol):
    def __len__(self) -> int: ...

    def read_batch(self, indices: Sequence[int]) -> ItemBatch: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class LoaderSettings(Settings):
    """How batches are made."""

    batch_size: int = setting(1, "samples per batch")
    shuffle: bool = setting(False, "whether samples come in random order, another one each epoch")
    seed: int = setting(0, "what the order is drawn from")
    num_threads: int = setting(1, "threads that read ahead; 0 reads when asked")
    prefetch: int = setting(3, "batches read ahead")
    pin_memory: bool = setting(False, "whether batches go to page-locked memory")

    def __post_init__(self) -> None:
        if self.batch_size < 1 or self.num_threads < 0 or self.prefetch < 1:
            raise ValueError("batch_size and prefetch must be at least 1, num_threads at least 0")


def _shuffled(rng: np.random.Generator, count: int, blocks: NDArray[np.int64] | None) -> NDArray[np.int64]:
    """A random order of `count` samples; where `blocks` tells the stretch of the disk of each, a few stretches at a time.

    Stretches come in random order, and the samples of `_TOGETHER` of them are mixed: the disk reads neighbours while
    they are in memory, and a batch still holds samples of several times.
    """
    if blocks is None:
        return rng.permutation(count)
    order = rng.permutation(np.unique(blocks))
    chunks = [np.flatnonzero(np.isin(blocks, order[i : i + _TOGETHER])) for i in range(0, order.size, _TOGETHER)]
    return np.concatenate([rng.permutation(chunk) for chunk in chunks])


class Loader:
    """Creates an iterable of ItemBatch over a dataset.

    Ranks share an epoch without repeating a sample: each takes every `world_size`-th batch. In training
    (`shuffle`) the batches that would not come out even are left out, so that all ranks do equal steps.

    Args:
        dataset: what `read_batch(indices)` is called on.
        settings: batch size, order, threads.
        rank: of this process.
        world_size: number of processes.
        position: gives (epoch, batches already done in it) when an iteration starts; by default epochs count up.
    """

    def __init__(
        self,
        dataset: _Source,
        settings: LoaderSettings,
        rank: int = 0,
        world_size: int = 1,
        position: Callable[[], tuple[int, int]] | None = None,
    ) -> None:
        self.dataset, self.settings = dataset, settings
        self.rank, self.world_size = rank, world_size
        self._position = position
        self._epoch = 0
        self._blocks: NDArray[np.int64] | None = getattr(dataset, "sample_blocks", None)
        self._pins = "pin_memory" in inspect.signature(dataset.read_batch).parameters
        self.waited_s = 0.0

    @property
    def batch_size(self) -> int:
        """Samples per batch."""
        return self.settings.batch_size

    def batches(self, epoch: int) -> list[NDArray[np.int64]]:
        """The indices of every batch of this rank in an epoch, a function of (seed, epoch) alone."""
        count = len(self.dataset)
        if self.settings.shuffle:
            order = _shuffled(np.random.default_rng([self.settings.seed, epoch]), count, self._blocks)
        else:
            order = np.arange(count)
        size = self.settings.batch_size
        cut = [order[i : i + size] for i in range(0, count, size)]
        if self.settings.shuffle and self.world_size > 1:
            cut = [b for b in cut if b.size == size]
            cut = cut[: len(cut) // self.world_size * self.world_size]
        return cut[self.rank :: self.world_size]

    def __len__(self) -> int:
        return len(self.batches(0))

    def _read(self, indices: NDArray[np.int64]) -> ItemBatch:
        chosen = indices.tolist()
        if not self.settings.pin_memory:
            return self.dataset.read_batch(chosen)
        if self._pins:
            return self.dataset.read_batch(chosen, pin_memory=True)  # type: ignore[call-arg]
        return self.dataset.read_batch(chosen).pin_memory()

    def __iter__(self) -> Iterator[ItemBatch]:
        epoch, start = self._position() if self._position else (self._epoch, 0)
        self._epoch = epoch + 1
        todo = self.batches(epoch)[start:]
        if self.settings.num_threads == 0:
            for indices in todo:
                began = time.perf_counter()
                batch = self._read(indices)
                self.waited_s += time.perf_counter() - began
                yield batch
            return
        executor = ThreadPoolExecutor(self.settings.num_threads, thread_name_prefix="py4cast-loader")
        waiting: deque[Future[ItemBatch]] = deque()
        ahead = iter(todo)
        try:
            for indices in ahead:
                waiting.append(executor.submit(self._read, indices))
                if len(waiting) >= self.settings.prefetch + 1:
                    yield self._wait(waiting.popleft())
            while waiting:
                yield self._wait(waiting.popleft())
        finally:
            executor.shutdown(wait=True, cancel_futures=True)

    def _wait(self, future: "Future[ItemBatch]") -> ItemBatch:
        began = time.perf_counter()
        batch = future.result()
        self.waited_s += time.perf_counter() - began
        return batch

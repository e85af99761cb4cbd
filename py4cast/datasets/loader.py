"""Loader: batches in an order that depends on (seed, epoch) alone, read ahead by threads.

A batch in training is fully told by the epoch and its position in it, so that a run that was stopped anywhere
goes on with the batch that would have come. Threads beat processes here: a batch is filled in place and never
copied between processes.
"""

import time
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from py4cast.batch import ItemBatch
from py4cast.settings import Settings, setting

__all__ = ["BatchSource", "Loader", "LoaderSettings", "Window"]

Window = tuple[slice, slice]

_TOGETHER = 4


class BatchSource(ABC):
    """Abstract source of batches: what a loader asks of a dataset.

    Attributes:
        pins_memory: whether `read_batch` fills page-locked memory itself where it is asked to.
    """

    pins_memory: ClassVar[bool] = False

    @abstractmethod
    def __len__(self) -> int:
        """Number of samples."""

    @abstractmethod
    def read_batch(self, indices: Sequence[int], window: Window | None = None, pin_memory: bool = False) -> ItemBatch:
        """The batch of these samples.

        Args:
            indices: of the samples.
            window: rows and columns of the grid to read, where a rank has a part of it; inputs on grids of their own stay
                whole.
            pin_memory: whether it is to lie in page-locked memory.
        """

    @property
    def sample_blocks(self) -> NDArray[np.int64] | None:
        """The stretch of the disk of every sample, where the order of reading matters to it; else None."""
        return None


class _Numbered(Protocol):
    """Anything with a length that reads batches by number."""

    def __len__(self) -> int: ...

    def read_batch(self, indices: Sequence[int]) -> ItemBatch: ...


class _PlainSource(BatchSource):
    """Creates the source of what has a length and reads batches, and no more."""

    def __init__(self, numbered: _Numbered) -> None:
        self._numbered = numbered

    def __len__(self) -> int:
        return len(self._numbered)

    def read_batch(self, indices: Sequence[int], window: Window | None = None, pin_memory: bool = False) -> ItemBatch:
        return self._numbered.read_batch(indices)


@dataclass(frozen=True, slots=True, kw_only=True)
class LoaderSettings(Settings):
    """How batches are made: their size, their order, what reads ahead."""

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
        position: gives (epoch, batches of it that all ranks together have done already) when an iteration starts; by default
            epochs count up.
    """

    def __init__(
        self,
        dataset: BatchSource | _Numbered,
        settings: LoaderSettings,
        rank: int = 0,
        world_size: int = 1,
        position: Callable[[], tuple[int, int]] | None = None,
        window: Window | None = None,
    ) -> None:
        self.dataset = dataset if isinstance(dataset, BatchSource) else _PlainSource(dataset)
        self.settings = settings
        self.rank, self.world_size = rank, world_size
        self._position, self._window = position, window
        self._epoch = 0
        self._blocks = self.dataset.sample_blocks
        self.waited_s = 0.0

    @property
    def batch_size(self) -> int:
        """The number of samples in a batch."""
        return self.settings.batch_size

    def num_batches(self) -> int:
        """Batches of an epoch for all ranks together, before any are left out to come out even."""
        count, size = len(self.dataset), self.settings.batch_size
        return count // size if self._is_even else -(-count // size)

    @property
    def _is_even(self) -> bool:
        """Whether all ranks do equal steps."""
        return self.settings.shuffle and self.world_size > 1

    def batches(self, epoch: int, done: int = 0) -> list[NDArray[np.int64]]:
        """The indices of every batch of this rank in an epoch, a function of (seed, epoch) alone.

        Args:
            epoch: its number.
            done: batches of it that all ranks together have done already, on however many ranks.
        """
        count = len(self.dataset)
        if self.settings.shuffle:
            order = _shuffled(np.random.default_rng([self.settings.seed, epoch]), count, self._blocks)
        else:
            order = np.arange(count)
        size = self.settings.batch_size
        cut = [order[i : i + size] for i in range(0, count, size)][done:]
        if self._is_even:
            cut = [b for b in cut if b.size == size]
            cut = cut[: len(cut) // self.world_size * self.world_size]
        return cut[self.rank :: self.world_size]

    def __len__(self) -> int:
        return len(self.batches(0))

    def _read(self, indices: NDArray[np.int64]) -> ItemBatch:
        chosen = indices.tolist()
        part: dict[str, Any] = {} if self._window is None else {"window": self._window}
        if not self.settings.pin_memory:
            return self.dataset.read_batch(chosen, **part)
        if self.dataset.pins_memory:
            return self.dataset.read_batch(chosen, pin_memory=True, **part)
        return self.dataset.read_batch(chosen, **part).pin_memory()

    def __iter__(self) -> Iterator[ItemBatch]:
        epoch, start = self._position() if self._position else (self._epoch, 0)
        self._epoch = epoch + 1
        todo = self.batches(epoch, start)
        if self.settings.num_threads == 0:
            for indices in todo:
                began = time.perf_counter()
                batch = self._read(indices)
                self.waited_s += time.perf_counter() - began
                yield batch
            return
        executor = ThreadPoolExecutor(self.settings.num_threads, thread_name_prefix="py4cast-loader")
        waiting: deque[Future[ItemBatch]] = deque()
        ahead, is_done = iter(todo), False
        try:
            for indices in ahead:
                waiting.append(executor.submit(self._read, indices))
                if len(waiting) >= self.settings.prefetch + 1:
                    yield self._wait(waiting.popleft())
            while waiting:
                yield self._wait(waiting.popleft())
            is_done = True
        finally:
            # an iteration that is left may be ended by the garbage collector, in any thread, at a moment when joining one never ends
            executor.shutdown(wait=is_done, cancel_futures=True)

    def _wait(self, future: "Future[ItemBatch]") -> ItemBatch:
        began = time.perf_counter()
        batch = future.result()
        self.waited_s += time.perf_counter() - began
        return batch

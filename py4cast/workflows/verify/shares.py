"""Shares: the forecasts of a verification of files, read and scored by one process or by several."""

import gc
import logging
import multiprocessing
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, ThreadPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.context import BaseContext
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from py4cast.errors import DataError
from py4cast.metrics.climatology import Climatology
from py4cast.metrics.verification import Verification
from py4cast.process import end_with_parent
from py4cast.workflows.terminal import Bar
from py4cast.workflows.verify.file_case import FileCase, VerifyFiles
from py4cast.workflows.verify.normals import FileNormals

__all__ = ["BLOCK_BYTES", "lead_bytes", "score_alone", "score_shared", "verification_of"]

BLOCK_BYTES = 48_000_000  # of fields in memory at a time, by all processes together
_LOOK_AGAIN_S = 0.2
_STAGE = "verifying"


class _Block(NamedTuple):
    """Some lead times of one forecast, read."""

    init_time: np.datetime64
    first_step: int
    is_last: bool
    forecasts: Mapping[str, Tensor]
    target: Sequence[Tensor]
    climatology: Sequence[Tensor] | None


def verification_of(case: FileCase, has_maps: bool) -> Verification:
    """The empty verification of a case: its forecasts beside its references."""
    further = ["persistence", *(["climatology"] if case.climatology is not None else [])]
    further = further if case.asked.has_normal_systems else []
    systems = ("forecast", *(n for n in case.systems if n != "forecast"), *further)
    counts = {name: system.num_members for name, system in case.systems.items()}
    has_maps = has_maps and case.grid is not None
    return Verification(case.layout, systems, True, has_maps, counts, list(case.lead_times))


def lead_bytes(case: FileCase) -> int:
    """Memory of all fields of one lead time."""
    members = sum(system.num_members for system in case.systems.values())
    return len(case.variables) * int(np.prod(case.truth_shape)) * 4 * (members + 2)


def score_alone(case: FileCase, has_maps: bool, bar: Bar | None) -> Verification:
    """The verification of all forecasts, each read while the one before is scored."""
    verification = verification_of(case, has_maps)
    if bar is not None:
        bar.start(_STAGE, case.init_times.size)
    _score(verification, _ahead(_blocks(case, case.init_times, BLOCK_BYTES)), bar.step if bar is not None else None)
    return verification


def score_shared(case: FileCase, has_maps: bool, count: int, bar: Bar | None) -> Verification:
    """The verification of all forecasts by `count` processes, which hold as much memory together as one alone.

    Raises:
        DataError: what a process raised, or that one was killed.
    """
    # a fork shares what is loaded; in it files are opened anew, and torch uses one thread, so it needs no other
    context = multiprocessing.get_context("fork")
    tally, most = _Tally(context, bar), BLOCK_BYTES // count
    # a file of normals is opened by each
    climatology = None if isinstance(case.climatology, FileNormals) else case.climatology
    first, *others = np.array_split(case.init_times, count)
    verification = verification_of(case, has_maps)
    gc.freeze()  # a collection would write to all objects, and so copy what is shared
    with ProcessPoolExecutor(count - 1, context, _begin, (tally,)) as executor:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", ".*fork", DeprecationWarning)
            tally.waited = {executor.submit(_share, case.asked, climatology, s, has_maps, most) for s in others}
        if bar is not None:
            bar.start(_STAGE, case.init_times.size)
        try:
            with torch.inference_mode():
                _score(verification, _blocks(case, first, most), tally.step_here)
            packs = [verification.pack(), *tally.results()]
        except BrokenProcessPool:
            raise DataError("a process that scores was killed, perhaps for its memory; try --num_workers 1") from None
        finally:
            tally.stop()
            gc.unfreeze()
    return verification_of(case, has_maps).gathered(packs)


class _Tally:
    """Creates the count of what all processes have done."""

    def __init__(self, context: BaseContext, bar: Bar | None) -> None:
        self._done, self._stopped = context.Value("q", 0), context.Event()
        self._bar, self._shown = bar, 0
        self.waited: set[Future[dict[str, Any]]] = set()

    def step(self) -> None:
        """In another process: a forecast is done; DataError once the others have failed."""
        with self._done.get_lock():
            self._done.value += 1
        if self._stopped.is_set():
            raise DataError("stopped, since another process failed")

    def step_here(self) -> None:
        """In the process of the bar: a forecast is done; raises what another process raised."""
        self.step()
        self._show()
        for future in self.waited:
            if future.done():
                future.result()

    def results(self) -> Iterator[dict[str, Any]]:
        """What the other processes return, as they end."""
        left = self.waited
        while left:
            finished, left = wait(left, _LOOK_AGAIN_S, FIRST_COMPLETED)
            self._show()
            yield from (future.result() for future in finished)

    def stop(self) -> None:
        """The others need not go on."""
        self._stopped.set()

    def _show(self) -> None:
        if self._bar is not None:
            self._bar.step(self._done.value - self._shown)
        self._shown = self._done.value


_tally: _Tally | None = None  # in a process of the pool


def _begin(tally: _Tally) -> None:
    global _tally
    _tally = tally
    end_with_parent()
    torch.set_num_threads(1)


def _share(
    asked: VerifyFiles, climatology: Climatology | None, starts: NDArray[np.datetime64], has_maps: bool, most: int
) -> dict[str, Any]:
    """What the verification of some starts packs."""
    logging.disable(logging.WARNING)  # said once, where the files were opened first
    assert _tally is not None, "set as the process began"
    case = FileCase(asked, climatology)
    try:
        verification = verification_of(case, has_maps)
        with torch.inference_mode():
            _score(verification, _blocks(case, starts, most), _tally.step)
        return verification.pack()
    finally:
        case.close()


def _score(verification: Verification, blocks: Iterable[_Block], on_forecast: Callable[[], None] | None) -> None:
    """Adds what the blocks hold."""
    steps: list[Any] = []
    for block in blocks:
        steps += verification.compute(block.forecasts, block.target, block.climatology, block.first_step)
        if block.is_last:
            verification.finish(block.init_time, steps)
            steps = []
            if on_forecast is not None:
                on_forecast()
        del block  # before the next one is read


def _blocks(case: FileCase, starts: NDArray[np.datetime64], most: int) -> Iterator[_Block]:
    """The forecasts from the starts, in blocks of lead times of at most so many bytes."""
    count = -(-case.lead_times.size // max(1, most // lead_bytes(case)))
    size = -(-case.lead_times.size // count)
    for start in starts:
        initial = case.truth.read(np.array([start]))[0]
        for first in range(0, case.lead_times.size, size):
            # nothing of it is held here while the next one is read
            yield _read(case, start, initial, slice(first, first + size))


def _read(case: FileCase, start: np.datetime64, initial: Tensor, steps: slice) -> _Block:
    leads: NDArray[np.timedelta64] = case.lead_times[steps]
    target = case.truth.read(start + leads)
    forecasts = {name: system.read(start, leads) for name, system in case.systems.items()}
    normal = None if case.climatology is None else list(case.climatology(start + leads))
    if case.asked.has_normal_systems:
        forecasts["persistence"] = initial.expand(leads.size, *initial.shape)
        forecasts |= {} if normal is None else {"climatology": torch.stack(normal)}
    return _Block(start, steps.start, steps.stop >= case.lead_times.size, forecasts, target, normal)


def _ahead(blocks: Iterator[_Block]) -> Iterator[_Block]:
    """The same blocks, the next one being read by a thread meanwhile."""
    with ThreadPoolExecutor(1, "py4cast-read") as reader:
        coming = reader.submit(next, blocks, None)
        while (block := coming.result()) is not None:
            coming = reader.submit(next, blocks, None)
            yield block

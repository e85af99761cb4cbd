"""hindcast: forecasts from many starts in one job, to one store or a file each; the Forecaster and its data are opened once.

A start whose states are missing is left out and counted; work that was killed goes on where it stopped.
"""

import logging
import os
import re
import sys
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import BrokenExecutor, as_completed
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from py4cast.atomic import check_name, lock, sha256_of, write_json
from py4cast.errors import DataError, SettingsError
from py4cast.formats import Heading
from py4cast.progress import Progress
from py4cast.saved import file_of
from py4cast.settings import encode, read_json
from py4cast.steppers import StepperABC, open_stepper
from py4cast.workflows.forecast.made import members_from, open_source, together
from py4cast.workflows.forecast.outputs import Outputs, heading_of_part, path_of
from py4cast.workflows.forecast.request import Forecast
from py4cast.workflows.forecast.run import heading_of, open_others
from py4cast.workflows.forecast.sources import SourceABC
from py4cast.workflows.hindcast.starts import Starts
from py4cast.workflows.hindcast.store import MADE, HindcastStore, begin_store, heading_of_variables
from py4cast.workflows.workers import workers

__all__ = ["Hindcast", "hindcast"]

logger = logging.getLogger(__name__)
_PRELOADED = ("py4cast.workflows.hindcast.run", "py4cast.steppers.eager")
_SHARE = 8  # starts that a process makes at a time


@dataclass(frozen=True, slots=True)
class Hindcast:
    """What was made of many starts.

    Args:
        paths: the store, or the files.
        num_made: starts that were made, now or before.
        missing: starts that could not be made, with the reason.
    """

    paths: list[Path]
    num_made: int
    missing: dict[str, str]


class _Maker:
    """Creates what makes the forecast of any start: the Forecaster, and its source, opened once."""

    def __init__(self, asked: Forecast, variables: Sequence[str], first: np.datetime64, stack: ExitStack) -> None:
        self.asked, self._variables = asked, variables
        self.stepper: StepperABC = open_stepper(asked.forecaster, asked.device, asked.precision)
        self._steppers = [self.stepper, *open_others(asked, self.stepper)]
        self._sources: list[SourceABC] = [open_source(asked, stepper, stack, first) for stepper in self._steppers]

    def steps(self, start: np.datetime64) -> tuple[Heading, Iterator[NDArray[np.float32]]]:
        """The heading of a forecast, and its lead times, the first of them made already.

        Raises:
            DataError: a state or what is given of a step is missing.
        """
        pairs = zip(self._sources, self._steppers, strict=True)
        made = together([members_from(source, self.asked, stepper, start) for source, stepper in pairs])
        whole = heading_of(self.asked, self._steppers, start, made.numbers)
        heading, places = heading_of_variables(whole, self._variables)
        cells: slice | None = None
        if self.asked.part is not None:
            cells, heading = heading_of_part(heading, self.asked.part)
        steps = iter(made.steps)
        first = next(steps)
        return heading, (self._kept(values, heading, places, cells) for values in chain([first], steps))

    @staticmethod
    def _kept(
        values: NDArray[np.float32], heading: Heading, places: Sequence[int], cells: slice | None
    ) -> NDArray[np.float32]:
        """What is kept of a lead time, of the shape of its heading."""
        fields = values if heading.members else values[0]
        if len(places) < fields.shape[-1]:
            fields = fields[..., list(places)]
        if cells is not None:
            fields = fields[..., cells, :].reshape(heading.shape)
        return np.ascontiguousarray(fields)


class _SinkABC(ABC):
    """Abstract place of the forecasts of many starts."""

    @abstractmethod
    def put(self, place: int, heading: Heading, steps: Iterator[NDArray[np.float32]]) -> None:
        """Writes the forecast of the start at a place among all."""


class _StoreSink(_SinkABC):
    """Creates the sink of one store."""

    def __init__(self, path: Path) -> None:
        self._store = HindcastStore(path)

    def put(self, place: int, heading: Heading, steps: Iterator[NDArray[np.float32]]) -> None:
        for step, values in enumerate(steps):
            self._store.put(place, step, values)
        self._store.mark(place)


class _FileSink(_SinkABC):
    """Creates the sink of a file, or of a file per lead time, of each start."""

    def __init__(self, asked: Forecast) -> None:
        self._asked = asked

    def put(self, place: int, heading: Heading, steps: Iterator[NDArray[np.float32]]) -> None:
        with Outputs(self._asked.output, heading) as outputs:
            for values in steps:
                outputs.put(values)


def hindcast(
    asked: Forecast,
    starts: Starts,
    variables: Sequence[str] = (),
    num_workers: int = 1,
    scheduler: str | None = None,
    progress: Progress | None = None,
) -> Hindcast:
    """Makes the forecasts of many starts.

    Args:
        asked: any of the forecasts; its `output` is one `.zarr`, or has `{init_time}` in it.
        starts: of the forecasts.
        variables: that are kept; by default all.
        num_workers: processes.
        scheduler: address of a Dask cluster whose workers are used instead.
        progress: told of the starts.

    Raises:
        SettingsError: wrong settings, or an output that cannot hold many forecasts.
        DataError: none of the starts can be made; says why.
        BusyError: another process writes the same store.
    """
    if len(asked.output) != 1 or asked.series or asked.overlay:
        raise SettingsError("--init_times writes one --output, without --series and --overlay")
    if num_workers < 1:
        raise SettingsError(f"--num_workers {num_workers}: expected at least 1")
    output = asked.output[0]
    spread = _Spread(asked, starts, variables, num_workers, scheduler, progress)
    if "{init_time" in output:
        return _files(spread)
    if Path(output).suffix != ".zarr" or "{" in output:
        raise SettingsError(
            f"--output {output}: many starts go into one store, or a file each: expected a name that ends in .zarr, or {{init_time}} in it"
        )
    path = Path(output).absolute()
    with lock(path.with_name(f".{path.name}.lock")):
        store = _begun(spread, path)
        # what was missing before may have come since
        missing = spread.run(path, np.flatnonzero(store.state != MADE))
        made = store.state == MADE
        _tell(starts, made, missing)
        return Hindcast([store.finish()], int(made.sum()), missing)


@dataclass(frozen=True, slots=True)
class _Spread:
    """Creates the work of some starts, in this process or in others."""

    asked: Forecast
    starts: Starts
    variables: Sequence[str]
    num_workers: int
    scheduler: str | None
    progress: Progress | None

    def run(self, path: Path | None, places: NDArray[np.int64]) -> dict[str, str]:
        """Makes the starts at some places; those that are missing, with the reason."""
        if self.progress is not None:
            self.progress.start("hindcasts", places.size)
        missing: dict[str, str] = {}
        if not places.size:
            return missing
        with workers(self.num_workers, self.scheduler, _PRELOADED) as (executor, _):
            if executor is None:
                for more in _made(self.asked, self.starts, self.variables, path, places):
                    missing |= more
                    self._step(1)
                return missing
            shares = [places[i : i + _SHARE] for i in range(0, places.size, _SHARE)]
            job = (self.asked, self.starts, self.variables, path)
            futures = {executor.submit(_share, *job, share, self.num_workers): share.size for share in shares}
            try:
                for future in as_completed(futures):
                    missing |= future.result()
                    self._step(futures[future])
            except BrokenExecutor:
                raise DataError(
                    f"a process that makes forecasts was killed, perhaps for its memory; the same command goes on where it "
                    f"stopped, with fewer than {self.num_workers} --num_workers if need be"
                ) from None
        return dict(sorted(missing.items()))

    def _step(self, count: int) -> None:
        if self.progress is not None:
            self.progress.step(count)


# what a process has open: a share of the starts follows another
_OPEN: dict[str, _Maker] = {}


def _maker_of(asked: Forecast, variables: Sequence[str], first: np.datetime64) -> _Maker:
    key = repr((asked, tuple(variables)))
    if key not in _OPEN:
        _OPEN.clear()
        _OPEN[key] = _Maker(asked, variables, first, ExitStack())
    return _OPEN[key]


def _share(
    asked: Forecast, starts: Starts, variables: Sequence[str], path: Path | None, places: NDArray[np.int64], num_workers: int
) -> dict[str, str]:  # fmt: skip
    """Some starts, in a process of their own."""
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(max(1, len(os.sched_getaffinity(0)) // num_workers))
    missing: dict[str, str] = {}
    for more in _made(asked, starts, variables, path, places):
        missing |= more
    return missing


def _made(
    asked: Forecast, starts: Starts, variables: Sequence[str], path: Path | None, places: NDArray[np.int64]
) -> Iterator[dict[str, str]]:
    """Makes starts one after another; gives after each whether it is missing, and why."""
    maker = _maker_of(asked, variables, starts.times[places[0]])
    sink: _SinkABC = _FileSink(asked) if path is None else _StoreSink(path)
    for place in places.tolist():
        start = starts.times[place]
        try:
            heading, steps = maker.steps(start)
        except DataError as error:
            yield {str(start): str(error)}
            continue
        sink.put(place, heading, steps)
        yield {}


def _begun(spread: _Spread, path: Path) -> HindcastStore:
    """The store, begun with the heading of the first start that can be made."""
    asked, starts, variables = spread.asked, spread.starts, spread.variables
    path.parent.mkdir(parents=True, exist_ok=True)
    maker, reason = _maker_of(asked, variables, starts.times[0]), ""
    for start in starts.times:
        try:
            heading, _ = maker.steps(start)
        except DataError as error:
            reason = reason or str(error)
            continue
        title = f"Forecasts of {maker.stepper.info.title} from {starts.times[0]}Z to {starts.times[-1]}Z"
        heading = replace(heading, attributes={**heading.attributes, "title": title})
        return begin_store(path, heading, starts.times, _document(asked, starts, variables))
    raise DataError(f"none of {len(starts.times)} starts can be made: {reason}")


def _files(spread: _Spread) -> Hindcast:
    """A file of each start; those that stand of the same hindcasts are not made again.

    Raises:
        SettingsError: files stand there that are of others.
    """
    asked, starts = spread.asked, spread.starts
    stepper_step = _maker_of(asked, spread.variables, starts.times[0]).stepper.info.step_duration
    last = np.timedelta64(stepper_step * asked.num_steps, "s")
    paths = [path_of(asked.output[0], start, last) for start in starts.times]
    stood = np.array([path.exists() for path in paths])
    _check_files(spread, [path for path, is_there in zip(paths, stood, strict=True) if is_there])
    missing = spread.run(None, np.flatnonzero(~stood))
    made = np.array([path.exists() for path in paths])
    _tell(starts, made, missing)
    return Hindcast([path for path, is_made in zip(paths, made, strict=True) if is_made], int(made.sum()), missing)


def _check_files(spread: _Spread, stood: Sequence[Path]) -> None:
    """Refuses files that stand and are of other hindcasts; what these are made by and of is kept in a file beside them."""
    output = Path(spread.asked.output[0])
    fixed = next(folder for folder in output.absolute().parents if "{" not in str(folder))
    name = re.sub(r"[^A-Za-z0-9_-]+", "_", output.name)
    kept = fixed / check_name(f"{name[-100:]}.hindcasts.json", "the hindcasts of")
    document = _document(spread.asked, spread.starts, spread.variables)
    document.pop("init_times")
    before = read_json(kept) if kept.is_file() else {}
    others = [key for key in document if before.get(key) != document[key]]
    if stood and others:
        told = f"of other hindcasts ({', '.join(others)})" if before else "of which nothing is known"
        raise SettingsError(
            f"--output {output}: {len(stood)} files stand there {told}, the first {stood[0].name}; remove them, or choose another --output"
        )
    if others:
        write_json(kept, document)


def _tell(starts: Starts, made: NDArray[np.bool_], missing: Mapping[str, str]) -> None:
    """Refuses hindcasts of which none could be made; tells of those that are missing."""
    if not made.any():
        raise DataError(f"none of {len(starts.times)} starts can be made: {next(iter(missing.values()), 'all are missing')}")  # fmt: skip
    count = int((~made).sum())
    if count:
        first, reason = next(iter(missing.items()))
        logger.warning("%d of %d starts are missing and left out, the first %s: %s", count, made.size, first, reason)


def _document(asked: Forecast, starts: Starts, variables: Sequence[str]) -> dict[str, Any]:
    """What the hindcasts are made by and of."""
    digest, *others = (sha256_of(file_of(Path(path))) for path in (asked.forecaster, *asked.others))
    settings = {k: v for k, v in asdict(asked).items() if k not in ("device", "forecaster", "output")}
    times = [str(t) for t in starts.times]
    made_by = {"forecaster": digest, "others": others, "init_times": times, "variables": list(variables)}
    document: dict[str, Any] = encode({**settings, **made_by})
    return document

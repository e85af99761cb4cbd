"""prepare: from files to a prepared store."""

import logging
import os
from collections.abc import Sequence
from concurrent.futures import Executor
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from py4cast.cubes.store.store import PreparedStore
from py4cast.datasets import registry
from py4cast.datasets.base import DatasetABC
from py4cast.datasets.files_dataset import FilesDataset
from py4cast.errors import SettingsError
from py4cast.progress import Preparation, WorkClock
from py4cast.workflows.terminal import Bar
from py4cast.workflows.workers import workers

__all__ = ["prepare"]

logger = logging.getLogger(__name__)


_PRELOADED = ("py4cast.cubes.store.blocks", "py4cast.planes.catalog")


def _workers(num_workers: int, scheduler: str | None) -> AbstractContextManager[tuple[Executor | None, int]]:
    """What writes blocks, and how many at a time."""
    return workers(num_workers, scheduler, _PRELOADED)


def prepare(
    dataset: str,
    path: str | os.PathLike[str] | None,
    output: Path | None = None,
    overrides: Sequence[str] = (),
    num_workers: int | None = None,
    scheduler: str | None = None,
    append: bool = False,
    clock: WorkClock | None = None,
) -> PreparedStore:
    """Builds the store of a dataset's JSON file, with a progress bar; goes on where a killed one stopped.

    Args:
        dataset: registered name; one that is described over files.
        path: its JSON file.
        output: folder of the store; by default in the cache.
        overrides: dotted settings, such as `root=DIR`.
        num_workers: processes; by default one per core.
        scheduler: address of a Dask cluster whose workers are used instead.
        append: whether a finished store may be given the instants that its files have in addition.
        clock: told where the time goes.

    Raises:
        SettingsError: a dataset that needs no store, or wrong settings.
        DataError: files that cannot be read or do not fit together; names them.
    """
    kind: Any = registry.get(dataset)
    if kind.make.__func__ is DatasetABC.make.__func__:  # type: ignore[attr-defined]
        raise SettingsError(f"dataset {dataset!r} has nothing to prepare; it is made or read as it is")
    if num_workers is not None and num_workers < 1:
        raise SettingsError(f"--num_workers {num_workers}: expected at least 1")
    if output is not None and not issubclass(kind, FilesDataset):
        raise SettingsError(
            f"--output: dataset {dataset!r} is made into the cache, under a name of what it is made from"
        )
    store = [f"store={output}"] if output is not None else []
    settings = kind.read_settings(path, [*overrides, *store])
    count = num_workers if num_workers is not None else len(os.sched_getaffinity(0))
    with Bar() as bar, _workers(count, scheduler) as (executor, num_jobs):
        prepared: PreparedStore = kind.make(settings, Preparation(bar, executor, num_jobs, append, True, clock))
    meta = prepared.meta
    logger.info(
        "%d files, %d instants from %s, digest %s",
        meta["num_inputs"],
        prepared.axis.size,
        prepared.times[0],
        meta["digest"][:16],
    )
    return prepared

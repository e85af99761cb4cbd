"""prepare: from files to a prepared store."""

import importlib
import logging
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from py4cast.cubes.store.store import PreparedStore
from py4cast.datasets import registry
from py4cast.datasets.base import DatasetABC
from py4cast.datasets.files_dataset import FilesDataset
from py4cast.errors import SettingsError
from py4cast.process import end_with_parent
from py4cast.progress import Preparation
from py4cast.workflows.terminal import Bar

__all__ = ["prepare"]

logger = logging.getLogger(__name__)


@contextmanager
def _workers(num_workers: int, scheduler: str | None) -> Iterator[tuple[Executor | None, int]]:
    """What writes blocks, and how many at a time.

    Raises:
        SettingsError: no Dask here, or no cluster at that address.
    """
    if scheduler is not None:
        try:
            # no types of its own
            distributed: Any = importlib.import_module("distributed")
        except ImportError:
            raise SettingsError("--scheduler needs Dask: pip install 'py4cast[dask]'") from None
        try:
            client = distributed.Client(scheduler, timeout="20s", set_as_default=False)
        except OSError as error:
            raise SettingsError(f"--scheduler {scheduler}: no cluster answers ({error})") from None
        with client:
            workers = max(1, len(client.scheduler_info()["workers"]))
            logger.info("%d workers of %s", workers, scheduler)
            yield client.get_executor(pure=False), 2 * workers
        return
    if num_workers <= 1:
        yield None, 1
        return
    import multiprocessing
    from concurrent.futures import ProcessPoolExecutor

    # a server that is forked once has the libraries loaded, and no threads of this process
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["py4cast.cubes.store.blocks", "py4cast.planes.catalog"])
    with ProcessPoolExecutor(num_workers, mp_context=context, initializer=end_with_parent) as executor:
        yield executor, num_workers + 1


def prepare(
    dataset: str,
    path: str | os.PathLike[str] | None,
    output: Path | None = None,
    overrides: Sequence[str] = (),
    num_workers: int | None = None,
    scheduler: str | None = None,
    append: bool = False,
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
        prepared: PreparedStore = kind.make(settings, Preparation(bar, executor, num_jobs, append, check_files=True))
    meta = prepared.meta
    logger.info(
        "%d files, %d instants from %s, digest %s",
        meta["num_inputs"],
        prepared.axis.size,
        prepared.times[0],
        meta["digest"][:16],
    )
    return prepared

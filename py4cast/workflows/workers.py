"""Workers: processes of this machine, or those of a Dask cluster, behind one interface."""

import importlib
import logging
import multiprocessing
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import contextmanager
from typing import Any

from py4cast.errors import SettingsError
from py4cast.process import end_with_parent

__all__ = ["workers"]

logger = logging.getLogger(__name__)


@contextmanager
def workers(num_workers: int, scheduler: str | None, preload: Sequence[str]) -> Iterator[tuple[Executor | None, int]]:
    """What runs jobs (None for this process), and how many jobs may be under way at a time.

    Args:
        num_workers: processes of this machine.
        scheduler: address of a Dask cluster that is used instead.
        preload: modules that every process begins with.

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
            count = max(1, len(client.scheduler_info()["workers"]))
            logger.info("%d workers of %s", count, scheduler)
            yield client.get_executor(pure=False), 2 * count
        return
    if num_workers <= 1:
        yield None, 1
        return
    # a server that is forked once has the libraries loaded, and no threads of this process
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(list(preload))
    with ProcessPoolExecutor(num_workers, mp_context=context, initializer=end_with_parent) as executor:
        yield executor, num_workers + 1

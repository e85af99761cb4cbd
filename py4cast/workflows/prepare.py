"""prepare: from files to a prepared store."""

import logging
import os
from collections.abc import Sequence
from pathlib import Path

from py4cast.datasets import registry
from py4cast.datasets.gridded import Gridded
from py4cast.datasets.gridded import prepare as build
from py4cast.datasets.store import PreparedStore
from py4cast.errors import SettingsError
from py4cast.workflows.report import Bar

__all__ = ["prepare"]

logger = logging.getLogger(__name__)


def prepare(
    dataset: str,
    path: str | os.PathLike[str] | None,
    output: Path | None = None,
    overrides: Sequence[str] = (),
) -> PreparedStore:
    """Builds the store of a dataset's JSON file, with a progress bar; goes on where a killed one stopped.

    Args:
        dataset: registered name; one that is described over files.
        path: its JSON file.
        output: folder of the store; by default in the cache.
        overrides: dotted settings, such as `root=DIR`.

    Raises:
        SettingsError: a dataset that needs no store, or wrong settings.
        DataError: files that cannot be read or do not fit together; names them.
    """
    kind = registry.get(dataset)
    if not issubclass(kind, Gridded):
        raise SettingsError(f"dataset {dataset!r} has nothing to prepare; it is made or read as it is")
    store = [f"store={output}"] if output is not None else []
    settings = kind.read_settings(path, [*overrides, *store])
    with Bar() as bar:
        prepared = build(settings, bar)
    inputs = prepared.meta["inputs"]
    logger.info(
        "%d files, %d instants from %s, digest %s",
        len(inputs),
        prepared.times.size,
        prepared.times[0],
        prepared.meta["digest"][:16],
    )
    return prepared

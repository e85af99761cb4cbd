"""Arrays in the cache, under the name of what they are made from: made once for all ranks, jobs and starts."""

import logging
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from py4cast.atomic import atomic_path
from py4cast.errors import SpaceError

__all__ = ["kept_arrays"]

_log = logging.getLogger(__name__)
T = TypeVar("T")


def kept_arrays(
    path: Path, unpack: Callable[[dict[str, Any]], T], make: Callable[[], T], pack: Callable[[T], Mapping[str, Any]]
) -> T:
    """What a file of the cache holds, or what is made and put there.

    A cache that cannot be read or written costs time, not the run: processes that make the same at once write the
    same file, each under a name of its own, and rename it.

    Args:
        path: of the file; its name tells all that it was made from.
        unpack: makes the thing of its arrays; ValueError or KeyError where they are not its own.
        make: makes it anew.
        pack: its arrays by name.
    """
    try:
        with path.open("rb") as stream, np.load(stream) as arrays:
            return unpack(dict(arrays))
    except FileNotFoundError:
        pass
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        _log.warning("%s: damaged, made again: %s", path, error)
    made = make()
    try:
        with atomic_path(path) as temporary, temporary.open("xb") as file:
            np.savez(file, **pack(made))
    except (OSError, SpaceError) as error:
        _log.warning("%s: not kept in the cache: %s", path, error)
    return made

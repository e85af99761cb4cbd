"""Regridding weights on disk, found by what they are made from, so that they are worked out once for all jobs."""

import hashlib
import logging
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from py4cast.atomic import atomic_path
from py4cast.errors import SpaceError
from py4cast.grid import Grid
from py4cast.settings import cache_dir

__all__ = ["kept_weights", "weights_path"]

_VERSION = 1  # of what makes the weights; a new one where its result changes
_log = logging.getLogger(__name__)
Weights = tuple[Any, NDArray[np.bool_]]


def weights_path(source: Grid, target: Grid, method: str) -> Path:
    """The file of the weights, named by the SHA-256 of both grids' coordinates and areas and of the method."""
    digest = hashlib.sha256(f"{_VERSION} {method}".encode())
    for grid in (source, target):
        digest.update(f"{grid.kind} {grid.shape} {grid.rows} {sorted(grid.projection.items())}".encode())
        for axis in (grid.latitude, grid.longitude, grid.x, grid.y, grid.areas):
            digest.update(b"-" if axis is None else axis.tobytes())
    return cache_dir() / "regridding" / f"{digest.hexdigest()[:32]}.npz"


def kept_weights(source: Grid, target: Grid, method: str, make: Callable[[], Weights]) -> Weights:
    """The sparse matrix `(target cells, source cells)` and which target cells are covered, from disk or of `make`.

    A cache that cannot be read or written costs time, not the run.
    """
    path = weights_path(source, target, method)
    shape = (int(np.prod(target.shape)), int(np.prod(source.shape)))
    try:
        return _read(path, shape, target.shape)
    except FileNotFoundError:
        pass
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        _log.warning("%s: damaged, made again: %s", path, error)
    matrix, covered = make()
    try:
        with atomic_path(path) as temporary, temporary.open("xb") as file:
            np.savez(file, data=matrix.data, indices=matrix.indices, indptr=matrix.indptr, covered=covered)
    except (OSError, SpaceError) as error:
        _log.warning("%s: not kept in the cache: %s", path, error)
    return matrix, covered


def _read(path: Path, shape: tuple[int, int], target: tuple[int, int]) -> Weights:
    from scipy.sparse import csr_array

    with path.open("rb") as stream, np.load(stream) as arrays:
        matrix = csr_array((arrays["data"], arrays["indices"], arrays["indptr"]), shape=shape)
        covered = arrays["covered"]
    # indices beyond the arrays would be read as memory
    matrix.check_format(full_check=True)
    if covered.shape != target or covered.dtype != bool or matrix.dtype != np.float32:
        raise ValueError(f"weights of {covered.shape} cells of type {matrix.dtype}")
    return matrix, covered

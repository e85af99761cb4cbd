"""Regridding weights on disk, found by what they are made from, so that they are worked out once for all jobs."""

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from py4cast.grid import Grid
from py4cast.kept_arrays import kept_arrays
from py4cast.settings import cache_dir

__all__ = ["kept_weights", "weights_path"]

_VERSION = 9  # of what makes the weights; a new one where its result changes
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
    """The sparse matrix `(target cells, source cells)` and which target cells are covered, from disk or of `make`."""
    shape = (int(np.prod(target.shape)), int(np.prod(source.shape)))

    def unpack(arrays: dict[str, NDArray[Any]]) -> Weights:
        return _checked(arrays, shape, target.shape)

    return kept_arrays(weights_path(source, target, method), unpack, make, _arrays)


def _arrays(weights: Weights) -> dict[str, NDArray[Any]]:
    matrix, covered = weights
    return {"data": matrix.data, "indices": matrix.indices, "indptr": matrix.indptr, "covered": covered}


def _checked(arrays: dict[str, NDArray[Any]], shape: tuple[int, int], target: tuple[int, int]) -> Weights:
    from scipy.sparse import csr_array

    matrix = csr_array((arrays["data"], arrays["indices"], arrays["indptr"]), shape=shape)
    covered = arrays["covered"]
    # indices beyond the arrays would be read as memory
    matrix.check_format(full_check=True)
    if covered.shape != target or covered.dtype != bool or matrix.dtype != np.float32:
        raise ValueError(f"weights of {covered.shape} cells of type {matrix.dtype}")
    return matrix, covered

"""Masks by file: one field of 0 and 1 on a grid, as a service ships its land or its relaxation zone."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from py4cast.errors import DataError
from py4cast.formats import open_reader
from py4cast.grid import Grid
from py4cast.regrid import Regridder

__all__ = ["cells_of_runs", "mask_of_file", "runs_of"]


def mask_of_file(path: Path, grid: Grid) -> NDArray[np.bool_]:
    """Which cells a file's only field marks, by more than 0.5, `(lat, lon)`.

    Args:
        path: GRIB, NetCDF or Zarr; its field lies on the grid, or on another one that covers it, whose nearest cell counts.
        grid: of the cells.

    Raises:
        DataError: no file, several fields or none, missing values, values beyond 0 to 1, or a grid that does not cover the other.
    """
    reader = open_reader(path)
    try:
        records = reader.records()
        if len(records) != 1:
            names = ", ".join(sorted({str(record.short_name) for record in records})[:5])
            raise DataError(f"{path}: holds {len(records)} fields{f' ({names})' if names else ''}; expected one mask")
        source, values = reader.grid(records[0]), reader.read(records[0])
    finally:
        reader.close()
    if not source.same_as(grid):
        regridder = Regridder(source, grid, "nearest")
        if not regridder.covered.all():
            count = int((~regridder.covered).sum())
            raise DataError(
                f"{path}: its grid, {source.describe()}, does not reach {count} of the cells of {grid.describe()}"
            )
        values = regridder(values)
    if not np.isfinite(values).all():
        raise DataError(f"{path}: {int((~np.isfinite(values)).sum())} values of the mask are missing")
    if values.min() < 0 or values.max() > 1:
        raise DataError(f"{path}: values from {values.min():g} to {values.max():g}; expected a mask, from 0 to 1")
    return np.asarray(values > 0.5)


def runs_of(mask: NDArray[np.bool_]) -> tuple[int, ...]:
    """How many cells lie outside, inside, outside, ... in turn, in the order of the cells."""
    flat = np.concatenate([[False], mask.ravel(), [not mask.ravel()[-1]]])
    ends = np.flatnonzero(np.diff(flat))
    return tuple(np.diff(np.concatenate([[0], ends])).tolist())


def cells_of_runs(runs: Sequence[int], shape: tuple[int, int]) -> NDArray[np.bool_]:
    """The mask `(lat, lon)` of runs, the inverse of `runs_of`.

    Raises:
        DataError: runs of another number of cells.
    """
    counts = np.asarray(runs, dtype=np.int64)
    if counts.sum() != shape[0] * shape[1] or (counts < 0).any():
        raise DataError(f"border: a mask of {counts.sum()} cells; the grid has {shape[0] * shape[1]}")
    return np.repeat(np.arange(counts.size) % 2 == 1, counts).reshape(shape)

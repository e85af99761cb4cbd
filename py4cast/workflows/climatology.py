"""Climatology of a training period: the mean of each cell at each time of the day, a reference for forecasts."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from py4cast.datasets import DatasetABC
from py4cast.datasets.base import WindowDataset
from py4cast.metrics.verification import Climatology

__all__ = ["climatology_of"]

_DAY = np.timedelta64(86400, "s")


def climatology_of(train: DatasetABC, max_instants: int = 4000) -> Climatology:
    """The climatology of a training split: mean per cell and time of day, over (at most so many of) its instants.

    A dataset that is no series of planes gives the mean of each feature instead.
    """
    info = train.info
    names = info.predicted
    if not isinstance(train, WindowDataset):
        means = info.stats.to_list("mean", names)
        return lambda times: means.expand(times.size, *info.grid.shape, len(names))
    cube, inside = train.cube, train.used
    stride = -(-inside.size // max_instants)
    slots = _slot(cube.times, info.step_duration)
    sums: dict[int, NDArray[np.float64]] = {}
    counts: dict[int, NDArray[np.float64]] = {}
    plane = np.empty((len(names), 1, *cube.shape), dtype=np.float32)
    for index in inside[::stride]:
        cube.read(names, int(index), int(index) + 1, plane)
        finite = np.isfinite(plane[:, 0])
        slot = int(slots[index])
        sums[slot] = sums.get(slot, 0.0) + np.where(finite, plane[:, 0], 0.0)
        counts[slot] = counts.get(slot, 0.0) + finite
    total, number = sum(sums.values()), sum(counts.values())
    with np.errstate(invalid="ignore", divide="ignore"):
        table = {slot: sums[slot] / counts[slot] for slot in sums}
        overall = np.asarray(total / number)

    def at(times: NDArray[np.datetime64]) -> Tensor:
        found = [table.get(int(slot), overall) for slot in _slot(times, info.step_duration)]
        return torch.from_numpy(np.stack(found).astype(np.float32)).permute(0, 2, 3, 1)

    return at


def _slot(times: NDArray[np.datetime64], step: np.timedelta64) -> NDArray[np.int64]:
    """The time of day in steps; 0 where a step is a day or longer."""
    seconds = times.astype("datetime64[s]").astype("int64") % int(_DAY / np.timedelta64(1, "s"))
    return np.asarray(seconds // max(1, int(step / np.timedelta64(1, "s"))))

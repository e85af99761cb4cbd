"""Climatology of a training period, by hour of the day and, where the period covers the year, by its days."""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from py4cast.cubes.base import CubeABC
from py4cast.datasets import DatasetABC
from py4cast.datasets.base import WindowDataset
from py4cast.errors import DataError
from py4cast.forecaster import Forecaster
from py4cast.metrics.climatology import Climatology, ClimatologyKind, Fit, RainCounts, check_kind
from py4cast.metrics.layout import RainClimate, is_rain
from py4cast.variables import Variable

__all__ = ["carried_climatology", "carry", "climatology_of", "climatology_of_cube"]

# what a Forecaster's file may grow by
_CARRIED_BYTES = 32_000_000
_DAY = np.timedelta64(86400, "s")


def climatology_of(
    train: DatasetABC, kind: ClimatologyKind = "auto", max_instants: int = 4000, dry_limit: float = 0.25
) -> Climatology:
    """The climatology of a training split, from (at most so many of) its instants.

    A dataset that is no series of planes gives the mean of each feature instead.

    Args:
        train: the split.
        kind: by day of the year, by hour alone, or by day of the year where the period covers it.
        max_instants: that are read.
        dry_limit: of the climate of rain [kg m-2].

    Raises:
        DataError: days of the year are asked for that the period lacks.
    """
    info = train.info
    names = info.predicted
    if not len(train):
        raise DataError(f"dataset {info.name!r}: no training period to make a climatology of")
    if not isinstance(train, WindowDataset):
        means = info.stats.to_list("mean", names).numpy()
        field = np.broadcast_to(means, (1, *info.grid.shape, len(names)))
        return Climatology(_DAY, {0: field}, "mean of the training period")
    variables = [info.variable(name) for name in names]
    return climatology_of_cube(train.cube, variables, train.used, info.step_duration, kind, "", max_instants, dry_limit)


def climatology_of_cube(
    cube: CubeABC,
    variables: Sequence[Variable],
    inside: NDArray[np.int64],
    step: np.timedelta64,
    kind: ClimatologyKind = "auto",
    of: str = "",
    max_instants: int = 4000,
    dry_limit: float = 0.25,
) -> Climatology:
    """The climatology of some instants of a cube.

    Args:
        cube: where the planes lie.
        variables: of the climatology, in order.
        inside: the instants, of which at most `max_instants` are read.
        step: between two of them.
        kind: by day of the year, by hour alone, or by day of the year where the instants cover it.
        of: what the cube is, for people.
        max_instants: that are read.
        dry_limit: of the climate of rain [kg m-2].

    Raises:
        DataError: days of the year are asked for that the instants lack.
    """
    names, times = [v.name for v in variables], cube.times[inside]
    num_harmonics = check_kind(kind, times)
    fit = Fit(step, num_harmonics)
    rain = {v.name: RainCounts(cube.shape, dry_limit) for v in variables if is_rain(v)}
    plane = np.empty((len(names), 1, *cube.shape), dtype=np.float32)
    for index in inside[:: _stride(inside.size, max_instants, step)].tolist():
        cube.read(names, index, index + 1, plane)
        fit.add(cube.times[index], plane[:, 0])
        for name, counts in rain.items():
            counts.add(plane[names.index(name), 0])
    rains = {name: counts.result() for name, counts in rain.items()}
    climate = RainClimate({n: d for n, (d, _) in rains.items()}, {n: h for n, (_, h) in rains.items()})
    by = "day of the year and hour" if num_harmonics else "hour of the day"
    span = f"{times.min()} to {times.max()}" if times.size else "nothing"
    period = (times.min(), times.max()) if times.size else None
    return Climatology(
        step, fit.coefficients(), f"mean by {by}{of and f' of {of}'}, {span}", climate, period, dry_limit
    )


def carry(forecaster: Forecaster, normal: Climatology) -> None:
    """Gives a Forecaster the climatology of its training, where it is small enough for its file."""
    if normal.num_bytes <= _CARRIED_BYTES:
        forecaster.lineage["climatology"], forecaster.carried = normal.pack()


def carried_climatology(forecaster: Forecaster) -> Climatology | None:
    """The climatology that a Forecaster carries, of its own training period; None where it carries none."""
    meta = forecaster.lineage.get("climatology")
    return None if meta is None or not forecaster.carried else Climatology.unpack(meta, forecaster.carried)


def _stride(count: int, most: int, step: np.timedelta64) -> int:
    """Instants from one that is read to the next, such that all hours of the day come in turn."""
    stride = -(-count // most)
    per_day = max(1, int(_DAY / step))
    while math.gcd(stride, per_day) > 1:
        stride += 1
    return max(1, stride)

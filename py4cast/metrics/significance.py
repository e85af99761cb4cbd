"""Whether one system beats another by more than chance: paired forecasts, resampled in blocks.

Forecasts that start a few hours apart are not independent, so whole blocks of neighbours are drawn, with
replacement, round the end of the period (circular blocks). Both systems are drawn alike, which removes what the
weather of the day does to both; the metric is taken of each draw's mean statistics.

References: D. N. Politis and J. P. Romano (1992), A circular block-resampling procedure for stationary data; D. S.
Wilks (1997), Resampling hypothesis tests for autocorrelated fields, doi
10.1175/1520-0442(1997)010<0065:RHTFAF>2.0.CO;2; A. J. Geer (2016), Significance of changes in medium-range forecast
scores, doi 10.3402/tellusa.v68.30229.
"""

import functools
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from py4cast.metrics.base import MetricABC, Orientation
from py4cast.metrics.rows import Rows

__all__ = ["Interval", "block_length", "draws", "gain", "intervals"]

MIN_FORECASTS = 8
_CHUNK = 4_000_000  # numbers of a table of draws that are in memory at once


@dataclass(frozen=True, slots=True)
class Interval:
    """A value with its confidence interval, `(timestep, features, ...)` each; NaN bounds where forecasts are too few."""

    value: Tensor
    low: Tensor
    high: Tensor

    @property
    def sign(self) -> Tensor:
        """1 where the whole interval lies above 0, −1 below, else 0."""
        return (self.low > 0).to(torch.int8) - (self.high < 0).to(torch.int8)


def block_length(init_times: NDArray[np.datetime64], longest: np.timedelta64) -> int:
    """Forecasts per block: as many as start within the longest lead time, at least ∛n, at most a quarter of all."""
    n = len(init_times)
    if n < 2:
        return 1
    spacing = np.median(np.diff(init_times).astype("timedelta64[s]").astype(np.int64))
    overlapping = int(np.ceil((longest / np.timedelta64(1, "s")) / max(float(spacing), 1.0)))
    return max(1, min(max(overlapping, int(np.rint(np.cbrt(n)))), n // 4))


@functools.lru_cache(maxsize=2)
def draws(num_forecasts: int, block: int, num_samples: int, seed: int = 0) -> Tensor:
    """How often each forecast is in each draw, `(sample, forecast)`; every row sums to the number of forecasts.

    Kept, since every metric and every system of a verification is drawn alike; not to be written to.
    """
    rng = np.random.default_rng(seed)
    num_blocks = -(-num_forecasts // block)
    starts = rng.integers(0, num_forecasts, (num_samples, num_blocks))
    drawn = (starts[:, :, None] + np.arange(block)) % num_forecasts
    drawn = drawn.reshape(num_samples, -1)[:, :num_forecasts]
    counts = np.zeros((num_samples, num_forecasts))
    np.add.at(counts, (np.arange(num_samples)[:, None], drawn), 1.0)
    return torch.from_numpy(counts)


def gain(ours: Tensor, theirs: Tensor, orientation: Orientation) -> Tensor:
    """How much better ours is; positive is better.

    1 − ours/theirs where low is good (the skill score); ours − theirs where high is good; |theirs − t| − |ours − t|
    where a target t of 0 or 1 is.
    """
    if orientation == "low":
        return torch.where(theirs > 0, 1 - ours / theirs, torch.full_like(theirs, torch.nan))
    if orientation == "high":
        return ours - theirs
    target = 1.0 if orientation == "one" else 0.0
    return (theirs - target).abs() - (ours - target).abs()


def _means(metric: MetricABC, rows: Rows, chosen: NDArray[np.int64], counts: Tensor | None) -> Mapping[str, Tensor]:
    """Mean statistics of the chosen forecasts, or of every draw of them."""
    means = {}
    for statistic in metric.statistics:
        summed, weight = (rows.read(f"{statistic.name}.{part}", chosen) for part in ("sum", "weight"))
        if counts is None:
            means[statistic.name] = summed.sum(0) / weight.sum(0)
        else:
            means[statistic.name] = torch.tensordot(counts, summed, 1) / torch.tensordot(counts, weight, 1)
    return means


def intervals(
    metric: MetricABC,
    ours: Rows,
    theirs: Rows | None,
    longest: np.timedelta64,
    num_samples: int = 1000,
    confidence: float = 0.95,
    block: int | None = None,
    seed: int = 0,
) -> Interval:
    """The gain of one system over another with its confidence interval; without another, the metric itself.

    Args:
        metric: what is compared; its statistics are in the rows.
        ours: of the system.
        theirs: of the reference; forecasts that both have are compared.
        longest: lead time, which tells how many forecasts overlap.
        num_samples: draws.
        confidence: of the interval.
        block: forecasts per block; by default `block_length`.
        seed: of the draws.

    Raises:
        ValueError: no forecast in common.
    """
    times = ours.init_times if theirs is None else np.intersect1d(ours.init_times, theirs.init_times)
    if not len(times):
        raise ValueError("the systems have no start of forecast in common")
    systems = [(rows, np.searchsorted(rows.init_times, times)) for rows in (ours, theirs) if rows is not None]

    def combined(counts: Tensor | None) -> Tensor:
        values = [metric.value(_means(metric, rows, chosen, counts)) for rows, chosen in systems]
        if len(values) == 1:
            return values[0]
        assert metric.orientation is not None, "a metric that is compared has one"
        return gain(values[0], values[1], metric.orientation)

    value = combined(None)
    nothing = torch.full_like(value, torch.nan)
    n = len(times)
    if n < MIN_FORECASTS or num_samples == 0:
        return Interval(value, nothing, nothing)
    counts = draws(n, block or block_length(times, longest), num_samples, seed)
    at_once = max(1, _CHUNK // max(1, value.numel()))
    drawn = torch.cat([combined(part) for part in torch.split(counts, at_once)])
    tail = (1 - confidence) / 2
    low, high = (torch.from_numpy(np.asarray(np.quantile(drawn.numpy(), q, axis=0))) for q in (tail, 1 - tail))
    return Interval(value, low, high)

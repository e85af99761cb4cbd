"""Statistics and metrics: what is averaged, and what is a formula on averages.

A *Statistic* is computed per forecast and cell, and averaged with weights; sums and sums of weights add up, so
any batching, any number of ranks and any chunking give the same numbers. A *Metric* is a formula on mean
statistics: RMSE = √(mean squared error), never a mean of RMSEs.

Reference: S. Rasp et al. (2024), WeatherBench 2, doi 10.1029/2023MS004019.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import ClassVar, Self

import torch
from torch import Tensor

__all__ = ["Aggregator", "MetricABC", "StatisticABC"]


class StatisticABC(ABC):
    """Abstract quantity per forecast, lead time, cell and feature."""

    name: ClassVar[str]

    @abstractmethod
    def compute(self, prediction: Tensor, target: Tensor) -> Tensor:
        """`(batch, timestep, lat, lon, features)` → the same shape."""


class MetricABC(ABC):
    """Abstract formula on mean statistics."""

    name: ClassVar[str]
    statistics: ClassVar[tuple[type[StatisticABC], ...]]

    @abstractmethod
    def value(self, means: Mapping[str, Tensor]) -> Tensor:
        """The metric from the mean of each statistic by name, `(timestep, features)`."""


class Aggregator:
    """Creates the running means of the statistics that some metrics need.

    Args:
        metrics: what is wanted in the end; a statistic that several share is computed once.
        weights: of the cells, `(lat, lon, 1)`; 0 where a cell does not count.
    """

    def __init__(self, metrics: Sequence[MetricABC], weights: Tensor) -> None:
        self.metrics = list(metrics)
        self.weights = weights.double()
        self._statistics = {kind.name: kind() for metric in metrics for kind in metric.statistics}
        self.sums: dict[str, Tensor] = {}
        self.totals: dict[str, Tensor] = {}

    def update(self, prediction: Tensor, target: Tensor) -> None:
        """Adds forecasts `(batch, timestep, lat, lon, features)`; what is NaN in either counts nowhere."""
        weights = self.weights.to(prediction.device)
        for name, statistic in self._statistics.items():
            values = statistic.compute(prediction.double(), target.double())
            counted = torch.isfinite(values)
            total = (weights * counted).sum((0, 2, 3))
            summed = (weights * torch.where(counted, values, torch.zeros_like(values))).sum((0, 2, 3))
            self.sums[name] = self.sums.get(name, 0) + summed
            self.totals[name] = self.totals.get(name, 0) + total

    def merge(self, other: "Aggregator") -> Self:
        """Adds the sums of another aggregator of the same metrics."""
        for name, summed in other.sums.items():
            self.sums[name] = self.sums.get(name, 0) + summed
            self.totals[name] = self.totals.get(name, 0) + other.totals[name]
        return self

    def values(self) -> dict[str, Tensor]:
        """Every metric, `(timestep, features)`; NaN where nothing was counted."""
        means = {name: summed / self.totals[name] for name, summed in self.sums.items()}
        return {metric.name: metric.value(means) for metric in self.metrics}

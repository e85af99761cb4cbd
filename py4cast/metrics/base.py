"""Statistics and metrics: what is averaged, and what is a formula on averages.

A *Statistic* is computed per forecast and averaged with its weights; sums and sums of weights add up, so any
batching, any number of ranks and any chunking give the same numbers. A *Metric* is a formula on mean statistics:
RMSE = √(mean squared error), never a mean of RMSEs.

Reference: S. Rasp et al. (2024), WeatherBench 2, doi 10.1029/2023MS004019.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from py4cast.metrics.case import Case
from py4cast.metrics.layout import Layout

__all__ = ["CellStatisticABC", "Dimension", "MetricABC", "Orientation", "StatisticABC"]

Orientation = Literal["low", "high", "one", "zero"]


class Dimension(NamedTuple):
    """A dimension of a metric beside lead time and feature.

    Args:
        name: such as `threshold`.
        values: of its coordinate; `(feature, n)` nested where they differ between features, else `(n)`.
        units: of the coordinate.
    """

    name: str
    values: Sequence[Any]
    units: str = "1"


class StatisticABC(ABC):
    """Abstract quantity of one forecast at one lead time.

    Attributes:
        name: unique, parameters included; metrics that share a statistic name it alike.
        is_by_feature: whether each feature's value depends on that feature alone, so that a few features are
            computed at a time, while they are in the processor's cache.
        is_heavy: whether it takes long operations, such as transforms, that threads can do beside one another.
    """

    name: str
    is_by_feature: ClassVar[bool] = True
    is_heavy: ClassVar[bool] = False

    def __init__(self, layout: Layout) -> None:
        self.layout = layout

    @abstractmethod
    def compute(self, case: Case) -> tuple[Tensor, Tensor]:
        """The weighted sum and the sum of the weights, `(features, ...)` each, of the features of the case."""


class CellStatisticABC(StatisticABC):
    """Abstract quantity of every cell, averaged over the cells with their weights."""

    @abstractmethod
    def cells(self, case: Case) -> Tensor:
        """The quantity of every cell, `(lat, lon, features)`."""

    def compute(self, case: Case) -> tuple[Tensor, Tensor]:
        return case.sums(self.cells(case))


class MetricABC(ABC):
    """Abstract formula on mean statistics.

    Attributes:
        name: as registered.
        long_name: what it is, for people.
        orientation: whether low or high values are good, or those near one or zero; None where it is no measure
            of quality. Metrics that have one are compared between systems, with confidence intervals.
        is_for_fields: whether it needs neighbouring cells, which stations are not.
        is_compared: whether its statistics are kept forecast by forecast, so that systems are compared with
            confidence intervals; needs an orientation.
        is_default: whether it is among the metrics when none is named.
        samples: whether it is made of a sample of every forecast's values instead, kept in order of time.
        statistics: that it is made of.
    """

    name: ClassVar[str]
    long_name: ClassVar[str]
    orientation: ClassVar[Orientation | None] = None
    is_for_fields: ClassVar[bool] = False
    is_compared: ClassVar[bool] = True
    is_default: ClassVar[bool] = True
    samples: ClassVar[bool] = False
    statistics: Sequence[StatisticABC] = ()

    def __init__(self, layout: Layout) -> None:
        self.layout = layout

    @classmethod
    def lacking(cls, layout: Layout) -> str:
        """What the data lack for this metric, empty when they have all."""
        return "a grid" if cls.is_for_fields and layout.grid is None else ""

    @classmethod
    def seen(cls, layout: Layout) -> Layout:
        """The layout on which it is made: of points that are brought to rows and columns those, where it needs them."""
        return layout.of_fields if cls.is_for_fields else layout

    @property
    def features(self) -> list[str]:
        """What there is a value of; by default every feature."""
        return self.layout.features

    @property
    def dimensions(self) -> Sequence[Dimension]:
        """The dimensions of its value behind the features."""
        return ()

    def units(self, feature: str) -> str:
        """Units of the value; by default those of the feature."""
        return next(v.units for v in self.layout.variables if v.name == feature)

    @property
    def kept(self) -> Sequence[StatisticABC]:
        """Statistics that are kept forecast by forecast."""
        return self.statistics if self.orientation is not None and self.is_compared else ()

    @abstractmethod
    def value(self, means: Mapping[str, Tensor]) -> Tensor:
        """The metric from the mean of each statistic by name: `(..., features, ...)` → `(..., features, ...)`."""

    def sample(self, case: Case) -> Tensor:
        """What is kept of a forecast at a lead time, `(features, ...)`, by a metric of samples."""
        raise NotImplementedError(f"{type(self).__name__} keeps no samples")

    def value_of_samples(self, init_times: NDArray[np.datetime64], samples: Tensor) -> Tensor:
        """The metric from all samples in the order of time, `(forecast, timestep, features, ...)` → `(timestep, features)`."""
        raise NotImplementedError(f"{type(self).__name__} keeps no samples")

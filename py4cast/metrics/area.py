"""The same metric on an area: means over its cells alone."""

from collections.abc import Mapping, Sequence

from torch import Tensor

from py4cast.metrics.base import CellStatisticABC, Dimension, MetricABC, StatisticABC
from py4cast.metrics.case import Case

__all__ = ["AreaMetric", "AreaStatistic", "has_areas"]


def has_areas(metric: MetricABC) -> bool:
    """Whether a metric is made of means over cells, which an area has too."""
    return bool(metric.statistics) and all(
        isinstance(s, CellStatisticABC) and s.is_by_feature for s in metric.statistics
    )


class AreaStatistic(StatisticABC):
    """Creates the mean of a statistic over the cells of an area.

    Args:
        statistic: of every cell.
        area: name of the area in the layout.
    """

    def __init__(self, statistic: CellStatisticABC, area: str) -> None:
        super().__init__(statistic.layout)
        self.statistic, self.area = statistic, area
        self.name = f"{statistic.name}_{area}"

    def compute(self, case: Case) -> tuple[Tensor, Tensor]:
        return case.sums_in(self.statistic.cells(case), self.layout.areas[self.area].to(case.device))


class AreaMetric(MetricABC):
    """Creates a metric of an area, under the name `metric_area`.

    Args:
        metric: of the whole grid.
        area: name of the area in the layout.
    """

    is_default = False

    def __init__(self, metric: MetricABC, area: str) -> None:
        super().__init__(metric.layout)
        self.metric, self.area = metric, area
        # those of a class, elsewhere
        self.name = f"{metric.name}_{area}"  # type: ignore[misc]
        self.long_name = f"{metric.long_name}, {area}"  # type: ignore[misc]
        self.orientation = metric.orientation  # type: ignore[misc]
        self.is_compared = metric.is_compared  # type: ignore[misc]
        parts = [s for s in metric.statistics if isinstance(s, CellStatisticABC)]
        self.statistics = tuple(AreaStatistic(s, area) for s in parts)

    @property
    def features(self) -> list[str]:
        return self.metric.features

    @property
    def dimensions(self) -> Sequence[Dimension]:
        return self.metric.dimensions

    def units(self, feature: str) -> str:
        return self.metric.units(feature)

    def value(self, means: Mapping[str, Tensor]) -> Tensor:
        return self.metric.value({s.name: means[f"{s.name}_{self.area}"] for s in self.metric.statistics})

"""Metrics of anomalies, ŷ − c and y − c with c the climatology of the day of the year and the hour."""

from collections.abc import Mapping

import torch
from torch import Tensor

from py4cast.metrics.base import MetricABC, StatisticABC
from py4cast.metrics.case import Case
from py4cast.metrics.layout import Layout

__all__ = ["ACC", "Activity"]


class Anomalies(StatisticABC):
    """First and second moments of both anomalies, `(features, 5)`: p, o, p², o², p·o."""

    name = "anomalies"

    def compute(self, case: Case) -> tuple[Tensor, Tensor]:
        p, o = case.anomalies
        moments = [case.sums(x) for x in (p, o, p.square(), o.square(), p * o)]
        sums = torch.stack([s for s, _ in moments], -1)
        return sums, moments[0][1].unsqueeze(-1).expand_as(sums)


class _AnomalyMetric(MetricABC):
    """Abstract metric of the anomalies' moments."""

    def __init__(self, layout: Layout) -> None:
        super().__init__(layout)
        self.statistics = (Anomalies(layout),)

    @classmethod
    def lacking(cls, layout: Layout) -> str:
        return "" if layout.has_climatology else "a climatology"

    def units(self, feature: str) -> str:
        return "1"


def _ratio(above: Tensor, below: Tensor) -> Tensor:
    """Their ratio; NaN where there is nothing to compare with."""
    return torch.where(below > 0, above / below, torch.full_like(above, torch.nan))


class ACC(_AnomalyMetric):
    """Anomaly correlation ⟨p·o⟩/√(⟨p²⟩⟨o²⟩) over all forecasts and cells: 1 is best, 0 what noise gets.

    NaN where an anomaly has no variance, as that of the climatology itself.

    Reference: WMO (2019), WMO-No. 485, appendix 2.2.34; uncentred, as S. Rasp et al. (2024), doi
    10.1029/2023MS004019, define it.
    """

    name, long_name, orientation = "acc", "anomaly correlation coefficient", "high"

    def value(self, means: Mapping[str, Tensor]) -> Tensor:
        _, _, pp, oo, po = means["anomalies"].unbind(-1)
        return _ratio(po, (pp * oo).sqrt())


class Activity(_AnomalyMetric):
    """σ(p)/σ(o), the forecast's standard deviation of anomalies over the truth's: below 1 is too smooth."""

    name, long_name, orientation = "activity", "ratio of the standard deviations of anomalies", "one"

    def value(self, means: Mapping[str, Tensor]) -> Tensor:
        p, o, pp, oo, _ = means["anomalies"].unbind(-1)
        return _ratio((pp - p.square()).clamp(min=0), (oo - o.square()).clamp(min=0)).sqrt()

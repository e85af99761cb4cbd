"""POD, FAR, CSI, ETS and frequency bias of events, and SEEPS of precipitation."""

from abc import abstractmethod
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from py4cast.metrics.base import Dimension, MetricABC, StatisticABC
from py4cast.metrics.case import Case
from py4cast.metrics.event import Events
from py4cast.metrics.layout import Layout
from py4cast.scores import categorical as scores

__all__ = ["CSI", "ETS", "FAR", "POD", "SEEPS", "FrequencyBias"]


class Contingency(StatisticABC):
    """Hits, false alarms and misses as shares of all cells, `(names, thresholds, 3)`."""

    name = "contingency"
    is_by_feature = False

    def __init__(self, layout: Layout) -> None:
        super().__init__(layout)
        self.events = Events(layout)

    def compute(self, case: Case) -> tuple[Tensor, Tensor]:
        rows, totals = [], []
        for happened, weights in zip(self.events.happened(case), self.events.weights(case), strict=True):
            products = self.events.products(happened.double().flatten(2), weights.flatten())
            forecasts, occurred, hits = products.unbind(-1)
            rows.append(torch.stack([hits, forecasts - hits, occurred - hits], -1))
            totals.append(weights.sum())
        sums = torch.stack(rows)
        weight = torch.stack(totals)[:, None] * self.events.valid(sums.device)
        return sums, weight.unsqueeze(-1).expand_as(sums)


class _Contingent(MetricABC):
    """Abstract metric of the contingency table."""

    def __init__(self, layout: Layout) -> None:
        super().__init__(layout)
        self.statistics = (Contingency(layout),)
        self._events = self.statistics[0].events

    @classmethod
    def lacking(cls, layout: Layout) -> str:
        return "" if layout.events else "precipitation, wind, or thresholds in the settings"

    @property
    def features(self) -> list[str]:
        return self._events.names

    @property
    def dimensions(self) -> Sequence[Dimension]:
        return (self._events.dimension(),)

    def units(self, feature: str) -> str:
        return "1"

    def value(self, means: Mapping[str, Tensor]) -> Tensor:
        hits, false_alarms, misses = means["contingency"].unbind(-1)
        score = self.formula(hits, false_alarms, misses)
        return torch.where(torch.isfinite(score), score, torch.full_like(score, torch.nan))

    @abstractmethod
    def formula(self, hits: Tensor, false_alarms: Tensor, misses: Tensor) -> Tensor:
        """The score from the shares a, b, c of all cells."""


class POD(_Contingent):
    """Probability of detection: hits over events that happened."""

    name, long_name, orientation = "pod", "probability of detection", "high"

    def formula(self, hits: Tensor, false_alarms: Tensor, misses: Tensor) -> Tensor:
        return scores.probability_of_detection(hits, misses)


class FAR(_Contingent):
    """False alarm ratio: false alarms over events that were forecast."""

    name, long_name, orientation = "far", "false alarm ratio", "low"

    def formula(self, hits: Tensor, false_alarms: Tensor, misses: Tensor) -> Tensor:
        return scores.false_alarm_ratio(hits, false_alarms)


class CSI(_Contingent):
    """Critical success index: hits over events that happened or were forecast."""

    name, long_name, orientation = "csi", "critical success index", "high"

    def formula(self, hits: Tensor, false_alarms: Tensor, misses: Tensor) -> Tensor:
        return scores.critical_success_index(hits, false_alarms, misses)


class ETS(_Contingent):
    """Equitable threat score: the critical success index without the hits of chance."""

    name, long_name, orientation = "ets", "equitable threat score", "high"

    def formula(self, hits: Tensor, false_alarms: Tensor, misses: Tensor) -> Tensor:
        return scores.equitable_threat_score(hits, false_alarms, misses, torch.ones_like(hits))


class FrequencyBias(_Contingent):
    """Frequency bias: events that were forecast over events that happened."""

    name, long_name, orientation = "frequency_bias", "forecast events per observed one", "one"

    def formula(self, hits: Tensor, false_alarms: Tensor, misses: Tensor) -> Tensor:
        return scores.frequency_bias(hits, false_alarms, misses)


class SeepsStatistic(StatisticABC):
    """The penalty of every cell where the climate is neither too dry nor too wet."""

    name = "seeps"
    is_by_feature = False

    def __init__(self, layout: Layout) -> None:
        super().__init__(layout)
        assert layout.rain is not None, "lacking() asks for it"
        names = list(layout.rain.dry)
        self._places = tuple(layout.features.index(n) for n in names)
        self._dry = torch.stack([layout.rain.dry[n].double() for n in names], -1)
        self._heavy = torch.stack([layout.rain.heavy[n].double() for n in names], -1)

    def compute(self, case: Case) -> tuple[Tensor, Tensor]:
        chosen = case.chosen(self._places)
        values = scores.seeps(
            chosen.prediction, chosen.target, self._dry.to(case.device), self._heavy.to(case.device),
            self.layout.settings.dry_limit,
        )  # fmt: skip
        used = torch.isfinite(values)
        weights = chosen.weights * used
        return (torch.where(used, values, torch.zeros_like(values)) * weights).sum((0, 1)), weights.sum((0, 1))


class SEEPS(MetricABC):
    """Stable equitable error in probability space: 0 is best, 1 what a constant forecast gets."""

    name, long_name, orientation = "seeps", "stable equitable error in probability space", "low"

    def __init__(self, layout: Layout) -> None:
        super().__init__(layout)
        self.statistics = (SeepsStatistic(layout),)

    @classmethod
    def lacking(cls, layout: Layout) -> str:
        return "" if layout.rain and layout.rain.dry else "the climate of a precipitation variable"

    @property
    def features(self) -> list[str]:
        assert self.layout.rain is not None, "lacking() asks for it"
        return list(self.layout.rain.dry)

    def units(self, feature: str) -> str:
        return "1"

    def value(self, means: Mapping[str, Tensor]) -> Tensor:
        return means["seeps"]

"""Aggregator: the running means of the statistics that some metrics need, by lead time."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Self

import numpy as np
import torch
from torch import Tensor

from py4cast.metrics.base import MetricABC, StatisticABC
from py4cast.metrics.case import Case
from py4cast.metrics.layout import Layout
from py4cast.metrics.rows import Rows

__all__ = ["Aggregator", "Computed"]

_AT_ONCE = 8  # features; what is made of them stays in the cache


class Computed(NamedTuple):
    """What one lead time of a forecast brings: sums and weights by statistic, samples by metric."""

    statistics: Mapping[str, tuple[Tensor, Tensor]]
    samples: Mapping[str, Tensor]


class Aggregator:
    """Creates the running means of one forecasting system.

    Args:
        metrics: what is wanted in the end; a statistic that several share is computed once.
        layout: of the fields.
        keeps_rows: whether what each forecast contributed is kept, for confidence intervals and worst cases.
    """

    def __init__(self, metrics: Sequence[MetricABC], layout: Layout, keeps_rows: bool = False) -> None:
        self.metrics, self.layout = list(metrics), layout
        self.statistics: dict[str, StatisticABC] = {s.name: s for m in metrics for s in m.statistics}
        self._kept = {s.name for m in metrics for s in m.kept} if keeps_rows else set()
        self.sums: dict[str, Tensor] = {}
        self.totals: dict[str, Tensor] = {}
        self.rows = Rows()
        self.samples = {m.name: Rows() for m in metrics if m.samples}
        self.num_forecasts = 0

    @property
    def is_heavy(self) -> bool:
        """Whether some statistic takes long operations."""
        return any(s.is_heavy for s in self.statistics.values())

    def compute(self, case: Case) -> Computed:
        """What a case brings; any thread may do it."""
        statistics = {n: s.compute(case.seen_by(s.layout)) for n, s in self.statistics.items() if not s.is_by_feature}
        by_feature = {n: s for n, s in self.statistics.items() if s.is_by_feature}
        at_once = case.num_features if case.is_features_last else _AT_ONCE
        parts = [case.part(i, i + at_once) for i in range(0, case.num_features, at_once)] if by_feature else []
        parts_of = [{n: s.compute(part.seen_by(s.layout)) for n, s in by_feature.items()} for part in parts]
        for name in by_feature:
            sums, weights = zip(*(f[name] for f in parts_of), strict=True)
            statistics[name] = (torch.cat(sums), torch.cat(weights)) if len(parts_of) > 1 else parts_of[0][name]
        return Computed(statistics, {m.name: m.sample(case) for m in self.metrics if m.samples})

    def add(self, computed: Sequence[Computed], init_time: np.datetime64 | None = None) -> None:
        """Adds a forecast: what its lead times bring, and its start (by default its number, in seconds)."""
        start = np.datetime64(self.num_forecasts, "s") if init_time is None else init_time
        rows: dict[str, Tensor] = {}
        for name in self.statistics:
            pairs = [c.statistics[name] for c in computed]
            summed, total = (torch.stack([pair[i] for pair in pairs]).double() for i in (0, 1))
            self.sums[name] = self.sums.get(name, 0) + summed
            self.totals[name] = self.totals.get(name, 0) + total
            if name in self._kept:
                rows |= {f"{name}.sum": summed, f"{name}.weight": total}
        if rows:
            self.rows.append(start, rows)
        for name, samples in self.samples.items():
            samples.append(start, {"sample": torch.stack([c.samples[name] for c in computed])})
        self.num_forecasts += 1

    def update(
        self, prediction: Tensor, target: Tensor, climatology: Tensor | None = None, init_times: Any = None
    ) -> None:
        """Adds forecasts `(batch, timestep, lat, lon, features)`; what is NaN in either counts nowhere.

        Args:
            prediction: of the forecasts; `(batch, member, timestep, lat, lon, features)` for ensembles.
            target: of the truth.
            climatology: the normal state at the valid times.
            init_times: starts of the forecasts.
        """
        for i in range(target.shape[0]):
            computed = []
            for step in range(target.shape[1]):
                forecast = self.layout.beside(prediction[i, ..., step, :, :, :], target[i, step])
                normal = None if climatology is None else self.layout.beside(climatology[i, step], target[i, step])
                computed.append(self.compute(Case(self.layout, forecast, target[i, step], normal)))
            self.add(computed, None if init_times is None else init_times[i])

    def pack(self) -> dict[str, Any]:
        """What another process needs to take everything over."""
        # as arrays: tensors go from process to process through shared memory
        sums = {name: (s.cpu().numpy(), self.totals[name].cpu().numpy()) for name, s in self.sums.items()}
        rows = {"": self.rows.pack(), **{name: rows.pack() for name, rows in self.samples.items()}}
        return {"sums": sums, "rows": rows, "num_forecasts": self.num_forecasts}

    def add_packed(self, packed: Mapping[str, Any]) -> None:
        """Adds what another process packed."""
        for name, pair in packed["sums"].items():
            summed, total = map(torch.from_numpy, pair)
            self.sums[name] = summed + (self.sums[name].to(summed) if name in self.sums else 0)
            self.totals[name] = total + (self.totals[name].to(total) if name in self.totals else 0)
        for name, rows in packed["rows"].items():
            (self.samples[name] if name else self.rows).extend(*rows)
        self.num_forecasts += packed["num_forecasts"]

    def merge(self, other: "Aggregator") -> Self:
        """Adds the sums of another aggregator of the same metrics."""
        self.add_packed(other.pack())
        return self

    def means(self) -> dict[str, Tensor]:
        """The mean of every statistic, `(timestep, features, ...)`; NaN where nothing was counted."""
        return {name: summed / self.totals[name] for name, summed in self.sums.items()}

    def values(self) -> dict[str, Tensor]:
        """Every metric, `(timestep, features, ...)`."""
        means: Mapping[str, Tensor] = self.means()
        values = {}
        for metric in self.metrics:
            if metric.samples:
                rows = self.samples[metric.name]
                values[metric.name] = metric.value_of_samples(rows.init_times, rows.read("sample"))
            elif means:
                values[metric.name] = metric.value(means)
        return values

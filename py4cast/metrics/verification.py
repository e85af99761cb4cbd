"""Verification: a forecast beside its references, on the same forecasts and the same cells."""

import logging
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from py4cast.metrics import Aggregator, Case, Layout, MetricABC, make_metrics, registry
from py4cast.metrics.aggregator import Computed
from py4cast.metrics.case import counted_everywhere
from py4cast.metrics.maps import ErrorMaps
from py4cast.metrics.pool import in_threads, single_threaded
from py4cast.metrics.score_set import ScoreArray, ScoreSet
from py4cast.metrics.significance import intervals

__all__ = ["Verification"]

logger = logging.getLogger(__name__)
_PROBES = ("squared_error", "absolute_error", "error")
_LARGE = 2**20  # numbers of a field from which on its operations are long


class Verification:
    """Creates the running scores of some systems.

    Scored are cells that hold data in the truth and in every system that has any of that feature, weighted by area:
    a system that lacks a feature (persistence of a diagnostic) is left out of it and hides no cell from the others.

    Args:
        layout: of the fields; `num_members` is that of the first system.
        systems: names, the one that is verified first.
        is_compared: whether confidence intervals and comparisons are made, for which every forecast is kept on the
            disk.
        has_maps: whether the error of the first system is summed up in every cell.
        num_members: of the further systems, where it is not 1.
        lead_times: distances from the start; by default one step of the layout after the other.
    """

    def __init__(
        self,
        layout: Layout,
        systems: Sequence[str] = ("model",),
        is_compared: bool = True,
        has_maps: bool = False,
        num_members: Mapping[str, int] | None = None,
        lead_times: Sequence[np.timedelta64] = (),
    ) -> None:
        self._lead_times = list(lead_times)
        self.layout, self.names, self.is_compared = layout, list(systems), is_compared
        counts = dict.fromkeys(systems[1:], 1) | dict(num_members or {})
        self._layouts = {name: layout.for_system(counts.get(name, layout.num_members)) for name in systems}
        self.systems: dict[str, Aggregator] = {}
        for name, layout_of in self._layouts.items():
            self.systems[name] = Aggregator(_metrics_of(layout_of, name == systems[0]), layout_of, is_compared)
        held = {n: [s for s in _PROBES if s in a.statistics] for n, a in self.systems.items()}
        # where every system has a statistic through which missing values show
        self._probes = {n: statistics[0] for n, statistics in held.items() if statistics} if all(held.values()) else {}
        self.maps = ErrorMaps() if has_maps else None
        self.num_forecasts = 0

    def add(
        self,
        init_time: np.datetime64,
        forecasts: Mapping[str, Tensor],
        target: Tensor,
        climatology: Tensor | None = None,
    ) -> None:
        """Adds a forecast of every system, and the truth.

        Args:
            init_time: its start.
            forecasts: of every system, `(timestep, lat, lon, features)`, a leading `member` for ensembles.
            target: the truth.
            climatology: the normal state at the valid times.
        """
        self.finish(init_time, self.compute(forecasts, target, climatology))

    def compute(
        self,
        forecasts: Mapping[str, Tensor],
        target: Tensor | Sequence[Tensor],
        climatology: Tensor | Sequence[Tensor] | None = None,
        first_step: int = 0,
    ) -> list[dict[str, Computed]]:
        """What some lead times of a forecast bring, from the step `first_step` on, for `finish`."""

        def at(step: int) -> dict[str, Computed]:
            beside = self._layouts[self.names[0]].beside
            fields = {name: beside(forecasts[name][..., step, :, :, :], target[step]) for name in self.names}
            normal = None if climatology is None else beside(climatology[step], target[step])
            # missing values show in the sums; only then are the cells looked at
            cases = {n: Case(self._layouts[n], f, target[step], normal, None, True) for n, f in fields.items()}
            computed = self._of(cases) if self._probes else {}
            if not self._are_whole(computed):
                counted = self._counted(fields, target[step])
                cases = {
                    n: Case(self._layouts[n], f, target[step], normal, *self._cells_of(f, counted))
                    for n, f in fields.items()
                }
                computed = self._of(cases)
            if self.maps is not None:
                self.maps.add(cases[self.names[0]], first_step + step)
            return computed

        if self.maps is not None:
            self.maps.make_room(first_step + len(target), (*target[0].shape,), target[0].device)
        steps = range(len(target))
        is_worth = target[0].numel() >= _LARGE or any(a.is_heavy for a in self.systems.values())
        if is_worth and not target[0].is_cuda:
            return in_threads(at, steps)
        with single_threaded():
            return [at(step) for step in steps]

    def _of(self, cases: Mapping[str, Case]) -> dict[str, Computed]:
        return {name: self.systems[name].compute(case) for name, case in cases.items()}

    def _are_whole(self, statistics: Mapping[str, Computed]) -> bool:
        """Whether no value was missing, as the sums of errors tell."""
        if not statistics:
            return False
        sums = [computed.statistics[self._probes[name]][0].flatten() for name, computed in statistics.items()]
        return bool(torch.isfinite(torch.cat(sums)).all())

    @staticmethod
    def _cells_of(values: Tensor, counted: Tensor | None) -> tuple[Tensor | None, bool]:
        """The cells of a system, and whether they are known to hold values."""
        if counted is None:
            return None, True
        counted_cells = counted_everywhere(*(values if values.dim() == 4 else (values,)))
        return (counted if counted_cells is None else counted & counted_cells), True

    def finish(self, init_time: np.datetime64, steps: Sequence[Mapping[str, Computed]]) -> None:
        """Adds a forecast, all of whose lead times are computed."""
        for name, aggregator in self.systems.items():
            aggregator.add([step[name] for step in steps], init_time)
        self.num_forecasts += 1

    @staticmethod
    def _counted(fields: Mapping[str, Tensor], target: Tensor) -> Tensor | None:
        """Cells that hold data everywhere, `(lat, lon, features)`; None for all."""
        counted: Tensor | None = counted_everywhere(target)
        for values in fields.values():
            counted_here = counted_everywhere(*(values if values.dim() == 4 else (values,)))
            if counted_here is not None:
                counted_here = counted_here | ~counted_here.any(0, keepdim=True).any(1, keepdim=True)
                counted = counted_here if counted is None else counted & counted_here
        return counted

    def to(self, device: torch.device) -> None:
        """Brings the weights to a device; before the first forecast."""
        self._layouts = {name: layout.to(device) for name, layout in self._layouts.items()}

    def pack(self) -> dict[str, Any]:
        """What another process needs to take everything over."""
        systems = {name: aggregator.pack() for name, aggregator in self.systems.items()}
        return {"systems": systems, "maps": None if self.maps is None else self.maps.pack(), "num": self.num_forecasts}

    def gathered(self, packs: Sequence[Mapping[str, Any]]) -> "Verification":
        """The verification of all processes, from what each of them packed."""
        counts = {name: layout_of.num_members for name, layout_of in self._layouts.items()}
        whole = Verification(self.layout, self.names, self.is_compared, self.maps is not None, counts, self._lead_times)
        for pack in packs:
            for name, aggregator in whole.systems.items():
                aggregator.add_packed(pack["systems"][name])
            if whole.maps is not None:
                whole.maps.add_packed(pack["maps"])
            whole.num_forecasts += pack["num"]
        return whole

    # Results -------------------------------------------------------------------------------------------

    def scores(self, document: Mapping[str, Any] | None = None) -> ScoreSet:
        """All metrics of all systems, and, where they are compared, confidence intervals and gains."""
        first = self.systems[self.names[0]]
        values = {name: aggregator.values() for name, aggregator in self.systems.items()}
        num_steps = max((int(v.shape[0]) for v in values[self.names[0]].values()), default=0)
        lead_times = self._lead_times or [self.layout.step_duration * (i + 1) for i in range(num_steps)]
        units = {v.name: v.units for v in self.layout.variables}
        units |= {p.name: self.layout.variables[p.eastward].units for p in self.layout.pairs}
        scores = ScoreSet(
            self.names, lead_times, units, len(self.layout.features), num_forecasts=self.num_forecasts, document=dict(document or {}), grid=self.layout.grid,
            rows={name: a.rows for name, a in self.systems.items()}, init_times=first.rows.init_times,
        )  # fmt: skip
        if not num_steps:
            return scores
        for metric in first.metrics:
            parts = [values[name].get(metric.name) for name in self.names]
            scores.put(metric.name, metric, parts)
        if self.is_compared:
            for metric in first.metrics:
                if metric.kept:
                    self._compare(scores, metric, lead_times[-1])
        if self.maps is not None and not self.maps.is_empty:
            for name, values_of in (("bias_map", self.maps.bias), ("rmse_map", self.maps.rmse)):
                maps = values_of().movedim(-1, 1).float().cpu().numpy()
                scores.arrays[name] = ScoreArray(("lead_time", "feature", "row", "column"), maps, {})
        self._report(scores)
        return scores

    def _compare(self, scores: ScoreSet, metric: MetricABC, longest: np.timedelta64) -> None:
        """The bounds of a metric, and the gain over every reference with its bounds."""
        settings = self.layout.settings
        options = (longest, settings.num_samples, settings.confidence, settings.block)
        first, ends = self.systems[self.names[0]], ("low", "high")
        alone, gains = [], []
        for name in self.names:
            metric_of = next((m for m in self.systems[name].metrics if m.name == metric.name), None)
            alone.append(None if metric_of is None else intervals(metric_of, self.systems[name].rows, None, *options))
        for name in self.names[1:]:
            other = self.systems[name]
            has = any(m.name == metric.name for m in other.metrics)
            gains.append(intervals(metric, first.rows, other.rows, *options) if has else None)
        for end in ends:
            parts = [None if i is None else getattr(i, end) for i in alone]
            scores.put(f"{metric.name}_{end}", metric, parts)
        if any(g is not None for g in gains):
            for end in ("value", *ends):
                parts = [None if i is None else getattr(i, end) for i in gains]
                name = f"{metric.name}_gain" + ("" if end == "value" else f"_{end}")
                scores.put(name, metric, parts, "reference")

    def _report(self, scores: ScoreSet) -> None:
        """Names what could not be scored."""
        if "rmse" not in scores.arrays:
            return
        table = scores.table("rmse", self.names[0])
        empty = [n for i, n in enumerate(scores.variables) if n in self.layout.features and not np.isfinite(table[:, i]).any()]  # fmt: skip
        if empty:
            logger.warning("no value of %s could be scored: forecast or truth has none", ", ".join(empty))
        for name in ("acc", "activity"):
            if name in scores.arrays:
                flat = scores.table(name, self.names[0])
                bad = [n for i, n in enumerate(scores.variables) if n in self.layout.features and n not in empty and not np.isfinite(flat[:, i]).all()]  # fmt: skip
                if bad:
                    logger.warning(
                        "%s of %s is undefined: the truth has no variance about its climatology", name, ", ".join(bad)
                    )


def _metrics_of(layout: Layout, is_first: bool) -> list[MetricABC]:
    """The metrics of a system; a reference has those of the named ones that it can have, by default the light ones."""
    asked = layout.settings.metrics
    if is_first:
        return make_metrics(layout)
    if not asked:
        return [m for m in make_metrics(layout) if not any(s.is_heavy for s in m.statistics)]
    possible = [name for name in asked if not (kind := registry.get(name)).lacking(kind.seen(layout))]
    return make_metrics(layout, possible) if possible else []

"""Several verifications as one: the same metrics of every run over the forecasts that all have, and their differences."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from py4cast.errors import DataError
from py4cast.metrics import Layout, MetricABC, ScoreSettings
from py4cast.metrics import registry as metrics
from py4cast.metrics.layout import RainClimate
from py4cast.metrics.rows import Rows
from py4cast.metrics.score_set import ScoreSet
from py4cast.metrics.significance import intervals
from py4cast.settings import decode
from py4cast.variables import Variable
from py4cast.workflows.verify.renamed import in_words_of

__all__ = ["merged"]

# of the truth's deviation over cells: what packing to 16 bits and means over few cells do
_PACKED = 2e-3
_ROUNDED = 1e-6


def merged(runs: Mapping[str, ScoreSet]) -> ScoreSet:
    """The scores of all runs over their common forecasts; the first run is compared with each of the others.

    Raises:
        DataError: runs on different grids, with different units or truths, or without a forecast, variable or lead
            time in common; names what differs.
    """
    names, first = list(runs), next(iter(runs.values()))
    runs = {name: in_words_of(first, other) for name, other in runs.items()}
    sets = list(runs.values())
    for name, other in zip(names[1:], sets[1:], strict=True):
        _check(names[0], first, name, other)
    starts = sets[0].init_times
    for other in sets[1:]:
        starts = np.intersect1d(starts, other.init_times)
    if not starts.size:
        spans = "; ".join(f"{n} {_span(s.init_times)}" for n, s in runs.items())
        raise DataError(f"the runs have no start of forecast in common: {spans}")
    _check_truth(runs, starts)
    features = [v for v in first.variables[: first.num_features] if all(v in s.variables for s in sets)]
    leads = [t for t in first.lead_times if all(t in list(s.lead_times) for s in sets)]
    scores = ScoreSet(
        names, leads, {}, len(features), num_forecasts=int(starts.size), init_times=starts, grid=first.grid,
        document={**first.document, "runs": {n: dict(s.document) for n, s in runs.items()}},
    )  # fmt: skip
    tables = {name: _Table(s, features, leads, starts) for name, s in runs.items()}
    scores.rows = {name: table.rows for name, table in tables.items()}
    layout = tables[names[0]].layout
    scores.units = {v.name: v.units for v in layout.variables} | {
        p.name: layout.variables[p.eastward].units for p in layout.pairs
    }
    common = [m for m in tables[names[0]].metrics if all(m in t.metrics for t in tables.values())]
    for metric in common:
        _fill(scores, metric, tables)
    for part in ("bias_map", "rmse_map"):
        if (
            part in first.arrays
            and features == first.variables[: first.num_features]
            and len(leads) == len(first.lead_times)
            and np.array_equal(starts, first.init_times)
        ):
            scores.arrays[part] = first.arrays[part]
    return scores


def _fill(scores: ScoreSet, name: str, tables: Mapping[str, "_Table"]) -> None:
    """One metric of every run, with its bounds, and the gains of the first run."""
    first = next(iter(tables.values()))
    metric = first.metrics[name]
    longest, settings = scores.lead_times[-1], first.layout.settings
    options = (longest, settings.num_samples, settings.confidence, settings.block)
    alone = [intervals(t.metrics[name], t.rows, None, *options) for t in tables.values()]
    others = list(tables.values())[1:]
    gains = [intervals(metric, first.rows, t.rows, *options) for t in others]
    for end in ("value", "low", "high"):
        scores.put(name if end == "value" else f"{name}_{end}", metric, [getattr(i, end) for i in alone])
        if gains:
            key = f"{name}_gain" + ("" if end == "value" else f"_{end}")
            scores.put(key, metric, [getattr(i, end) for i in gains], "reference")


class _Table:
    """The rows of a run for the common features and lead times, and its metrics."""

    def __init__(
        self, scores: ScoreSet, features: Sequence[str], leads: Sequence[np.timedelta64], starts: NDArray[np.datetime64]
    ) -> None:
        self.layout = _layout(scores, features)
        whole = _layout(scores, scores.variables[: scores.num_features])
        given = scores.rows[scores.systems[0]]
        steps = [list(scores.lead_times).index(t) for t in leads]
        self.metrics: dict[str, MetricABC] = {}
        columns: dict[str, list[int]] = {}
        for name in scores.metrics:
            if name not in metrics.names() or metrics.get(name).lacking(self.layout):
                continue
            kind = metrics.get(name)
            metric, before = kind(self.layout), kind(whole)
            if metric.kept and all(f"{s.name}.sum" in given.shapes for s in metric.kept):
                self.metrics[name] = metric
                for statistic, old in zip(metric.kept, before.kept, strict=True):
                    of_metric, all_ = _statistic_features(statistic, metric), _statistic_features(old, before)
                    columns[statistic.name] = [all_.index(f) for f in of_metric]
        self.rows, place = Rows(), np.searchsorted(given.init_times, starts)
        parts = {
            f"{name}.{part}": given.read(f"{name}.{part}", place)[:, steps][:, :, chosen]
            for name, chosen in columns.items()
            for part in ("sum", "weight")
        }
        for i, time in enumerate(starts):
            self.rows.append(time, {name: table[i] for name, table in parts.items()})


def _statistic_features(statistic: Any, metric: MetricABC) -> list[str]:
    """What the columns of a statistic are: the features of the layout, or the names of its events."""
    return list(metric.features if not statistic.is_by_feature else metric.layout.features)


def _layout(scores: ScoreSet, features: Sequence[str]) -> Layout:
    """The layout that the scores were made with, for some features."""
    document = scores.document
    described = {v["name"]: v for v in document.get("variables", [])}
    # in the order of the features: every run has its own
    variables = [Variable.from_dict(described[name]) for name in features if name in described]
    settings = decode(ScoreSettings, dict(document.get("settings", {})), where="scores")
    shape = (1, 1) if scores.grid is None else scores.grid.shape
    rained = [v.name for v in variables if "seeps" in scores.arrays and v.units == "kg m-2"]
    rain = RainClimate(*({n: torch.zeros(shape) for n in rained} for _ in range(2)))
    step = scores.lead_times[0]
    members = int(document.get("num_members", 1))
    return Layout(variables, torch.ones(shape).double(), scores.grid, step, members, True, rain, settings)


def _check(first_name: str, first: ScoreSet, name: str, other: ScoreSet) -> None:
    if (first.grid is None) != (other.grid is None) or (
        first.grid is not None and other.grid is not None and not first.grid.same_as(other.grid)
    ):
        shown = [("stations" if s.grid is None else s.grid.describe()) for s in (first, other)]
        raise DataError(f"the runs are scored on different grids: {first_name} on {shown[0]}; {name} on {shown[1]}")
    common = [v for v in first.variables[: first.num_features] if v in other.variables]
    if not common:
        raise DataError(
            f"the runs have no variable in common: {first_name} has {', '.join(first.variables)}; {name} has {', '.join(other.variables)}"
        )
    for variable in common:
        if first.units[variable] != other.units[variable]:
            raise DataError(
                f"{variable} is in {first.units[variable]!r} in {first_name} and in {other.units[variable]!r} in {name}; verify both in one unit"
            )
    if not set(first.lead_times) & set(other.lead_times):
        raise DataError(
            f"the runs have no lead time in common: {first_name} has {first.lead_hours} h, {name} has {other.lead_hours} h"
        )


class _Truth(NamedTuple):
    """What a run was scored against, by start `(forecast,)`, of a variable at a lead time.

    Args:
        run: its name.
        mean: of its cells; zero where scores of an older release do not tell it.
        square: mean of the squares.
    """

    run: str
    mean: NDArray[np.float64]
    square: NDArray[np.float64]

    @property
    def deviation(self) -> NDArray[np.float64]:
        return np.sqrt(np.maximum(self.square - self.mean**2, 0.0))

    def differs(self, other: "_Truth") -> NDArray[np.bool_]:
        """Starts of which the other's mean or deviation is another, by more than what packing and rounding do."""
        ours, theirs = self, other
        if not (self.mean.any() and other.mean.any()):
            ours, theirs = (t._replace(mean=np.zeros_like(t.mean)) for t in (self, other))
        known = np.isfinite(ours.square) & np.isfinite(theirs.square)
        if not known.any():
            return known
        most = _PACKED * np.median(ours.deviation[known]) + _ROUNDED * np.sqrt(np.median(ours.square[known]))
        apart = np.maximum(np.abs(ours.mean - theirs.mean), np.abs(ours.deviation - theirs.deviation))
        return np.asarray(known & (apart > most))


def _truths(run: str, scores: ScoreSet, starts: NDArray[np.datetime64]) -> dict[tuple[str, float], _Truth]:
    """What a run was scored against, by variable and lead time [h]."""
    rows = scores.rows[scores.systems[0]]
    if "target_square.sum" not in rows.shapes:
        return {}
    place = np.searchsorted(rows.init_times, starts)

    def mean_of(name: str) -> NDArray[np.float64]:
        return np.asarray((rows.read(f"{name}.sum", place) / rows.read(f"{name}.weight", place)).numpy())

    square = mean_of("target_square")
    mean = mean_of("target") if "target.sum" in rows.shapes else np.zeros_like(square)
    return {
        (variable, hour): _Truth(run, mean[:, i, v], square[:, i, v])
        for v, variable in enumerate(scores.variables[: scores.num_features])
        for i, hour in enumerate(scores.lead_hours)
    }


def _check_truth(runs: Mapping[str, ScoreSet], starts: NDArray[np.datetime64]) -> None:
    """Scores against different truths are not compared: mean and deviation of the truth of each forecast tell them apart."""
    known: dict[tuple[str, float], _Truth] = {}
    for run, scores in runs.items():
        for (variable, hour), truth in _truths(run, scores, starts).items():
            before = known.setdefault((variable, hour), truth)
            place = np.flatnonzero(before.differs(truth))
            if place.size:
                shown = [f"{t.mean[place[0]]:.6g} ± {t.deviation[place[0]]:.4g}" for t in (before, truth)]
                raise DataError(
                    f"{before.run} and {run} were scored against different truths, or on different cells: {variable} of "
                    f"{starts[place[0]]} +{hour:g} h is {shown[0]} and {shown[1]} there"
                )


def _span(times: NDArray[np.datetime64]) -> str:
    return f"from {times.min()} to {times.max()}" if times.size else "none"

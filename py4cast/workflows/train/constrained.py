"""What is asked of variables, held against the data before a training begins, and the statistics of what is learned."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from py4cast.atomic import write_json
from py4cast.constraint import Constraint
from py4cast.dataset_info import DatasetInfo
from py4cast.datasets import DatasetABC
from py4cast.errors import DataError, SettingsError, nearest
from py4cast.learned import transforms_of
from py4cast.progress import Progress
from py4cast.settings import digest
from py4cast.statistics import MOMENTS, Stats, merge_moments, moments
from py4cast.transforms import TransformABC
from py4cast.variables import Variable

__all__ = ["constrained"]

_BATCH = 16


class _Bad(NamedTuple):
    """Values that a constraint cannot have.

    Args:
        number: how many.
        first: the first instant that has one.
        why: what is wrong with them.
    """

    number: int
    first: np.datetime64 | None
    why: str


def constrained(
    info: DatasetInfo,
    constraints: Mapping[str, Constraint],
    train: DatasetABC,
    cache: Path | None = None,
    progress: Progress | None = None,
) -> DatasetInfo:
    """The data with what is asked of their variables, and with the statistics of those that are learned as something else.

    Args:
        info: of the data.
        constraints: by the name of a variable.
        train: the training split, which is read once where a transform, or bounds that its extremes break, ask for it.
        cache: a file that keeps the statistics of transforms; made where it is not there.
        progress: told of the reading.

    Raises:
        SettingsError: a variable that is not there, or of which it cannot be asked.
        DataError: bounds or a domain that leave out values of the data; names variable, count and first date.
    """
    if not constraints:
        return info
    variables = {v.name: _with(info, v, constraints[v.name]) for v in info.variables if v.name in constraints}
    _check_names(info, constraints)
    asked = replace(info, variables=[variables.get(v.name, v) for v in info.variables])
    transforms = transforms_of(asked.variables)
    if not transforms and not any(_breaks(info, name, c) for name, c in constraints.items()):
        return asked
    key = digest({"variables": [v.to_dict() for v in variables.values()], "stats": info.stats.to_dict()})
    kept = _kept(cache, key)
    if kept is None:
        reading = _Reading(asked, constraints, transforms)
        reading.read(train, progress)
        kept = (reading.stats(), reading.diff_stats())
        if cache is not None and transforms:
            write_json(cache, {"key": key, "stats": kept[0].to_dict(), "diff_stats": kept[1].to_dict()})
    return replace(asked, learned_stats=kept[0], learned_diff_stats=kept[1])


def _kept(cache: Path | None, key: str) -> tuple[Stats, Stats] | None:
    """The statistics that a file keeps, if they are of the same data and constraints."""
    if cache is None or not cache.is_file():
        return None
    try:
        document = json.loads(cache.read_text())
        return (Stats(document["stats"]), Stats(document["diff_stats"])) if document["key"] == key else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _with(info: DatasetInfo, variable: Variable, constraint: Constraint) -> Variable:
    """A variable with its constraint, whose scale is told."""
    std = info.stats[variable.name]["std"] if variable.name in info.stats else 0.0
    if constraint.transform == "log" and constraint.scale is None:
        constraint = replace(constraint, scale=std or 1.0)
    return replace(variable, constraint=constraint)


def _check_names(info: DatasetInfo, constraints: Mapping[str, Constraint]) -> None:
    for name, constraint in constraints.items():
        where = f"variables.{name}"
        names = [v.name for v in info.variables]
        if name not in names:
            raise SettingsError(f"{where}: no such variable{nearest(name, names)}")
        is_predicted = name in info.predicted
        if not is_predicted and (constraint.is_bounded or constraint.conserve):
            raise SettingsError(f"{where}: it is not predicted, so that it has no bounds and no mean to keep")
        total = constraint.at_most
        if total and total not in info.predicted:
            raise SettingsError(f"{where}.at_most: no predicted variable {total!r}{nearest(total, info.predicted)}")
        if total == name:
            raise SettingsError(f"{where}.at_most: a variable is no part of itself")
        if total and constraints.get(total, Constraint()).at_most:
            raise SettingsError(f"{where}.at_most: {total} is itself a part of another one; name the largest total")
        if constraint.conserve and name not in info.prognostic:
            raise SettingsError(
                f"{where}.conserve: it is diagnostic, so that no last state is known whose mean could be kept"
            )
        if constraint.conserve and bool(info.statics.border_mask.any()):
            raise SettingsError(
                f"{where}.conserve: truth is imposed in the border, so that the mean is not that of the last state"
            )
        if name in info.stats and constraint.transform != "none" and not is_predicted and name not in info.forcing:
            raise SettingsError(f"{where}.transform: of predicted variables and forcings alone")


def _breaks(info: DatasetInfo, name: str, constraint: Constraint) -> bool:
    """Whether the extremes of the training period lie beyond the bounds, or nobody knows."""
    if constraint.at_most:
        return True
    low, high = constraint.limits
    row: Mapping[str, float] = info.stats.table.get(name, {})
    return not (low <= row.get("min", -np.inf) and row.get("max", np.inf) <= high) and constraint.is_bounded


class _Reading:
    """Creates one pass over a training split: what constraints leave out, and the moments of what is learned."""

    def __init__(
        self, info: DatasetInfo, constraints: Mapping[str, Constraint], transforms: Mapping[str, TransformABC]
    ) -> None:
        self._info, self._constraints, self._transforms = info, constraints, transforms
        self._learned = [f"{n}{part}" for n, t in transforms.items() for part in t.parts]
        predicted = {f"{n}{part}" for n, t in transforms.items() if n in info.predicted for part in t.parts}
        self._changing = [n for n in self._learned if n in predicted]
        self._before: tuple[np.datetime64 | None, dict[str, Tensor]] = (None, {})
        self._values = np.zeros((0, len(self._learned), len(MOMENTS)))
        self._changes = np.zeros((0, len(self._changing), len(MOMENTS)))
        self._bad: dict[str, _Bad] = {}

    def read(self, train: DatasetABC, progress: Progress | None) -> None:
        """Reads every sample once; DataError names the first variable of which a constraint leaves out values."""
        if progress is not None:
            progress.start("statistics of what is learned", len(train))
        for begin in range(0, len(train), _BATCH):
            indices = range(begin, min(begin + _BATCH, len(train)))
            batch = train.read_batch(indices)
            times = batch.init_time
            for index, row in enumerate(indices):
                when = None if times is None else np.datetime64(times[index], "s")
                self._add(dict(self._fields(batch, index)), when, is_first=row == 0)
                if progress is not None:
                    progress.step()
        for name, bad in self._bad.items():
            raise DataError(
                f"variables.{name}: {bad.why}, and {bad.number} values of the training period do not keep to it, first "
                f"{'at ' + str(bad.first) if bad.first is not None else 'in its first sample'}"
            )

    def _fields(self, batch: Any, index: int) -> Iterator[tuple[str, Tensor]]:
        """The last past state and the first predicted one of a sample, `(timestep, lat, lon)` by variable."""
        wanted = {*self._transforms, *self._constraints, *(c.at_most for c in self._constraints.values())}
        for name in wanted & {v.name for v in self._info.variables}:
            if name in self._info.prognostic:
                last, first = batch.inputs[name][index, -1:], batch.outputs[name][index, :1]
                yield name, torch.cat([last.squeeze(-1), first.squeeze(-1)])
            elif name in self._info.predicted:
                yield name, batch.outputs[name][index, :1].squeeze(-1)
            elif name in self._info.forcing:
                yield name, batch.forcing[name][index, :1].squeeze(-1)

    def _add(self, fields: dict[str, Tensor], when: np.datetime64 | None, is_first: bool) -> None:
        # the last past state of a sample is the first prediction of another, but for the very first one
        counted = {n: v if is_first else v[-1:] for n, v in fields.items()}
        self._check(counted, when)
        if not self._transforms:
            return
        learned: dict[str, Tensor] = {}
        for name, transform in self._transforms.items():
            parts = transform.forward(fields[name].double().unsqueeze(-1)).unbind(-1)
            learned |= {f"{name}{part}": value for part, value in zip(transform.parts, parts, strict=True)}
        values = [_moments(learned[n] if is_first else learned[n][-1:]) for n in self._learned]
        before = self._before[1] if when is not None and self._before[0] == when - self._info.step_duration else {}
        self._before = (when, {n: v[-1:] for n, v in learned.items()})
        # a diagnostic has no past states: its change is that from the sample before
        changes = [
            _moments(learned[n][-1:] - (learned[n][:1] if len(learned[n]) > 1 else before.get(n, learned[n][:0])))
            for n in self._changing
        ]
        self._values = merge_moments(np.stack([*self._values, np.array(values)]))[None]
        self._changes = merge_moments(np.stack([*self._changes, np.array(changes).reshape(-1, len(MOMENTS))]))[None]

    def _check(self, fields: dict[str, Tensor], when: np.datetime64 | None) -> None:
        for name, constraint in self._constraints.items():
            if name not in fields:
                continue
            values = fields[name]
            known = torch.isfinite(values)
            low, high = constraint.limits
            self._note(
                name,
                known & ((values < low) | (values > high)),
                when,
                f"bounds {list(constraint.bounds)} are asked for",
            )
            if name in self._transforms:
                transform = self._transforms[name]
                undefined = known & ~transform.is_defined(values)
                self._note(name, undefined, when, f"{constraint.transform} needs {transform.domain}")
            if constraint.at_most:
                total = fields[constraint.at_most][-values.shape[0] :]
                beyond = values > total + 1e-6 * total.abs() if len(total) == len(values) else torch.zeros_like(known)
                self._note(name, known & beyond, when, f"at most {constraint.at_most} is asked for")

    def _note(self, name: str, bad: Tensor, when: np.datetime64 | None, why: str) -> None:
        count = int(bad.sum())
        if not count:
            return
        before = self._bad.get(name)
        if before is None:
            row = int(bad.flatten(1).any(1).nonzero()[0])
            offset = self._info.step_duration * (row + (2 - len(bad)))
            self._bad[name] = _Bad(count, None if when is None else when + offset, why)
        else:
            self._bad[name] = before._replace(number=before.number + count)

    def stats(self) -> Stats:
        """The statistics of the learned features."""
        return Stats.from_moments(self._learned, self._values[0]) if self._learned else Stats({})

    def diff_stats(self) -> Stats:
        """Of the one-step differences of the learned prognostic features, in units of their deviation."""
        if not self._changing:
            return Stats({})
        stats = Stats.from_moments(self._changing, self._changes[0]).standardised_by(self.stats())
        unknown = {"mean": 0.0, "std": 1.0, "min": 0.0, "max": 0.0, "count": 0.0}
        return Stats({n: row if row["count"] else unknown for n, row in stats.items()})


def _moments(values: Tensor) -> NDArray[np.float64]:
    row: NDArray[np.float64] = moments(values.reshape(1, -1).numpy())[0]
    return row

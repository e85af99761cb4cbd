"""Limits: bounds that forecasts keep to, and means that they keep, on every step that a network gives.

What is fed back is something that the data could be, too: of a direction a unit vector, of a root no negative number.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from py4cast.constraint import Constraint
from py4cast.dataset_info import DatasetInfo
from py4cast.normalizer import Normalizer
from py4cast.statistics import Stats
from py4cast.transforms import TransformABC, transform_of
from py4cast.variables import bounds_of

__all__ = ["Limits", "Reachable", "bounded", "limits_of", "reachable_of"]


class _Kept(NamedTuple):
    """A mean that is kept.

    Args:
        place: of the variable among the prognostic features.
        is_positive: whether values are scaled and not shifted, so that none changes its sign.
    """

    place: int
    is_positive: bool


def bounded(values: Tensor, names: list[str], constraints: dict[str, Constraint]) -> Tensor:
    """Physical values `(..., features)` within the bounds of their constraints; missing values stay missing.

    Args:
        values: physical.
        names: of the features.
        constraints: by name.
    """
    parts = dict(zip(names, torch.split(values, 1, dim=-1), strict=True))
    for name, constraint in constraints.items():
        low, high = constraint.limits
        parts[name] = parts[name].clamp(low, high)
    # a part never exceeds its total, which is within its own bounds by now
    for name, constraint in constraints.items():
        if constraint.at_most:
            parts[name] = torch.minimum(parts[name], parts[constraint.at_most])
    return torch.cat([parts[name] for name in names], dim=-1)


class Limits(nn.Module):
    """Creates what is done to a step: means are kept, then values are brought within bounds.

    x ← x + ⟨x₀⟩ − ⟨x⟩ where a mean is kept, or x ← x·⟨x₀⟩/⟨x⟩ of what is never negative, ⟨·⟩ the area-weighted mean over valid
    cells and x₀ the last state. x ← min(max(x, low), high), whose slope is 1 within the bounds and 0 beyond. It is done in
    physical units, so that it holds in them.

    Args:
        info: of the data, as they are learned.
    """

    cell_shares: Tensor

    def __init__(self, info: DatasetInfo) -> None:
        super().__init__()
        of = {v.name: v for v in info.variables if v.is_predicted and v.constraint is not None}
        self.features = list(info.predicted)
        self.constraints = bounds_of(info.variables)
        # of what is bounded or kept alone: other features are not touched
        kept = [name for name, v in of.items() if v.constraint is not None and v.constraint.conserve]
        totals = [c.at_most for c in self.constraints.values() if c.at_most]
        self.touched = [n for n in self.features if n in {*self.constraints, *kept, *totals}]
        self.places = [self.features.index(n) for n in self.touched]
        by_name = {v.name: v for v in info.variables}
        self.normalizer = Normalizer(self.touched, info.stats, {n: transform_of(by_name[n]) for n in self.touched})
        self.kept = [_Kept(self.touched.index(n), n in self.constraints) for n in kept]
        weights = info.statics.area_weights.double() * info.statics.valid_mask.squeeze(-1).double()
        self.register_buffer("cell_shares", (weights / weights.sum()).float().unsqueeze(-1), persistent=False)

    def forward(self, prediction: Tensor, state: Tensor) -> Tensor:
        """A prediction `(batch, lat, lon, features)` after the state `(batch, lat, lon, features)`, both standardised."""
        columns = list(torch.split(prediction, 1, dim=-1))
        asked = torch.cat([columns[i] for i in self.places], dim=-1)
        before = values = self.normalizer.physical(asked.float())
        for place, is_positive in self.kept:
            values = self._with_mean_of(values, state, place, is_positive)
        values = bounded(values, self.touched, self.constraints)
        # what is within its bounds stays as it was, to the last digit and in its gradient
        limited = torch.where(values != before, self.normalizer.standardise(values).to(asked.dtype), asked)
        for i, column in zip(self.places, torch.split(limited, 1, dim=-1), strict=True):
            columns[i] = column
        return torch.cat(columns, dim=-1)

    def _with_mean_of(self, values: Tensor, state: Tensor, place: int, is_positive: bool) -> Tensor:
        index = self.places[place]
        scale, mean = self.normalizer.std[place].to(values.dtype), self.normalizer.mean[place].to(values.dtype)
        last = state[..., index : index + 1].float() * scale + mean
        column = values[..., place : place + 1]
        if is_positive:
            column = column.clamp_min(0.0)
        wanted, there = self._mean(last), self._mean(column)
        tiny = torch.finfo(values.dtype).tiny
        column = column * (wanted / there.clamp_min(tiny)) if is_positive else column + (wanted - there)
        return torch.cat([values[..., :place], column, values[..., place + 1 :]], dim=-1)

    def _mean(self, column: Tensor) -> Tensor:
        mean: Tensor = (column * self.cell_shares).sum((-3, -2, -1), keepdim=True)
        return mean


class Reachable(nn.Module):
    """Creates the map of prognostic features to what their transforms reach, T(T⁻¹(y)), as a state that is written and read again.

    Args:
        names: of the prognostic features, as they are learned.
        transforms: of those that have one: first column, and transform.
        stats: of what is learned.
    """

    def __init__(self, names: list[str], transforms: dict[int, TransformABC], stats: Stats) -> None:
        super().__init__()
        self.transforms = list(transforms.values())
        # of what has a transform alone: other features are not touched
        self.places = [i for first, t in transforms.items() for i in range(first, first + len(t.parts))]
        self.normalizer = Normalizer([names[i] for i in self.places], stats)

    def forward(self, states: Tensor) -> Tensor:
        """Standardised states `(..., features)` → the same where they were within."""
        columns = list(torch.split(states, 1, dim=-1))
        learned = self.normalizer.physical(torch.cat([columns[i] for i in self.places], dim=-1).float())
        parts = torch.split(learned, [len(t.parts) for t in self.transforms], dim=-1)
        reached = [t.within(part) for t, part in zip(self.transforms, parts, strict=True)]
        within = self.normalizer.standardise(torch.cat(reached, dim=-1)).to(states.dtype)
        for i, column in zip(self.places, torch.split(within, 1, dim=-1), strict=True):
            columns[i] = column
        return torch.cat(columns, dim=-1)


def reachable_of(info: DatasetInfo) -> Reachable | None:
    """The map of data as they are learned; None where no prognostic variable has a transform."""
    by_name, names = {v.name: v for v in info.variables}, list(info.prognostic)
    transforms, column = {}, 0
    while column < len(names):
        transform = transform_of(by_name[names[column]])
        if transform.changes:
            transforms[column] = transform
        column += len(transform.parts)
    return Reachable(names, transforms, info.stats) if transforms else None


def limits_of(info: DatasetInfo) -> Limits | None:
    """The limits that the constraints of data ask for; None where they ask for none."""
    constraints = [v.constraint for v in info.variables if v.is_predicted and v.constraint is not None]
    return Limits(info) if any(c.is_bounded or c.conserve for c in constraints) else None

"""Case: one forecast at one lead time beside its truth, what every statistic reads.

Quantities that several statistics share (the error, the cells that count) are made once. Fields are `(lat, lon,
features)` in float64, in memory as they came: the cells of a feature together (files), or the features of a cell
(networks); sums over cells are one product with the weights either way.
"""

from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from py4cast.metrics.layout import Layout
from py4cast.scores.deterministic import error

__all__ = ["Case", "counted_everywhere"]


def _is_features_last(field: Tensor) -> bool:
    """Whether the features of a cell lie together in memory, as a network gives them."""
    return field.stride(-1) == 1 and field.shape[-1] > 1


def _planes(field: Tensor) -> Tensor:
    """The same field in float64, its features or its cells together in memory as they were."""
    if _is_features_last(field):
        return field.to(torch.float64)
    return field.movedim(-1, -3).to(torch.float64, memory_format=torch.contiguous_format).movedim(-3, -1)


def _of_features(field: Tensor, places: tuple[int, ...]) -> Tensor:
    """Some features, whole planes at a time."""
    return field.movedim(-1, 0)[list(places)].movedim(0, -1)


def counted_everywhere(*fields: Tensor) -> Tensor | None:
    """Where all of the fields hold values, `(lat, lon, features)`; None where that is everywhere.

    One sum tells whether anything is missing; only then are the cells looked at.
    """
    if all(bool(torch.isfinite(field.sum())) for field in fields):
        return None
    counted = torch.isfinite(fields[0])
    for field in fields[1:]:
        counted = counted & torch.isfinite(field)
    return counted


class Case:
    """Creates the case of a forecast.

    Args:
        layout: of the fields.
        prediction: `(lat, lon, features)`, or `(member, lat, lon, features)` for an ensemble, physical units.
        target: `(lat, lon, features)`.
        climatology: the normal state at this time, `(lat, lon, features)`.
        counted: cells to score, `(lat, lon, features)`; by default those where everything given holds values.
        is_checked: whether `counted` already leaves out every cell that lacks a value.
    """

    def __init__(
        self,
        layout: Layout,
        prediction: Tensor,
        target: Tensor,
        climatology: Tensor | None = None,
        counted: Tensor | None = None,
        is_checked: bool = False,
    ) -> None:
        self.layout, self._given = layout, (prediction, target, climatology)
        if not is_checked:
            counted_cells = counted_everywhere(*(prediction if prediction.dim() == 4 else (prediction,)), target)
            if counted is not None:
                counted_cells = counted if counted_cells is None else counted_cells & counted
            counted = counted_cells
        self.counted: Tensor | None = counted
        self._chosen: dict[tuple[int, ...], Case] = {}
        self.kept: dict[Any, Any] = {}  # what several statistics make of it

    @property
    def device(self) -> torch.device:
        """The device on which the fields are."""
        return self._given[1].device

    @property
    def num_features(self) -> int:
        """The number of features of the fields."""
        return self._given[1].shape[-1]

    @property
    def is_features_last(self) -> bool:
        """Whether the features of a cell lie together in memory."""
        return _is_features_last(self._given[0])

    def seen_by(self, layout: Layout) -> "Case":
        """The case as a statistic with this layout wants it: brought to rows and columns where the layout is of those."""
        is_on_points = self.layout.raster is not None and layout.raster is None
        return self._on_raster if is_on_points else self

    @cached_property
    def _on_raster(self) -> "Case":
        raster = self.layout.raster
        assert raster is not None, "asked for by seen_by"
        prediction, target, normal = (None if x is None else raster(x) for x in self._given)
        assert prediction is not None and target is not None, "every case has them"
        counted = None if self.counted is None else raster.counted(self.counted)
        return Case(self.layout.of_fields, prediction, target, normal, counted, is_checked=True)

    def part(self, first: int, stop: int) -> "Case":
        """The case of the features from `first` to `stop` (excluded)."""
        if first == 0 and stop >= self.num_features:
            return self
        prediction, target, normal = (None if x is None else x[..., first:stop] for x in self._given)
        assert prediction is not None and target is not None, "every case has them"
        counted = None if self.counted is None else self.counted[..., first:stop]
        return Case(self.layout, prediction, target, normal, counted, is_checked=True)

    def chosen(self, places: tuple[int, ...]) -> "Case":
        """The case of some features; made once."""
        if places not in self._chosen:
            prediction, target, normal = (None if x is None else _of_features(x, places) for x in self._given)
            assert prediction is not None and target is not None, "every case has them"
            counted = None if self.counted is None else _of_features(self.counted, places)
            self._chosen[places] = Case(self.layout, prediction, target, normal, counted, is_checked=True)
        return self._chosen[places]

    def _filled(self, field: Tensor) -> Tensor:
        """In float64; cells that do not count hold the feature's mean truth, so that every formula stays finite there."""
        planes = _planes(field)
        return planes if self.counted is None else torch.where(self.counted, planes, self._mean)

    @cached_property
    def _mean(self) -> Tensor:
        assert self.counted is not None, "asked for where cells lack"
        target = _planes(self._given[1])
        return torch.where(self.counted, target, torch.zeros_like(target)).sum((0, 1)) / self.counted.sum((0, 1)).clamp(
            min=1
        )

    @cached_property
    def members(self) -> Tensor | None:
        """Of an ensemble, `(member, lat, lon, features)`."""
        return self._filled(self._given[0]) if self._given[0].dim() == 4 else None

    @cached_property
    def prediction(self) -> Tensor:
        """The forecast, or the mean of its members."""
        return self._filled(self._given[0]) if self.members is None else self.members.mean(0)

    @cached_property
    def target(self) -> Tensor:
        """The truth of the case, `(lat, lon, features)`."""
        return self._filled(self._given[1])

    @property
    def as_given(self) -> tuple[Tensor, Tensor]:
        """Forecast (the mean of its members) and truth in the precision of the data, missing values as they are."""
        forecast, truth, _ = self._given
        return (forecast if forecast.dim() == 3 else forecast.mean(0)), truth

    @cached_property
    def weights(self) -> Tensor:
        """Of the cells, `(lat, lon, features)`: 0 where nothing counts. `(lat, lon, 1)` where all features are whole."""
        weights = self.layout.weights.unsqueeze(-1)
        return weights if self.counted is None else weights * self.counted

    @cached_property
    def totals(self) -> Tensor:
        """Σ w over the cells, `(features)`."""
        return self.weights.sum((0, 1)).expand(self.num_features)

    @cached_property
    def error(self) -> Tensor:
        """ŷ − y; 0 where cells do not count."""
        if self.members is not None:
            return error(self.prediction, self.target)
        return self._difference(error(self._given[0], self._given[1]))

    def _difference(self, difference: Tensor) -> Tensor:
        """A difference of fields, which is made in the precision of the data, in float64."""
        planes = _planes(difference)
        return planes if self.counted is None else torch.where(self.counted, planes, torch.zeros_like(planes))

    @cached_property
    def squared_error(self) -> Tensor:
        """The squared error of every cell, (ŷ − y)²."""
        return self.error.square()

    @cached_property
    def anomalies(self) -> tuple[Tensor, Tensor]:
        """Forecast and truth less the climatology; where there is none, less the truth."""
        forecast, truth, normal = self._given
        assert normal is not None, "metrics of anomalies are made only with a climatology"
        if not bool(torch.isfinite(normal.sum())):
            normal = torch.where(torch.isfinite(normal), normal, truth)
        if self.members is not None:
            forecast = self.prediction.to(truth.dtype)
        return self._difference(forecast - normal), self._difference(truth - normal)

    def sums_in(self, values: Tensor, area: Tensor) -> tuple[Tensor, Tensor]:
        """`sums` over the cells of an area, whose mask is `(lat, lon)`."""
        within = (self.weights * area.unsqueeze(-1)).movedim(-1, 0).flatten(1).expand(values.shape[-1], -1)
        # NaN·0 is NaN
        cells = torch.where(within > 0, values.movedim(-1, 0).flatten(1).to(within.dtype), 0.0)
        return (cells * within).sum(-1), within.sum(-1)

    def sums(self, values: Tensor) -> tuple[Tensor, Tensor]:
        """Σ w·v and Σ w over the cells, of values `(lat, lon, features)`: `(features)` each."""
        if self.counted is None and _is_features_last(values):
            return self.weights.flatten() @ values.flatten(0, 1), self.totals
        cells = values.movedim(-1, 0).flatten(1)
        if self.counted is None:
            return cells @ self.weights.flatten(), self.totals
        weights = self.weights.movedim(-1, 0).flatten(1)
        return (cells * weights).sum(-1), self.totals

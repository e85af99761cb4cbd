"""Case: one forecast at one lead time beside its truth, what every statistic reads.

Quantities that several statistics share (the error, the cells that count) are made once. Fields are `(lat, lon,
features)` in float64; in memory the cells of a feature lie together, so that sums over cells are fast.
"""

from functools import cached_property

import torch
from torch import Tensor

from py4cast.metrics.layout import Layout
from py4cast.scores.deterministic import error

__all__ = ["Case", "counted_everywhere"]


def _planes(field: Tensor) -> Tensor:
    """The same field in float64 with the cells of a feature together in memory."""
    return field.movedim(-1, -3).to(torch.float64, memory_format=torch.contiguous_format).movedim(-3, -1)


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
    """

    def __init__(
        self,
        layout: Layout,
        prediction: Tensor,
        target: Tensor,
        climatology: Tensor | None = None,
        counted: Tensor | None = None,
    ) -> None:
        self.layout = layout
        given = _planes(prediction)
        self.members: Tensor | None = given if given.dim() == 4 else None
        self.prediction = given if self.members is None else given.mean(0)
        self.target = _planes(target)
        self.climatology = None if climatology is None else _planes(climatology)
        found = counted_everywhere(self.prediction, self.target)
        if counted is not None:
            found = counted if found is None else found & counted
        self.counted: Tensor | None = found
        if found is not None:
            self._fill(found)

    def _fill(self, counted: Tensor) -> None:
        """Cells that do not count hold the feature's mean truth, so that every formula stays finite there."""
        share = counted.sum((0, 1)).clamp(min=1)
        mean = torch.where(counted, self.target, torch.zeros_like(self.target)).sum((0, 1)) / share
        self.target = torch.where(counted, self.target, mean)
        self.prediction = torch.where(counted, self.prediction, mean)
        if self.members is not None:
            self.members = torch.where(counted, self.members, mean)

    @cached_property
    def weights(self) -> Tensor:
        """Of the cells, `(lat, lon, features)`: 0 where nothing counts. `(lat, lon, 1)` where all features are whole."""
        weights = self.layout.weights.unsqueeze(-1)
        return weights if self.counted is None else weights * self.counted

    @cached_property
    def totals(self) -> Tensor:
        """Σ w over the cells, `(features)`."""
        return self.weights.sum((0, 1)).expand(self.target.shape[-1])

    @cached_property
    def error(self) -> Tensor:
        """ŷ − y."""
        return error(self.prediction, self.target)

    @cached_property
    def squared_error(self) -> Tensor:
        """(ŷ − y)²."""
        return self.error.square()

    @cached_property
    def anomalies(self) -> tuple[Tensor, Tensor]:
        """Forecast and truth less the climatology; where there is none, less the truth."""
        assert self.climatology is not None, "metrics of anomalies are made only with a climatology"
        normal = self.climatology
        if not bool(torch.isfinite(normal.sum())):
            normal = torch.where(torch.isfinite(normal), normal, self.target)
        return self.prediction - normal, self.target - normal

    @cached_property
    def wind_speed(self) -> tuple[Tensor, Tensor]:
        """√(u² + v²) of every wind pair, `(lat, lon, pair)`, of forecast and truth."""
        return self._speed(self.prediction), self._speed(self.target)

    def _speed(self, field: Tensor) -> Tensor:
        planes = field.movedim(-1, 0)
        pairs = [torch.hypot(planes[p.eastward], planes[p.northward]) for p in self.layout.pairs]
        return torch.stack(pairs).movedim(0, -1) if pairs else field[..., :0]

    @cached_property
    def wind_members(self) -> Tensor | None:
        """The speed of every member, `(member, lat, lon, pair)`."""
        return None if self.members is None else torch.stack([self._speed(member) for member in self.members])

    def sums(self, values: Tensor) -> tuple[Tensor, Tensor]:
        """Σ w·v and Σ w over the cells, of values `(lat, lon, features)`: `(features)` each."""
        cells = values.movedim(-1, 0).flatten(1)
        if self.counted is None:
            return cells @ self.weights.flatten(), self.totals
        weights = self.weights.movedim(-1, 0).flatten(1)
        return (cells * weights).sum(-1), self.totals

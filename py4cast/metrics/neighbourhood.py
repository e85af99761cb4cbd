"""FSS: the fractions skill score of events at several thresholds and scales."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from py4cast.metrics.base import Dimension, MetricABC, StatisticABC
from py4cast.metrics.case import Case
from py4cast.metrics.event import Events
from py4cast.metrics.layout import Layout
from py4cast.scores.neighbourhood import fractions_skill_score, summed_area, window_sums

__all__ = ["FSS"]


def _scales(layout: Layout) -> list[int]:
    """The windows that fit on the grid."""
    assert layout.grid is not None, "lacking() asks for one"
    return [s for s in layout.settings.scales if s <= min(layout.grid.shape)]


class Fractions(StatisticABC):
    """(P_f − P_o)², P_f² and P_o², means over the windows that lie inside, `(names, thresholds, scales, 3)`.

    A window has the weight of its centre. Round the globe windows go over the first column's side. Missing cells
    count as cells without the event.
    """

    name = "fractions"
    is_by_feature = False

    def __init__(self, layout: Layout) -> None:
        super().__init__(layout)
        self.events, self.scales = Events(layout, layout.placed_events), _scales(layout)
        assert layout.grid is not None, "lacking() asks for one"
        self._is_periodic = layout.grid.is_periodic

    def compute(self, case: Case) -> tuple[Tensor, Tensor]:
        rows, totals = [], []
        for happened, weights in zip(self.events.happened(case), self.events.weights(case), strict=True):
            # whole numbers up to 2²⁴ are exact in float32
            inside = happened & (weights > 0)
            table = summed_area(
                self._wrapped(inside.to(torch.float32 if inside[0, 0].numel() < 2**24 else torch.float64))
            )
            parts, masses = [], []
            for scale in self.scales:
                centres = self._centres(weights, scale).flatten()
                shares = (inside.double() if scale == 1 else self._inside(table, scale)).flatten(2)
                squares = self.events.products(shares, centres)
                parts.append(
                    torch.stack([squares[:, 0] + squares[:, 1] - 2 * squares[:, 2], *squares[:, :2].unbind(-1)], -1)
                )
                masses.append(centres.sum())
            rows.append(torch.stack(parts, 1))
            totals.append(torch.stack(masses))
        sums = torch.stack(rows)
        valid = self.events.valid(sums.device)[:, :, None] * torch.stack(totals)[:, None, :]
        return sums, valid.unsqueeze(-1).expand_as(sums)

    @property
    def _margin(self) -> int:
        """Columns that are added on both sides round the globe."""
        return max(self.scales) // 2 if self._is_periodic else 0

    def _wrapped(self, field: Tensor) -> Tensor:
        m = self._margin
        return torch.cat([field[..., -m:], field, field[..., :m]], -1) if m else field

    def _inside(self, table: Tensor, scale: int) -> Tensor:
        """Shares of the windows inside, one per centre of `_centres`."""
        shares = window_sums(table, scale).double() / scale**2
        spare = self._margin - scale // 2
        return shares[..., spare:-spare] if self._is_periodic and spare else shares

    def _centres(self, weights: Tensor, scale: int) -> Tensor:
        """Weights of the cells that are the centre of a window inside."""
        margin = scale // 2
        if not margin:
            return weights
        columns = slice(None) if self._is_periodic else slice(margin, -margin)
        return weights[margin:-margin, columns]


class FSS(MetricABC):
    """Fractions skill score: 1 is best, 0 no overlap; it grows with the scale at which near enough counts."""

    name, long_name, orientation = "fss", "fractions skill score", "high"
    is_for_fields = True

    def __init__(self, layout: Layout) -> None:
        super().__init__(layout)
        self.statistics = (Fractions(layout),)
        self._events = self.statistics[0].events

    @classmethod
    def lacking(cls, layout: Layout) -> str:
        if layout.grid is None:
            return "a grid"
        return "" if layout.placed_events else "precipitation, or thresholds in the settings"

    @property
    def features(self) -> list[str]:
        return self._events.names

    @property
    def dimensions(self) -> Sequence[Dimension]:
        return (self._events.dimension(), Dimension("scale", _scales(self.layout), "cells"))

    def units(self, feature: str) -> str:
        return "1"

    def value(self, means: Mapping[str, Tensor]) -> Tensor:
        skill = fractions_skill_score(*means["fractions"].unbind(-1))
        return torch.where(torch.isfinite(skill), skill, torch.full_like(skill, torch.nan))

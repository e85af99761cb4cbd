"""Metrics of the joint law of members: whether cells vary together, which scores of single cells do not see."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from py4cast.errors import SettingsError
from py4cast.metrics.base import MetricABC, StatisticABC
from py4cast.metrics.case import Case
from py4cast.metrics.layout import Layout
from py4cast.neighbours import DifferenceView, NeighbourView, differences_of, means_of
from py4cast.scores.ensemble import spread_skill_ratio, variance

__all__ = ["NeighbourCorrelation", "PooledSpreadSkill"]

_SIZE = 6  # of the boxes [cells]


def _weights(layout: Layout) -> Tensor:
    """Shares of the cells, `(lat, lon)`."""
    assert layout.grid is not None, "lacking() asks for one"
    areas = torch.tensor(layout.grid.cell_areas(), dtype=torch.float64)
    return areas / areas.sum()


class _StatisticOfViews(StatisticABC):
    """Abstract pair of quantities of views of neighbours, `(features, 2)`."""

    views: Sequence[NeighbourView]

    def _sums(self, case: Case, pairs: list[tuple[Tensor, Tensor]]) -> tuple[Tensor, Tensor]:
        sums = torch.zeros(case.num_features, 2, dtype=torch.float64, device=case.device)
        totals = torch.zeros(case.num_features, dtype=torch.float64, device=case.device)
        counts = (case.weights > 0).expand_as(case.target)
        for view, (first, second) in zip(self.views, pairs, strict=True):
            weights = view.counted(counts) * view.weights.to(case.device)[..., None]
            sums += torch.stack([(first * weights).sum((0, 1)), (second * weights).sum((0, 1))], -1)
            totals += weights.sum((0, 1))
        return sums, totals[:, None].expand_as(sums)


class PooledMoments(_StatisticOfViews):
    """Variance of the members' means over boxes, and the squared error of their mean."""

    name = "pooled_moments"

    def __init__(self, layout: Layout) -> None:
        super().__init__(layout)
        assert layout.grid is not None, "lacking() asks for one"
        self.views = means_of(layout.grid, _weights(layout), (_SIZE,))

    def compute(self, case: Case) -> tuple[Tensor, Tensor]:
        pairs = []
        for view in self.views:
            members, truth = view.to(case.device)(case.members), view(case.target)
            pairs.append((variance(members), (members.mean(0) - truth).square()))
        return self._sums(case, pairs)


class NeighbourCovariance(_StatisticOfViews):
    """⟨δ² x′⟩ and ⟨x′²⟩ of the members' deviations x′ from their mean, δ the difference between adjacent cells."""

    name = "neighbour_covariance"
    views: Sequence[DifferenceView]

    def __init__(self, layout: Layout) -> None:
        super().__init__(layout)
        assert layout.grid is not None, "lacking() asks for one"
        self.views = differences_of(layout.grid, _weights(layout), (1,))

    def compute(self, case: Case) -> tuple[Tensor, Tensor]:
        assert case.members is not None, "lacking() asks for them"
        deviations = case.members - case.members.mean(0)
        squares = deviations.square().mean(0)
        pairs = []
        for view in self.views:
            apart = view.to(case.device)(deviations)
            here, there = view.ends(squares)
            pairs.append((apart.square().mean(0), (here + there) / 2))
        return self._sums(case, pairs)


class _JointMetric(MetricABC):
    """Abstract metric of members on a grid."""

    is_for_fields = True

    @classmethod
    def lacking(cls, layout: Layout) -> str:
        if layout.num_members < 2:
            return "several members"
        if layout.grid is None:
            return "a grid"
        try:
            means_of(layout.grid, torch.ones(layout.grid.shape), (_SIZE,))
            differences_of(layout.grid, torch.ones(layout.grid.shape), (1,))
        except SettingsError:
            return f"a grid of more than {_SIZE} x {_SIZE} cells"
        return ""

    def units(self, feature: str) -> str:
        return "1"


class PooledSpreadSkill(_JointMetric):
    """√((m + 1)/m) · spread/RMSE of means over 6 × 6 cells: 1 is best, below 1 the members' neighbours vary too little together."""

    name, long_name, orientation = "pooled_spread_skill", "ratio of spread and error of means over 6 x 6 cells", "one"

    def __init__(self, layout: Layout) -> None:
        super().__init__(layout)
        self.statistics = (PooledMoments(layout),)

    def value(self, means: Mapping[str, Tensor]) -> Tensor:
        spread, error = means["pooled_moments"].unbind(-1)
        return spread_skill_ratio(spread, error, self.layout.num_members)


class NeighbourCorrelation(_JointMetric):
    """Correlation of the members' deviations from their mean between adjacent cells, 1 − ⟨δ² x′⟩/(2⟨x′²⟩)."""

    name, long_name = "neighbour_correlation", "correlation of the members' deviations between adjacent cells"

    def __init__(self, layout: Layout) -> None:
        super().__init__(layout)
        self.statistics = (NeighbourCovariance(layout),)

    def value(self, means: Mapping[str, Tensor]) -> Tensor:
        apart, square = means["neighbour_covariance"].unbind(-1)
        return 1 - apart / (2 * square)

"""Metrics of ensembles: CRPS, spread, spread/skill, rank histogram, Brier score, reliability, energy score."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from py4cast.metrics.base import CellStatisticABC, Dimension, MetricABC, StatisticABC
from py4cast.metrics.case import Case
from py4cast.metrics.deterministic import SquaredError
from py4cast.metrics.event import Events
from py4cast.metrics.layout import Layout
from py4cast.scores import ensemble as scores

__all__ = ["CRPS", "Brier", "EnergyScore", "FairCRPS", "RankHistogram", "Reliability", "Spread", "SpreadSkill"]


def _members(case: Case) -> Tensor:
    assert case.members is not None, "lacking() asks for them"
    return case.members


def _no_members(layout: Layout) -> str:
    return "" if layout.num_members > 1 else "several members"


class PlainCRPSStatistic(CellStatisticABC):
    """The score of the members as they are."""

    name = "crps"

    def cells(self, case: Case) -> Tensor:
        return scores.crps(_members(case), case.target, is_fair=False)


class FairCRPSStatistic(CellStatisticABC):
    """The score of what the members were drawn from."""

    name = "fair_crps"

    def cells(self, case: Case) -> Tensor:
        return scores.crps(_members(case), case.target)


class Variance(CellStatisticABC):
    """Unbiased variance of the members."""

    name = "variance"

    def cells(self, case: Case) -> Tensor:
        return scores.variance(_members(case))


class _EnsembleMetric(MetricABC):
    """Abstract metric of several members."""

    @classmethod
    def lacking(cls, layout: Layout) -> str:
        return _no_members(layout)


class CRPS(_EnsembleMetric):
    """Continuous ranked probability score of the members as they are."""

    name, long_name, orientation = "crps", "continuous ranked probability score", "low"

    def __init__(self, layout: Layout) -> None:
        super().__init__(layout)
        self.statistics = (PlainCRPSStatistic(layout),)

    def value(self, means: Mapping[str, Tensor]) -> Tensor:
        return means["crps"]


class FairCRPS(_EnsembleMetric):
    """Continuous ranked probability score that does not depend on the number of members."""

    name, long_name, orientation = "fair_crps", "fair continuous ranked probability score", "low"

    def __init__(self, layout: Layout) -> None:
        super().__init__(layout)
        self.statistics = (FairCRPSStatistic(layout),)

    def value(self, means: Mapping[str, Tensor]) -> Tensor:
        return means["fair_crps"]


class Spread(_EnsembleMetric):
    """√⟨s²⟩, s² the unbiased variance of the members."""

    name, long_name = "spread", "ensemble spread"

    def __init__(self, layout: Layout) -> None:
        super().__init__(layout)
        self.statistics = (Variance(layout),)

    def value(self, means: Mapping[str, Tensor]) -> Tensor:
        return means["variance"].sqrt()


class SpreadSkill(_EnsembleMetric):
    """√((m + 1)/m) · spread/RMSE of the ensemble's mean: 1 is best, below 1 too little spread."""

    name, long_name, orientation = "spread_skill", "corrected ratio of spread and error", "one"

    def __init__(self, layout: Layout) -> None:
        super().__init__(layout)
        self.statistics = (Variance(layout), SquaredError(layout))

    def units(self, feature: str) -> str:
        return "1"

    def value(self, means: Mapping[str, Tensor]) -> Tensor:
        return scores.spread_skill_ratio(means["variance"], means["squared_error"], self.layout.num_members)


class RankShares(StatisticABC):
    """Share of the cells at each rank, `(features, rank)`."""

    name = "rank_shares"

    def compute(self, case: Case) -> tuple[Tensor, Tensor]:
        shares = scores.rank_shares(_members(case), case.target)
        sums = torch.einsum("yxfr,yxf->fr", shares, case.weights.expand(shares.shape[:-1]))
        return sums, case.totals.unsqueeze(-1).expand_as(sums)


class RankHistogram(_EnsembleMetric):
    """How often the truth takes each rank among the members: flat is best, a U shape too little spread."""

    name, long_name = "rank_histogram", "share of the truth's rank among the members"

    def __init__(self, layout: Layout) -> None:
        super().__init__(layout)
        self.statistics = (RankShares(layout),)

    @property
    def dimensions(self) -> Sequence[Dimension]:
        return (Dimension("rank", list(range(self.layout.num_members + 1))),)

    def units(self, feature: str) -> str:
        return "1"

    def value(self, means: Mapping[str, Tensor]) -> Tensor:
        return means["rank_shares"]


class EventProbability(StatisticABC):
    """Brier score, plain and fair, and per bin of the forecast probability: share, its mean, and the frequency.

    `(names, thresholds, 2 + 3 · bins)`.
    """

    name = "event_probability"
    is_by_feature = False

    def __init__(self, layout: Layout) -> None:
        super().__init__(layout)
        self.events, self.num_bins = Events(layout), layout.settings.num_bins

    def compute(self, case: Case) -> tuple[Tensor, Tensor]:
        rows, totals = [], []
        limits_of = self.events.thresholds.tolist()
        for members, truth, weights, limits in zip(
            self.events.members(case), self.events.truths(case), self.events.weights(case), limits_of, strict=True
        ):
            flat = weights.flatten()
            rows.append(torch.stack([self._at(members, truth, flat, limit) for limit in limits]))
            totals.append(flat.sum())
        sums = torch.stack(rows)
        weight = torch.stack(totals)[:, None] * self.events.valid(sums.device)
        return sums, weight.unsqueeze(-1).expand_as(sums)

    def _at(self, members: Tensor, truth: Tensor, weights: Tensor, limit: float) -> Tensor:
        probability = (members >= limit).double().mean(0).flatten()
        occurred = (truth >= limit).double().flatten()
        # the last bin holds 1 too
        index = (probability * self.num_bins).long().clamp(max=self.num_bins - 1)
        bins = torch.zeros(3, self.num_bins, dtype=weights.dtype, device=weights.device)
        bins.index_add_(1, index, torch.stack([weights, weights * probability, weights * occurred]))
        plain = scores.brier(probability, occurred) @ weights
        fair = scores.brier(probability, occurred, members.shape[0]) @ weights
        return torch.cat([torch.stack([plain, fair]), bins.flatten()])


class _EventMetric(MetricABC):
    """Abstract metric of the probability of events."""

    def __init__(self, layout: Layout) -> None:
        super().__init__(layout)
        self.statistics = (EventProbability(layout),)
        self._events = self.statistics[0].events

    @classmethod
    def lacking(cls, layout: Layout) -> str:
        if layout.num_members < 2:
            return "several members"
        return "" if layout.events else "precipitation, wind, or thresholds in the settings"

    @property
    def features(self) -> list[str]:
        return self._events.names

    def units(self, feature: str) -> str:
        return "1"


class Brier(_EventMetric):
    """⟨(p − o)²⟩ of the members' share p, plain and fair: 0 is best.

    Reference: G. W. Brier (1950), doi 10.1175/1520-0493(1950)078<0001:VOFEIT>2.0.CO;2; C. A. T. Ferro (2014).
    """

    name, long_name, orientation = "brier", "Brier score", "low"

    @property
    def dimensions(self) -> Sequence[Dimension]:
        return (self._events.dimension(), Dimension("form", ("plain", "fair"), ""))

    def value(self, means: Mapping[str, Tensor]) -> Tensor:
        return means["event_probability"][..., :2]


class Reliability(_EventMetric):
    """Per bin of the forecast probability: how often it was used, its mean, and how often the event then occurred.

    Reference: A. H. Murphy (1973), doi 10.1175/1520-0450(1973)012<0595:ANVPOT>2.0.CO;2.
    """

    name, long_name = "reliability", "reliability diagram"

    @property
    def dimensions(self) -> Sequence[Dimension]:
        count = self.layout.settings.num_bins
        centres = [(i + 0.5) / count for i in range(count)]
        parts = ("share", "probability", "frequency")
        return (self._events.dimension(), Dimension("bin", centres), Dimension("part", parts, ""))

    def value(self, means: Mapping[str, Tensor]) -> Tensor:
        bins = means["event_probability"][..., 2:]
        share, probability, occurred = bins.reshape(*bins.shape[:-1], 3, -1).unbind(-2)
        nothing = torch.full_like(share, torch.nan)
        used = share > 0
        parts = [share, *(torch.where(used, x / share, nothing) for x in (probability, occurred))]
        return torch.stack(parts, -1)


class EnergyStatistic(StatisticABC):
    """Fair energy score of the whole field of a feature; every forecast counts alike."""

    name = "energy"

    def compute(self, case: Case) -> tuple[Tensor, Tensor]:
        members, target = _members(case).flatten(1, 2), case.target.flatten(0, 1)
        weights = case.weights.expand_as(case.target).flatten(0, 1)
        values = scores.energy_score(members, target, weights)
        counts = torch.isfinite(values)
        return torch.where(counts, values, torch.zeros_like(values)), counts.double()


class EnergyScore(_EnsembleMetric):
    """Energy score of fields, fair: low is best; unlike the CRPS it sees whether cells vary together."""

    name, long_name, orientation = "energy_score", "fair energy score of the field", "low"

    def __init__(self, layout: Layout) -> None:
        super().__init__(layout)
        self.statistics = (EnergyStatistic(layout),)

    def value(self, means: Mapping[str, Tensor]) -> Tensor:
        return means["energy"]

"""Events: what is looked for in a field, at least so much of it, in features and in the speed of wind pairs."""

from collections.abc import Mapping

import torch
from torch import Tensor

from py4cast.metrics.base import Dimension
from py4cast.metrics.case import Case
from py4cast.metrics.layout import Layout

__all__ = ["Events"]


class Events:
    """Creates the events of a layout.

    Args:
        layout: of the fields.
        found: thresholds by feature or wind pair; by default all of the layout's.
    """

    def __init__(self, layout: Layout, events: Mapping[str, tuple[float, ...]] | None = None) -> None:
        events = layout.events if events is None else events
        self.layout = layout
        self.names = [n for n in [*layout.features, *(p.name for p in layout.pairs)] if n in events]
        # as wide as the layout's longest row, so that all metrics of events share one dimension
        widest = max((len(row) for row in layout.events.values()), default=0)
        rows = [[*events[n], *[float("nan")] * (widest - len(events[n]))] for n in self.names]
        self.thresholds = torch.tensor(rows, dtype=torch.float64).reshape(len(rows), widest)
        # names and thresholds as text, since no NaN equals itself
        self._key = repr([(n, events[n]) for n in self.names])
        features, pairs = layout.features, {p.name: p for p in layout.pairs}
        # one place for a feature, two for the components of a wind
        places = [
            (features.index(n),) if n in features else (pairs[n].eastward, pairs[n].northward) for n in self.names
        ]
        self._needed = tuple(sorted({i for group in places for i in group}))
        self._places = [tuple(self._needed.index(i) for i in group) for group in places]

    def dimension(self) -> Dimension:
        """The thresholds, in the units of each feature."""
        return Dimension("threshold", self.thresholds.tolist(), "units of the feature")

    def _planes(self, field: Tensor) -> list[Tensor]:
        """The field of each event's name, `(..., lat, lon)`, from the needed features."""
        return [
            field[..., p[0]] if len(p) == 1 else torch.hypot(field[..., p[0]], field[..., p[1]]) for p in self._places
        ]

    def happened(self, case: Case) -> list[Tensor]:
        """Whether forecast and truth reach each threshold of each name, `(2, threshold, lat, lon)`."""
        chosen = case.chosen(self._needed)
        key = self._key
        if key not in chosen.kept:
            chosen.kept[key] = self._happened(chosen)
        masks: list[Tensor] = chosen.kept[key]
        return masks

    def _happened(self, chosen: Case) -> list[Tensor]:
        masks = []
        for row, *pair in zip(self.thresholds, *(self._planes(x) for x in chosen.as_given), strict=True):
            limits = row.to(pair[0])[:, None, None]
            masks.append(torch.stack([plane >= limits for plane in pair]))
        return masks

    def members(self, case: Case) -> list[Tensor]:
        """The members of each event's name, `(member, lat, lon)`."""
        chosen = case.chosen(self._needed).members
        assert chosen is not None, "lacking() asks for them"
        return self._planes(chosen)

    def truths(self, case: Case) -> list[Tensor]:
        """The truth of each event's name, `(lat, lon)`."""
        return self._planes(case.chosen(self._needed).target)

    def weights(self, case: Case) -> list[Tensor]:
        """Weights of the cells of each event's name, `(lat, lon)`."""
        chosen, weights = case.chosen(self._needed), self.layout.weights.to(case.device)
        if chosen.counted is None:
            return [weights] * len(self.names)
        return [weights * chosen.counted[..., list(p)].all(-1) for p in self._places]

    @staticmethod
    def products(fields: Tensor, weights: Tensor) -> Tensor:
        """Σ w·x² of forecast and truth, and Σ w·x·y, `(2, n, cells)` → `(n, 3)`."""
        flat, n = fields.flatten(0, 1), fields.shape[1]
        # one small matrix product, of which three diagonals are wanted
        products = (flat * weights) @ flat.T
        squares = products.diagonal()
        return torch.stack([squares[:n], squares[n:], products[:n, n:].diagonal()], -1)

    def valid(self, device: torch.device) -> Tensor:
        """1 where a name has a threshold, `(name, threshold)`."""
        return torch.isfinite(self.thresholds).double().to(device)

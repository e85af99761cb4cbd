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

    def __init__(self, layout: Layout, found: Mapping[str, tuple[float, ...]] | None = None) -> None:
        found = layout.events if found is None else found
        self.layout = layout
        self.names = [n for n in [*layout.features, *(p.name for p in layout.pairs)] if n in found]
        widest = max((len(found[n]) for n in self.names), default=0)
        rows = [[*found[n], *[float("nan")] * (widest - len(found[n]))] for n in self.names]
        self.thresholds = torch.tensor(rows, dtype=torch.float64).reshape(len(rows), widest)
        features, pairs = layout.features, [p.name for p in layout.pairs]
        # fields stand behind one another: features, then wind pairs
        self._places = [features.index(n) if n in features else len(features) + pairs.index(n) for n in self.names]
        self._has_pairs = any(place >= len(features) for place in self._places)

    def dimension(self) -> Dimension:
        """The thresholds, in the units of each feature."""
        return Dimension("threshold", self.thresholds.tolist(), "units of the feature")

    def planes(self, field: Tensor, speed: Tensor | None) -> list[Tensor]:
        """The field of each event's name, `(..., lat, lon)`."""
        count = field.shape[-1]
        return [
            field[..., p] if p < count or speed is None else speed[..., p - count] for p in self._places
        ]  # fmt: skip

    def happened(self, case: Case) -> list[Tensor]:
        """Whether forecast and truth reach each threshold of each name, `(2, threshold, lat, lon)`."""
        speeds = case.wind_speed if self._has_pairs else (None, None)
        forecasts, truths = self.planes(case.prediction, speeds[0]), self.planes(case.target, speeds[1])
        found = []
        for row, forecast, truth in zip(self.thresholds, forecasts, truths, strict=True):
            limits = row.to(forecast.device)[:, None, None]
            found.append(torch.stack([forecast >= limits, truth >= limits]))
        return found

    def members(self, case: Case) -> list[Tensor]:
        """The members of each event's name, `(member, lat, lon)`."""
        assert case.members is not None, "lacking() asks for them"
        return self.planes(case.members, case.wind_members if self._has_pairs else None)

    def truths(self, case: Case) -> list[Tensor]:
        """The truth of each event's name, `(lat, lon)`."""
        return self.planes(case.target, case.wind_speed[1] if self._has_pairs else None)

    def weights(self, case: Case) -> list[Tensor]:
        """Weights of the cells of each event's name, `(lat, lon)`."""
        features = len(self.layout.features)
        found = []
        for place in self._places:
            if case.counted is None:
                found.append(self.layout.weights.to(case.target.device))
            elif place < features:
                found.append(case.weights[..., place])
            else:
                pair = self.layout.pairs[place - features]
                found.append(case.weights[..., pair.eastward] * case.counted[..., pair.northward])
        return found

    @staticmethod
    def products(fields: Tensor, weights: Tensor) -> Tensor:
        """Σ w·x·y of forecast and truth with themselves and each other, `(2, n, cells)` → `(n, 2, 2)`."""
        pairs = fields.transpose(0, 1)
        return torch.matmul(pairs * weights, pairs.transpose(-1, -2))

    def valid(self, device: torch.device) -> Tensor:
        """1 where a name has a threshold, `(name, threshold)`."""
        return torch.isfinite(self.thresholds).double().to(device)

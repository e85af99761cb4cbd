"""What the members of a forecast are worth beside those of the system itself."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from scipy.stats import chisquare
from torch import Tensor

from py4cast.batch import ItemBatch
from py4cast.datasets.base import WindowDataset
from py4cast.datasets.stochastic.systems import SystemABC
from py4cast.metrics import ScoreSettings
from py4cast.metrics.batches import BatchVerification

__all__ = ["Judge", "rank_p_value"]

Forecast = Callable[[ItemBatch], Tensor]
_METRICS = ("fair_crps", "spread_skill", "pooled_spread_skill", "neighbour_correlation", "energy_score")
_APART = 8  # cells between which the noise of the systems has no correlation


def rank_p_value(members: Tensor, truth: Tensor) -> float:
    """Probability of a rank histogram as uneven as this one if the truth is a draw like the members, by χ².

    Args:
        members: `(start, member, lat, lon)` at one lead time.
        truth: `(start, lat, lon)`.
    """
    chosen, known = members[..., ::_APART, ::_APART], truth[..., ::_APART, ::_APART]
    ranks = (chosen < known.unsqueeze(1)).sum(1).flatten()
    counts = torch.bincount(ranks, minlength=members.shape[1] + 1).numpy()
    return float(chisquare(counts).pvalue)


class Judge:
    """Creates the scores of forecasts of one system, beside those of members drawn from the system itself.

    Args:
        system: that made the data.
        data: the split that is scored.
        num_members: of each forecast.
        num_starts: forecasts, even over the split.
        lead_steps: that are told.
    """

    def __init__(
        self, system: SystemABC, data: WindowDataset, num_members: int, num_starts: int, lead_steps: Sequence[int]
    ) -> None:
        self.data, self.num_members, self.lead_steps = data, num_members, list(lead_steps)
        chosen = np.unique(np.linspace(0, len(data) - 1, num_starts).astype(int)).tolist()
        self._batches = [data.read_batch(chosen[i : i + 16]) for i in range(0, len(chosen), 16)]
        rng = np.random.default_rng(12345)

        def drawn(batch: ItemBatch) -> Tensor:
            states = batch.inputs.tensor[:, -1, ..., 0].double().numpy()
            members = [system.ensemble(x, num_members, max(lead_steps), rng) for x in states]
            return torch.from_numpy(np.stack(members)).float().unsqueeze(-1)

        self.ideal = self._scores(drawn)

    def row(self, forecast: Forecast) -> dict[str, Any]:
        """What is told of a forecast: ratios to the ideal at every lead time, and its own measures of spread."""
        of_forecast = self._scores(forecast)
        return {
            "crps_ratio": _ratio(of_forecast["fair_crps"], self.ideal["fair_crps"]),
            "energy_ratio": _ratio(of_forecast["energy_score"], self.ideal["energy_score"]),
            "spread_skill": of_forecast["spread_skill"],
            "pooled_spread_skill": of_forecast["pooled_spread_skill"],
            "correlation_ratio": of_forecast["neighbour_correlation"][0] / self.ideal["neighbour_correlation"][0],
            "rank_p": of_forecast["rank_p"],
        }

    def _scores(self, forecast: Forecast) -> dict[str, Any]:
        info = self.data.info
        settings = ScoreSettings(metrics=_METRICS, num_samples=0)
        verification = BatchVerification(info, None, settings, has_references=False, num_members=self.num_members)
        members, truths = [], []
        for batch in self._batches:
            prediction = forecast(batch)
            verification.update(batch, prediction)
            assert batch.outputs is not None, "read with the truth"
            members.append(prediction[:, :, 0, ..., 0])
            truths.append(batch.outputs.tensor[:, 0, ..., 0])
        arrays = {name: array.values[0] for name, array in verification.scores().arrays.items()}
        rows = [step - 1 for step in self.lead_steps]
        scores: dict[str, Any] = {name: [float(arrays[name][row, 0]) for row in rows] for name in _METRICS}
        scores["rank_p"] = rank_p_value(torch.cat(members), torch.cat(truths))
        return scores


def _ratio(of_forecast: Sequence[float], of_ideal: Sequence[float]) -> list[float]:
    return [f / i for f, i in zip(of_forecast, of_ideal, strict=True)]

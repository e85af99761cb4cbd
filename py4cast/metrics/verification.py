"""Verification: the model beside persistence and climatology, on the same forecasts and the same cells."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from py4cast.batch import ItemBatch
from py4cast.dataset_info import DatasetInfo
from py4cast.metrics import Aggregator, registry

__all__ = ["Climatology", "Verification"]

Climatology = Callable[[NDArray[np.datetime64]], Tensor]
METRICS = ("rmse", "mae", "bias")


class Verification:
    """Creates the running scores of a model and its references.

    Scored are interior cells that hold data, weighted by area; a diagnostic has no persistence, since no past
    value of it is known.

    Args:
        info: of the data.
        climatology: gives `(n, lat, lon, features)` for n valid times; None to leave it out.
    """

    def __init__(self, info: DatasetInfo, climatology: Climatology | None = None) -> None:
        self.info, self._climatology = info, climatology
        metrics = [registry.get(name)() for name in METRICS]
        systems = ("model", "persistence", *(("climatology",) if climatology else ()))
        self.systems = {name: Aggregator(metrics, info.statics.cell_weights) for name in systems}
        self.num_forecasts = 0

    def update(self, batch: ItemBatch, prediction: Tensor) -> None:
        """Adds forecasts `(batch, timestep, lat, lon, features)` in physical units, with the truth of the batch."""
        outputs = batch.outputs
        assert outputs is not None, "verification needs truth"
        target = outputs[self.info.predicted].tensor
        self.systems["model"].update(prediction, target)
        last = batch.inputs[self.info.prognostic].tensor[:, -1:]
        unknown = torch.full_like(last[..., :1], torch.nan).expand(*last.shape[:-1], len(self.info.diagnostic))
        persistence = torch.cat([last, unknown], dim=-1).expand_as(target)
        self.systems["persistence"].update(persistence, target)
        if self._climatology is not None:
            steps: Any = np.arange(1, target.shape[1] + 1) * self.info.step_duration
            times = np.asarray(batch.init_time, dtype="datetime64[s]")[:, None] + steps[None, :]
            normal = self._climatology(times.ravel()).to(target)
            self.systems["climatology"].update(normal.reshape(target.shape), target)
        self.num_forecasts += target.shape[0]

    def reduce(self, add: Callable[[Tensor], Tensor]) -> None:
        """Adds the sums of all ranks; `add` gives the sum of a tensor over them."""
        for aggregator in self.systems.values():
            for sums in (aggregator.sums, aggregator.totals):
                for name in sorted(sums):
                    sums[name] = add(sums[name])
        self.num_forecasts = int(add(torch.tensor(self.num_forecasts)))

    def scores(self) -> dict[str, Any]:
        """The scores as plain JSON values: system → variable → metric → one number per lead time."""
        result: dict[str, Any] = {}
        num_steps = 0
        for system, aggregator in self.systems.items():
            values = aggregator.values()
            num_steps = max([num_steps, *(int(v.shape[0]) for v in values.values())])
            result[system] = {
                variable: {metric: [_number(x) for x in value[:, i].tolist()] for metric, value in values.items()}
                for i, variable in enumerate(self.info.predicted)
            }
        hours = float(self.info.step_duration / np.timedelta64(3600, "s"))
        return {
            "lead_times_h": [round(hours * (i + 1), 6) for i in range(num_steps)],
            **result,
            "units": {name: self.info.units[name] for name in self.info.predicted},
            "num_forecasts": self.num_forecasts,
        }


def _number(value: float) -> float | None:
    return value if math.isfinite(value) else None

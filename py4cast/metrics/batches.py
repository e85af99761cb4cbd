"""BatchVerification: a Forecaster beside persistence and climatology, batch by batch of a dataset."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from py4cast.batch import ItemBatch
from py4cast.dataset_info import DatasetInfo
from py4cast.metrics.climatology import Climatology
from py4cast.metrics.dressed import Dressed
from py4cast.metrics.layout import Layout, ScoreSettings
from py4cast.metrics.score_set import ScoreSet
from py4cast.metrics.verification import Verification
from py4cast.settings import encode
from py4cast.timeline import later

__all__ = ["BatchVerification", "FurtherForecast", "SampledVerification", "TimeFunction"]

TimeFunction = Callable[[np.ndarray], Tensor]
_LIGHT = ("rmse", "mae", "bias")
FurtherForecast = Callable[[np.datetime64, Any], Tensor | None]


class BatchVerification:
    """Creates the running scores of a model and its references on the batches of a dataset.

    A diagnostic has no persistence, since no past value of it is known.

    Args:
        info: of the data.
        climatology: gives `(n, lat, lon, features)` for n valid times; None to leave it out.
        settings: what is scored, and how.
        is_compared: whether confidence intervals and comparisons are made.
        has_maps: whether maps of the error are made.
        num_members: of the model.
        has_references: whether persistence and climatology are scored too.
        further: other forecasts by name: from a start and lead times to `(timestep, lat, lon, features)`, or None where
            there is none; a forecast that one of them lacks is not scored at all.
        has_driver: whether the batches' `boundary`, the driving model, is scored too.
        dressed: makes members of one forecast by its past errors, the reference `gaussian` of an ensemble; None to leave it out.
        dressed_forecast: gives that forecast of a batch, `(batch, timestep, lat, lon, features)`; by default the mean of the
            members.
    """

    def __init__(
        self,
        info: DatasetInfo,
        climatology: Climatology | TimeFunction | None = None,
        settings: ScoreSettings | None = None,
        is_compared: bool = False,
        has_maps: bool = False,
        num_members: int = 1,
        has_references: bool = True,
        further: Mapping[str, FurtherForecast] | None = None,
        has_driver: bool = False,
        dressed: Dressed | None = None,
        dressed_forecast: Callable[[ItemBatch], Tensor] | None = None,
    ) -> None:
        self.info, self._climatology = info, climatology
        self._dressed, self._dressed_forecast = (dressed if num_members > 1 else None), dressed_forecast
        layout = Layout.of(info, settings, climatology is not None)
        layout = replace(layout, num_members=num_members, rain=getattr(climatology, "rain", None))
        references = ("persistence", *(("climatology",) if climatology else ())) if has_references else ()
        self._further, self._has_driver = dict(further or {}), has_driver
        gaussian = ("gaussian",) if self._dressed else ()
        references = (*self._further, *(("driver",) if has_driver else ()), *gaussian, *references)
        self._has_references = has_references
        counts = dict.fromkeys(gaussian, num_members)
        self._verification = Verification(layout, ("model", *references), is_compared, has_maps, counts)
        self._device = layout.weights.device
        # metrics that a climatology makes possible are those that read it
        metrics = self._verification.systems["model"].metrics
        bare = replace(layout, has_climatology=False)
        self._needs_normal = has_references or any(metric.lacking(metric.seen(bare)) for metric in metrics)

    @property
    def num_forecasts(self) -> int:
        """The number of forecasts that were added."""
        return self._verification.num_forecasts

    @property
    def layout(self) -> Layout:
        """What is scored, and how."""
        return self._verification.layout

    def update(self, batch: ItemBatch, prediction: Tensor) -> None:
        """Adds forecasts `(batch, (member,) timestep, lat, lon, features)`, physical units, with the truth of the batch."""
        outputs = batch.outputs
        assert outputs is not None, "verification needs truth"
        if prediction.device != self._device:
            self._verification.to(prediction.device)
            self._device = prediction.device
        target = outputs[self.info.predicted].tensor
        starts = self._starts(batch, target.shape[0])
        normal = self._normal(batch, target)
        last = batch.inputs[self.info.prognostic].tensor[:, -1:]
        unknown = torch.full_like(last[..., :1], torch.nan).expand(*last.shape[:-1], len(self.info.diagnostic))
        persistence = torch.cat([last, unknown], dim=-1).expand_as(target)
        driver = self._driver(batch, target) if self._has_driver else None
        gaussian = self._gaussian(batch, prediction, starts)
        steps = np.arange(1, target.shape[1] + 1)
        for i in range(target.shape[0]):
            systems: dict[str, Tensor | None] = {"model": prediction[i]}
            systems |= {
                name: read(starts[i], later(starts[i], steps, self.info.step_duration) - starts[i])
                for name, read in self._further.items()
            }
            if driver is not None:
                systems["driver"] = driver[i]
            if gaussian is not None:
                systems["gaussian"] = gaussian[i]
            if self._has_references:
                systems["persistence"] = persistence[i]
                if normal is not None:
                    systems["climatology"] = normal[i]
            whole = {name: field.to(target.device) for name, field in systems.items() if field is not None}
            if len(whole) == len(systems):
                self._verification.add(starts[i], whole, target[i], None if normal is None else normal[i])

    def _gaussian(self, batch: ItemBatch, prediction: Tensor, starts: np.ndarray) -> Tensor | None:
        """The dressed forecast, with as many members as the model has."""
        if self._dressed is None:
            return None
        given = self._dressed_forecast
        forecast = prediction.mean(1) if given is None else given(batch).to(prediction)
        return self._dressed.members(forecast, starts, prediction.shape[1])

    def _driver(self, batch: ItemBatch, target: Tensor) -> Tensor:
        """The driving model's forecast; of what it does not have, nothing."""
        given = batch["boundary"]
        fields = [
            given[name] if name in given.feature_names else torch.full_like(target[..., :1], torch.nan)
            for name in self.info.predicted
        ]
        return torch.cat(fields, -1)[:, : target.shape[1]]

    def _starts(self, batch: ItemBatch, count: int) -> np.ndarray:
        if batch.init_time is not None:
            return np.asarray(batch.init_time, dtype="datetime64[s]")
        return (self.num_forecasts + np.arange(count)).astype("datetime64[s]")

    def _normal(self, batch: ItemBatch, target: Tensor) -> Tensor | None:
        if self._climatology is None or not self._needs_normal:
            return None
        starts = np.asarray(batch.init_time, dtype="datetime64[s]")[:, None]
        times = later(starts, np.arange(1, target.shape[1] + 1)[None, :], self.info.step_duration)
        return self._climatology(times.ravel()).to(target).reshape(target.shape)

    def gather(self, gather: Callable[[Any], Sequence[Any]]) -> None:
        """Takes over what the other ranks have; `gather` gives the object of every rank."""
        self._verification = self._verification.gathered(gather(self._verification.pack()))

    def scores(self, document: Mapping[str, Any] | None = None) -> ScoreSet:
        """The scores of all forecasts that were added."""
        described = {"settings": encode(self.layout.settings), "dataset": self.info.name}
        described["climatology"] = getattr(self._climatology, "description", "")
        return self._verification.scores({**described, **(document or {})})


class SampledVerification:
    """Creates the scores of a validation that trains on: RMSE, MAE and bias of all forecasts, everything of some.

    Which forecasts is told by their starts alone, so that ranks and batches agree.

    Args:
        info: of the data.
        climatology: gives `(n, lat, lon, features)` for n valid times; None to leave it out.
        settings: what is scored, and how.
        every: of so many starts one is scored in full.
        num_members: of each forecast.
    """

    def __init__(
        self,
        info: DatasetInfo,
        climatology: Climatology | TimeFunction | None = None,
        settings: ScoreSettings | None = None,
        every: int = 16,
        num_members: int = 1,
    ) -> None:
        light = replace(settings or ScoreSettings(), metrics=_LIGHT)
        self._all = BatchVerification(info, None, light, has_references=False, num_members=num_members)
        self._some = BatchVerification(info, climatology, settings, has_references=False, num_members=num_members)
        self._every, self._step = every, max(1, int(info.step_duration / np.timedelta64(1, "s")))

    def update(self, batch: ItemBatch, prediction: Tensor) -> None:
        """Adds forecasts `(batch, (member,) timestep, lat, lon, features)`, physical units, with the truth of the batch."""
        self._all.update(batch, prediction)
        count = prediction.shape[0]
        if batch.init_time is None:
            chosen = [i for i in range(count) if (self._all.num_forecasts - count + i) % self._every == 0]
        else:
            places = np.asarray(batch.init_time, dtype="datetime64[s]").astype(np.int64) // self._step
            chosen = np.flatnonzero(places % self._every == 0).tolist()
        if chosen:
            fields = {key: value.new_like(value.tensor[chosen], value) for key, value in batch.fields.items()}
            times = None if batch.init_time is None else np.asarray(batch.init_time)[chosen]
            self._some.update(ItemBatch(fields, init_time=times), prediction[chosen])

    def gather(self, gather: Callable[[Any], Sequence[Any]]) -> None:
        """Takes over what the other ranks have; `gather` gives the object of every rank."""
        self._all.gather(gather)
        self._some.gather(gather)

    def rmse(self) -> dict[str, list[float]]:
        """The root mean square error (of the mean of members) by feature, a number per lead time; without features that have no truth."""
        scores = self._all.scores()
        table = scores.table("rmse", "model")
        names = self._all.info.predicted
        rows = {
            name: [float(v) for v in table[:, scores.variables.index(name)]]
            for name in names
            if name in scores.variables
        }
        return {name: row for name, row in rows.items() if np.isfinite(row).all()}

    def scores(self) -> ScoreSet:
        """What was found; `num_forecasts` is that of RMSE, MAE and bias."""
        whole, some = self._all.scores(), self._some.scores()
        whole.arrays = {**some.arrays, **whole.arrays}
        whole.coordinates = some.coordinates
        return whole

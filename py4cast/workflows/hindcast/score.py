"""Hindcasts that are scored on the way, against the data that they start from; the forecasts are not kept."""

import logging
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from py4cast.batch import ItemBatch
from py4cast.errors import DataError, SettingsError
from py4cast.forecaster import Forecaster
from py4cast.metrics import ScoreSettings
from py4cast.metrics.batches import BatchVerification
from py4cast.metrics.score_set import ScoreSet
from py4cast.progress import Progress
from py4cast.steppers import open_stepper
from py4cast.steppers.eager import EagerStepper
from py4cast.workflows.forecast.dataset_input import DatasetSource
from py4cast.workflows.forecast.request import Forecast
from py4cast.workflows.hindcast.starts import Starts
from py4cast.workflows.page.score_page import write_page
from py4cast.workflows.verify.climatology import carried_climatology
from py4cast.workflows.verify.dressing import dressing
from py4cast.workflows.verify.score_files import write_scores

__all__ = ["score_hindcasts"]

logger = logging.getLogger(__name__)


class _Case:
    """Creates what gives any of the scored forecasts, and its truth, again.

    Args:
        model: the Forecaster.
        data: that has `at`.
        asked: the forecasts.
        num_members: of each.
    """

    def __init__(self, model: Forecaster, data: Any, asked: Forecast, num_members: int) -> None:
        self._model, self._data, self._asked, self._num_members = model, data, asked, num_members
        self.grid, self.features = model.info.grid, model.info.predicted
        imposed = model.info.statics.border_mask[..., 0].cpu().numpy() > 0
        self.border = imposed if model.strategy.force_border and imposed.any() else None
        self.lead_times = [model.info.step_duration * (i + 1) for i in range(asked.num_steps)]

    def batch(self, init_time: np.datetime64) -> ItemBatch:
        """What one forecast starts from, with the truth."""
        batch: ItemBatch = self._data.at(init_time, self._asked.num_steps, with_outputs=True)
        return batch.to(self._model.device)

    def forecast(self, batch: ItemBatch) -> Tensor:
        """`(batch, (member,) timestep, lat, lon, features)`."""
        values: Tensor = self._model.forecast(batch, self._asked.num_steps, self._num_members, self._asked.seed).tensor
        return values

    def members(self, init_time: np.datetime64) -> tuple[Tensor, Tensor]:
        """The members `(member, timestep, lat, lon, features)`, and the truth."""
        batch = self.batch(init_time)
        assert batch.outputs is not None, "it was scored with them"
        forecast = self.forecast(batch)[0]
        members = forecast if forecast.ndim == 5 else forecast[None]
        return members.cpu(), batch.outputs[self.features].tensor[0].cpu()

    def fields(self, init_time: np.datetime64) -> tuple[Tensor, Tensor]:
        """Forecast (the mean of members) and truth, `(timestep, lat, lon, features)` each."""
        members, truth = self.members(init_time)
        return members.mean(0), truth

    def close(self) -> None:
        """Does nothing: a dataset has no files of its own open."""


def score_hindcasts(
    asked: Forecast,
    starts: Starts,
    folder: Path,
    settings: ScoreSettings | None = None,
    progress: Progress | None = None,
) -> tuple[ScoreSet, dict[str, str]]:
    """Scores the forecasts of many starts, and writes scores and page.

    Args:
        asked: any of the forecasts, from a dataset.
        starts: of the forecasts.
        folder: of the scores.
        settings: what is scored, and how.
        progress: told of the starts.

    Returns:
        The scores, and the starts that could not be made or have no truth, with the reason.

    Raises:
        SettingsError: an exported step, forecasts from files, or perturbed starts.
        DataError: no start can be scored; says why.
    """
    if asked.input or asked.others or asked.perturb:
        raise SettingsError(
            "--verify of --init_times scores one Forecaster on its dataset, without --input and --perturb"
        )
    with ExitStack():
        stepper = open_stepper(asked.forecaster, asked.device, asked.precision)
        source = DatasetSource(asked, stepper, starts.times[0])
    assert isinstance(stepper, EagerStepper), "the source refuses others"
    model = stepper.forecaster
    model.calibration = None if asked.no_calibration else model.calibration
    members = model.members_for(asked.num_members)
    dressed, dressed_forecast = dressing(model, None, asked.num_steps, members)
    verification = BatchVerification(
        model.info, carried_climatology(model), settings, is_compared=True, has_maps=True, has_driver=source.data.has_boundary,
        num_members=members, dressed=dressed, dressed_forecast=dressed_forecast,
    )  # fmt: skip
    case, missing = _Case(model, source.data, asked, members), dict[str, str]()
    _score(verification, case, starts, missing, progress)
    if verification.num_forecasts == 0:
        raise DataError(f"none of {len(starts.times)} starts can be scored: {next(iter(missing.values()))}")
    if missing:
        first, reason = next(iter(missing.items()))
        logger.warning(
            "%d of %d starts are not scored, the first %s: %s", len(missing), len(starts.times), first, reason
        )
    scores = verification.scores(_document(asked, model, starts))
    write_scores(folder, scores)
    write_page(folder / "report.html", scores, case, f"Hindcasts of {Path(asked.forecaster).name}")
    return scores, missing


def _score(
    verification: BatchVerification, case: _Case, starts: Starts, missing: dict[str, str], progress: Progress | None
) -> None:
    """Scores what can be; notes what is missing, and why."""
    if progress is not None:
        progress.start("hindcasts", len(starts.times))
    for start in starts.times:
        try:
            batch = case.batch(start)
        except DataError as error:
            missing[str(start)] = str(error)
        else:
            verification.update(batch, case.forecast(batch))
        if progress is not None:
            progress.step()


def _document(asked: Forecast, model: Forecaster, starts: Starts) -> dict[str, Any]:
    return {
        "model": model.names["model"], "strategy": model.names["strategy"],
        "variables": [v.to_dict() for v in model.info.variables if v.is_predicted],
        "grid": model.info.grid.describe(), "num_members": model.members_for(asked.num_members),
        "init_times": f"{len(starts.times)} from {starts.times[0]} to {starts.times[-1]}",
        "lineage": {k: v for k, v in model.lineage.items() if k != "scores"},
    }  # fmt: skip

"""Hindcasts that are scored on the way, against the data that they start from; the forecasts are not kept."""

import logging
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from py4cast.batch import ItemBatch
from py4cast.datasets import DatasetABC
from py4cast.errors import DataError, SettingsError
from py4cast.forecaster import Forecaster
from py4cast.metrics import ScoreSettings
from py4cast.metrics.batches import BatchVerification
from py4cast.metrics.score_set import ScoreSet
from py4cast.namedtensor import NamedTensor
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
from py4cast.workflows.verify.split import SplitCase

__all__ = ["score_hindcasts"]

logger = logging.getLogger(__name__)


class _Starts:
    """Creates samples of some starts of a dataset, with the truth: what a case of a split reads.

    Args:
        data: that has `at`.
        init_times: of the starts.
        num_steps: lead times.
    """

    def __init__(self, data: DatasetABC, init_times: NDArray[np.datetime64], num_steps: int) -> None:
        self._data, self._num_steps = data, num_steps
        self._init_times = init_times

    @property
    def init_times(self) -> NDArray[np.datetime64]:
        """The start of every sample, in order."""
        return self._init_times

    def read_batch(self, indices: Sequence[int]) -> ItemBatch:
        """The batch of one start; DataError where a state or the truth is missing."""
        (index,) = indices
        return self._data.at(self.init_times[index], self._num_steps, with_outputs=True)


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
    samples, missing = _Starts(source.data, starts.times, asked.num_steps), dict[str, str]()
    case = SplitCase(model, samples, asked.num_steps, members, asked.seed)
    forecast = partial(model.forecast, num_steps=asked.num_steps, num_members=members, seed=asked.seed)
    _score(verification, samples, forecast, model.device, missing, progress)
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
    verification: BatchVerification, samples: _Starts, forecast: Callable[[ItemBatch], NamedTensor], device: torch.device,
    missing: dict[str, str], progress: Progress | None,
) -> None:  # fmt: skip
    """Scores what can be; notes what is missing, and why."""
    if progress is not None:
        progress.start("hindcasts", len(samples.init_times))
    for index, start in enumerate(samples.init_times):
        try:
            batch = samples.read_batch([index]).to(device)
        except DataError as error:
            missing[str(start)] = str(error)
        else:
            verification.update(batch, forecast(batch).tensor)
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

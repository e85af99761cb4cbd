"""calibrate: the verb. Forecasts of the validation split say what is put right in those that come."""

import logging
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from py4cast.calibration import Calibration, hours_of
from py4cast.dataset_info import DatasetInfo
from py4cast.datasets import DatasetABC, get_datasets
from py4cast.errors import DataError, SettingsError
from py4cast.forecaster import Forecaster
from py4cast.progress import Progress
from py4cast.timeline import later
from py4cast.workflows.calibrate.fit import CalibrationFit
from py4cast.workflows.config import data_of
from py4cast.workflows.verify.climatology import carried_climatology, climatology_of

__all__ = ["calibrate"]

logger = logging.getLogger(__name__)

_BATCH = 4
_MOST_INSTANTS = 1000  # of the training, for its mean


def calibrate(
    forecaster: str | os.PathLike[str],
    output: str | os.PathLike[str],
    dataset: str | None = None,
    path: str | os.PathLike[str] | None = None,
    num_steps: int | None = None,
    overrides: Sequence[str] = (),
    num_members: int | None = None,
    seed: int = 0,
    progress: Progress | None = None,
) -> Calibration:
    """Writes a Forecaster with what the validation split says of its forecasts; its weights are as they were.

    Args:
        forecaster: a saved Forecaster.
        output: the file to write.
        dataset: registered name of the dataset; by default the one of the training.
        path: its JSON file; by default the settings of the training.
        num_steps: lead times; by default as many as it was validated on.
        overrides: dotted settings of the dataset.
        num_members: of each forecast, for a strategy with noise.
        seed: of the members' noise.
        progress: told of the forecasts.

    Raises:
        SettingsError: wrong settings.
        DataError: the data do not fit the Forecaster, or hold no forecast to learn from.
    """
    if Path(output).suffix != ".safetensors":
        raise SettingsError(f"--output {output}: expected a name that ends in .safetensors")
    model = Forecaster.load(forecaster)
    model.calibration = None
    trained = model.lineage.get("config", {}).get("train", {})
    steps = int(trained.get("num_pred_steps_val_test", 5)) if num_steps is None else num_steps
    if steps < 1:
        raise SettingsError(f"--num_steps {steps}: expected at least 1")
    name, settings = data_of(model, dataset, path)
    train, valid, _ = get_datasets(name, model.num_input_steps, 1, steps, path, [*settings, *overrides])
    model.info.check_same(valid.info)
    if len(valid) < 2:
        raise DataError(f"the validation split holds {len(valid)} forecasts of {steps} steps; expected at least 2")
    members = model.members_for(num_members)
    if members == 1 and num_members is not None and model.members_for(None) > 1:
        logger.warning("--num_members 1: of one member there is no spread to stretch")
    model.to("cuda" if torch.cuda.is_available() else "cpu")
    fit = _fit_of(model, train, steps, members)
    starts = _fitted(model, valid, fit, members, seed, progress)
    source = {
        "split": "valid", "num_forecasts": fit.num_forecasts, "num_members": members, "first": str(min(starts)), "last": str(max(starts)),
    }  # fmt: skip
    model.calibration = fit.result(source)
    model.to("cpu").save(Path(output))
    return model.calibration


def _fit_of(model: Forecaster, train: DatasetABC, steps: int, members: int) -> CalibrationFit:
    """The fit of what a Forecaster predicts; directions and what keeps its mean are left as they are."""
    predicted = [model.info.variable(name) for name in model.info.predicted]
    is_kept = np.array([v.constraint is not None and v.constraint.conserve for v in predicted])
    for variable, is_conserved in zip(predicted, is_kept, strict=True):
        if variable.turn is not None or is_conserved:
            why = "its mean is kept" if is_conserved else "it is a direction"
            logger.warning("%s: %s, and it is left as it is", variable.name, why)
    return CalibrationFit(
        tuple(model.info.predicted), _mean(model, train), _weights(model.info), _is_positive(model.info), steps, members,
        np.array([v.turn for v in predicted], dtype=np.float64), is_kept,
    )  # fmt: skip


def _fitted(
    model: Forecaster, valid: DatasetABC, fit: CalibrationFit, members: int, seed: int, progress: Progress | None
) -> list[np.datetime64]:
    """Adds the forecasts of a split; gives their starts."""
    info, starts = model.info, []
    if progress is not None:
        progress.start("calibrating", len(valid))
    for begin in range(0, len(valid), _BATCH):
        batch = valid.read_batch(range(begin, min(begin + _BATCH, len(valid)))).to(model.device)
        if batch.outputs is None or batch.init_time is None:
            raise DataError("a calibration needs truths, and the starts of the forecasts")
        truth = batch.outputs[info.predicted].tensor.cpu().numpy()
        forecast = model.forecast(batch, truth.shape[1], members, seed).tensor.cpu().numpy()
        first = batch.inputs[info.prognostic].tensor[:, -1].cpu().numpy()
        for row, start in enumerate(np.asarray(batch.init_time, dtype="datetime64[s]")):
            times = later(start, np.arange(1, truth.shape[1] + 1), info.step_duration)
            wide = forecast[row] if members > 1 else forecast[row][None]
            fit.add(wide, truth[row], first[row], hours_of(times))
            starts.append(start)
            if progress is not None:
                progress.step()
    return starts


def _mean(model: Forecaster, train: DatasetABC) -> NDArray[np.float32]:
    """The mean field of the training, `(lat, lon, features)`; that of each feature where a cell has none."""
    normal = carried_climatology(model) or climatology_of(train, max_instants=_MOST_INSTANTS)
    means = np.asarray(model.info.stats.to_list("mean", model.info.predicted), dtype=np.float32)
    mean = normal.mean.numpy()
    return np.where(np.isfinite(mean), mean, means).astype(np.float32)


def _weights(info: DatasetInfo) -> NDArray[np.float64]:
    """Of the cells inside the border."""
    weights: NDArray[np.float64] = info.statics.cell_weights.squeeze(-1).double().numpy()
    return weights


def _is_positive(info: DatasetInfo) -> NDArray[np.bool_]:
    """Features of which the training saw nothing below 0, and which a change could bring there."""
    return np.asarray([info.stats[name]["min"] >= 0 for name in info.predicted], dtype=bool)

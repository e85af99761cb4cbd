"""Tracking: what a run was made of and how it went, in a CSV file always, in TensorBoard and MLflow where asked.

Scores are logged per variable and lead time, hyper-parameters with the final scores, so that the runs of a campaign
can be compared in one table.
"""

import csv
import io
import json
import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import Callback
from pytorch_lightning.loggers import Logger, TensorBoardLogger

from py4cast.atomic import write_text
from py4cast.epoch import epoch_values
from py4cast.errors import SettingsError, first_line
from py4cast.metrics.score_set import ScoreSet
from py4cast.text import csv_cell

__all__ = ["RunLog", "flat_settings", "loggers_of", "scalars_of", "track_result"]

_HEAD = ("epoch", "step", "name", "value")


def scalars_of(scores: ScoreSet, prefix: str) -> dict[str, float]:
    """`val_rmse/t2m_6h` → value, of every metric without further dimensions."""
    scalars = {}
    for metric in scores.metrics:
        array = scores.arrays[metric]
        if array.values.ndim != 3:
            continue
        for v, variable in enumerate(scores.variables):
            for step, hours in enumerate(scores.lead_hours):
                value = float(array.values[0, step, v])
                if math.isfinite(value):
                    scalars[f"{prefix}_{metric}/{variable}_{hours:g}h"] = value
    return scalars


def flat_settings(document: Mapping[str, Any], place: str = "") -> dict[str, Any]:
    """Settings under dotted names, as numbers and text."""
    settings: dict[str, Any] = {}
    for key, value in document.items():
        name = f"{place}.{key}" if place else str(key)
        if isinstance(value, Mapping):
            settings |= flat_settings(value, name)
        elif isinstance(value, bool | int | float | str):
            settings[name] = value
        elif value is not None:
            settings[name] = json.dumps(value)
    return settings


def loggers_of(folder: Path, has_board: bool, mlflow: str | None, experiment: str, run_name: str) -> list[Logger]:
    """The loggers of a run.

    Args:
        folder: of the run.
        has_board: whether TensorBoard is written.
        mlflow: tracking address (`file:DIR`, `sqlite:///FILE`, `http://...`), None for none.
        experiment: that the run belongs to.
        run_name: its name.

    Raises:
        SettingsError: MLflow is asked for and not installed.
    """
    loggers: list[Logger] = [TensorBoardLogger(save_dir=str(folder), name="", version="")] if has_board else []
    if mlflow is not None:
        if "://" not in mlflow or mlflow.startswith("file:"):
            # files are what a laptop has; MLflow wants to be told that they are meant
            os.environ.setdefault("MLFLOW_ALLOW_FILE_STORE", "true")
        try:
            from pytorch_lightning.loggers import MLFlowLogger

            loggers.append(MLFlowLogger(experiment, run_name, tracking_uri=mlflow))
        except ModuleNotFoundError as error:
            raise SettingsError(f"train.mlflow: {error}; pip install py4cast[mlflow]") from None
        except Exception as error:
            reason = first_line(error)
            raise SettingsError(f"train.mlflow {mlflow!r}: {reason}") from None
    return loggers


def track_result(
    trainer: pl.Trainer, settings: Mapping[str, Any], scores: ScoreSet, artifacts: Mapping[str, Path]
) -> None:
    """Logs the settings with the final scores, and files, to every logger."""
    flat, last = flat_settings(settings), {}
    for name, value in scalars_of(scores, "test").items():
        if name.endswith(f"_{scores.lead_hours[-1]:g}h") and name.startswith(("test_rmse/", "test_acc/", "test_bias/")):
            last[f"hp/{name}"] = value
    for logger in trainer.loggers:
        if isinstance(logger, TensorBoardLogger):
            logger.log_hyperparams(flat, last)
            logger.save()
            continue
        logger.log_hyperparams(flat)
        logger.log_metrics({**scalars_of(scores, "test"), **last}, step=trainer.global_step)
        client: Any = getattr(logger, "experiment", None)
        run_id: Any = getattr(logger, "run_id", None)
        if hasattr(client, "log_artifact"):
            for path in artifacts.values():
                client.log_artifact(run_id, str(path))


class RunLog(Callback):
    """Creates `metrics.csv`: a row per epoch and value, for every run; a run that goes on forgets what it does again.

    Args:
        path: of the file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Begins the file, or drops the rows of epochs that will be done again."""
        if not trainer.is_global_zero:
            return
        rows: list[list[str]] = []
        if self._path.exists():
            with self._path.open(newline="") as stream:
                rows = [r for r in csv.reader(stream) if len(r) == len(_HEAD) and r[0].isdigit()]
        self._write([r for r in rows if int(r[0]) < trainer.current_epoch])

    def _write(self, rows: list[list[str]]) -> None:
        stream = io.StringIO()
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerows([[csv_cell(c) for c in row] for row in (_HEAD, *rows)])
        write_text(self._path, stream.getvalue())

    def _append(self, trainer: pl.Trainer, values: Mapping[str, float]) -> None:
        with self._path.open("a", newline="") as stream:
            writer = csv.writer(stream, lineterminator="\n")
            for name, value in values.items():
                writer.writerow([trainer.current_epoch, trainer.global_step, csv_cell(name), repr(float(value))])

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Logs every score of the validation."""
        validation = getattr(pl_module, "validation", None)
        if validation is None or not trainer.is_global_zero or trainer.sanity_checking:
            return
        scalars = scalars_of(validation.scores(), "val")
        self._append(trainer, scalars)
        for logger in trainer.loggers:
            logger.log_metrics(scalars, step=trainer.global_step)

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Logs the losses of the epoch, and what was scored."""
        if trainer.is_global_zero:
            self._append(trainer, epoch_values(trainer, pl_module))

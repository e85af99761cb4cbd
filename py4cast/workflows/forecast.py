"""forecast: from a Forecaster and files of the last hours to a file of the next ones."""

import logging
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from py4cast.datasets import registry
from py4cast.datasets.timeline import instant
from py4cast.errors import DataError, SettingsError
from py4cast.forecaster import Forecaster
from py4cast.formats import Fields, writer_for

__all__ = ["data_of", "forecast"]

logger = logging.getLogger(__name__)


def data_of(forecaster: Forecaster, dataset: str | None, path: str | os.PathLike[str] | None) -> tuple[str, list[str]]:
    """The dataset's registered name, and the settings that the Forecaster was trained on when no file is given."""
    trained: dict[str, Any] = forecaster.lineage.get("config", {}).get("dataset", {})
    name = dataset or trained.get("name") or "gridded"
    if path is not None or name != trained.get("name"):
        return name, []
    import json

    return name, [f"{key}={json.dumps(value)}" for key, value in trained.get("settings", {}).items()]


def forecast(
    forecaster: str | os.PathLike[str],
    init_time: str,
    num_steps: int,
    output: str | os.PathLike[str],
    dataset: str | None = None,
    path: str | os.PathLike[str] | None = None,
    overrides: Sequence[str] = (),
    free_border: bool = False,
) -> Path:
    """Writes the forecast from `init_time` over `num_steps` steps to `output`, in the format of its ending.

    Args:
        forecaster: a saved Forecaster.
        init_time: UTC time of the last past state.
        num_steps: steps to predict.
        output: the file to write.
        dataset: registered name of the dataset; by default the one of the training.
        path: its JSON file; by default the settings of the training.
        overrides: dotted settings of the dataset.
        free_border: forecast without truth in the border, for a strategy that forces it.

    Raises:
        SettingsError: wrong settings, time or ending.
        DataError: the data do not fit the Forecaster, or lack what the forecast needs.
    """
    if num_steps < 1:
        raise SettingsError(f"--num_steps {num_steps}: expected at least 1")
    target = Path(output)
    writer = writer_for(target)
    start = instant(init_time)
    model = Forecaster.load(forecaster)
    name, trained = data_of(model, dataset, path)
    forces = model.strategy.force_border and not free_border
    if free_border:
        model.strategy.force_border = False
    data = registry.get(name).for_forecast(
        path, model.info, start, model.num_input_steps, num_steps, [*trained, *overrides]
    )
    try:
        batch = data.at(start, num_steps, with_outputs=forces and not getattr(data, "has_boundary", False))
    except DataError as error:
        hint = "; the strategy imposes truth in the border: give it, or use --free_border" if forces else ""
        raise DataError(f"{error}{hint}") from None
    device = "cuda" if torch.cuda.is_available() else "cpu"
    values = model.to(device).forecast(batch.to(device), num_steps).tensor[0].float().cpu().numpy()
    info = model.info
    lead_times = [info.step_duration * (i + 1) for i in range(num_steps)]
    variables = [info.variable(feature) for feature in info.predicted]
    attributes = {
        "title": f"Forecast of {model.names['model']} ({model.names['strategy']}) from {start}Z",
        "source": f"py4cast {model.lineage.get('version', '')}, trained {model.lineage.get('created', '')} on {info.name}",
        "history": f"{np.datetime64('now', 's')}Z py4cast forecast",
    }
    writer.write(target, Fields(values, variables, info.grid, start, lead_times, attributes))
    logger.info("forecast of %s from %s over %d steps", ", ".join(info.predicted), start, num_steps)
    return target

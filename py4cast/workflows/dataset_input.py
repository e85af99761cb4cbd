"""What a forecast starts from, read through a dataset: the one of the training, or another of the same variables."""

import json
import os
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from py4cast.batch import ItemBatch
from py4cast.datasets import registry
from py4cast.errors import DataError, SettingsError
from py4cast.forecaster import Forecaster
from py4cast.steppers import Array, StepGiven, StepperABC
from py4cast.steppers.eager import EagerStepper

if TYPE_CHECKING:
    from py4cast.workflows.forecast import Forecast

__all__ = ["data_of", "read_dataset"]


def data_of(forecaster: Forecaster, dataset: str | None, path: str | os.PathLike[str] | None) -> tuple[str, list[str]]:
    """The dataset's registered name, and the settings that the Forecaster was trained on when no file is given."""
    trained: dict[str, Any] = forecaster.lineage.get("config", {}).get("dataset", {})
    name = dataset or trained.get("name") or "gridded"
    if path is not None or name != trained.get("name"):
        return name, []
    return name, [f"{key}={json.dumps(value)}" for key, value in trained.get("settings", {}).items()]


def read_dataset(asked: "Forecast", stepper: StepperABC, start: np.datetime64) -> tuple[Array, Iterator[StepGiven]]:
    """The past states `(1, timestep, lat, lon, features)`, and what is given of each step.

    Raises:
        SettingsError: the Forecaster is an exported one, which reads files alone.
        DataError: the data do not fit the Forecaster, or lack what the forecast needs.
    """
    if not isinstance(stepper, EagerStepper):
        raise SettingsError(f"{asked.forecaster}: an exported step starts from --input FILES")
    model = stepper.forecaster
    forces = stepper.info.border is not None and not asked.free_border
    name, trained = data_of(model, asked.dataset, asked.path)
    data = registry.get(name).for_forecast(
        asked.path, model.info, start, model.num_input_steps, asked.num_steps, [*trained, *asked.overrides]
    )
    has_boundary = getattr(data, "has_boundary", False)
    try:
        batch = data.at(start, asked.num_steps, with_outputs=forces and not has_boundary)
    except DataError as error:
        hint = "; the strategy imposes truth in the border: give it, or use --free_border" if forces else ""
        raise DataError(f"{error}{hint}") from None
    key = "boundary" if has_boundary else "outputs"
    states = batch.inputs[model.info.prognostic].tensor.numpy()
    return states, _given(batch, stepper, key if forces else None, asked.num_steps)


def _given(batch: ItemBatch, stepper: EagerStepper, border: str | None, num_steps: int) -> Iterator[StepGiven]:
    info = stepper.forecaster.info
    imposed = info.prognostic if border == "boundary" else info.predicted

    def at(key: str, names: list[str], step: int) -> Array:
        found: Array = batch[key][names].tensor[:, step].numpy()
        return found

    for step in range(num_steps):
        forcing = at("forcing", info.forcing, step) if info.forcing else None
        own = at(border, imposed, step) if border else None
        yield StepGiven(forcing, own, {key: at(key, info.inputs[key].names, step) for key in stepper.info.inputs})

"""What a forecast starts from, read through a dataset: the one of the training, or another of the same variables."""

from collections.abc import Iterator

import numpy as np

from py4cast.batch import ItemBatch
from py4cast.datasets import registry
from py4cast.errors import DataError, SettingsError
from py4cast.given import Given
from py4cast.steppers import Array, StepperABC
from py4cast.steppers.eager import EagerStepper
from py4cast.workflows.config import data_of
from py4cast.workflows.forecast.request import Forecast

__all__ = ["read_dataset"]


def read_dataset(asked: Forecast, stepper: StepperABC, start: np.datetime64) -> tuple[Array, Iterator[Given[Array]]]:
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
    try:
        batch = data.at(start, asked.num_steps, with_outputs=forces and not data.has_boundary)
    except DataError as error:
        hint = "; the strategy imposes truth in the border: give it, or use --free_border" if forces else ""
        raise DataError(f"{error}{hint}") from None
    key = "boundary" if data.has_boundary else "outputs"
    states = batch.inputs[model.info.prognostic].tensor.numpy()
    return states, _given(batch, stepper, key if forces else None, asked.num_steps)


def _given(batch: ItemBatch, stepper: EagerStepper, border: str | None, num_steps: int) -> Iterator[Given[Array]]:
    info = stepper.forecaster.info
    imposed = info.prognostic if border == "boundary" else info.predicted

    def at(key: str, names: list[str], step: int) -> Array:
        fields: Array = batch[key][names].tensor[:, step].numpy()
        return fields

    for step in range(num_steps):
        forcing = at("forcing", info.forcing, step) if info.forcing else None
        border_fields = at(border, imposed, step) if border else None
        yield Given(forcing, border_fields, {key: at(key, info.inputs[key].names, step) for key in stepper.info.inputs})

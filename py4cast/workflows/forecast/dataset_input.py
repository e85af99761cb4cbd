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
from py4cast.workflows.forecast.sources import SourceABC

__all__ = ["DatasetSource", "read_dataset"]


class DatasetSource(SourceABC):
    """Creates the source of a dataset.

    Args:
        asked: the forecast.
        stepper: that makes it.
        first: start of the first forecast.

    Raises:
        SettingsError: the Forecaster is an exported one, which reads files alone.
        DataError: the data do not fit the Forecaster.
    """

    def __init__(self, asked: Forecast, stepper: StepperABC, first: np.datetime64) -> None:
        if not isinstance(stepper, EagerStepper):
            raise SettingsError(f"{asked.forecaster}: an exported step starts from --input FILES")
        self._asked, self._stepper, self._first = asked, stepper, first
        self._forces = stepper.info.border is not None and not asked.free_border
        model = stepper.forecaster
        name, trained = data_of(model, asked.dataset, asked.path)
        self.data = registry.get(name).for_forecast(
            asked.path, model.info, first, model.num_input_steps, asked.num_steps, [*trained, *asked.overrides]
        )

    def latest(self) -> np.datetime64:
        return self._first

    def read(self, start: np.datetime64) -> tuple[list[int], Array, Iterator[Given[Array]]]:
        data, model, steps = self.data, self._stepper.forecaster, self._asked.num_steps
        try:
            batch = data.at(start, steps, with_outputs=self._forces and not data.has_boundary)
        except DataError as error:
            hint = "; the strategy imposes truth in the border: give it, or use --free_border" if self._forces else ""
            raise DataError(f"{error}{hint}") from None
        key = "boundary" if data.has_boundary else "outputs"
        states = batch.inputs[model.info.prognostic].tensor.numpy()
        return [], states, _given(batch, self._stepper, key if self._forces else None, steps)


def read_dataset(asked: Forecast, stepper: StepperABC, start: np.datetime64) -> tuple[Array, Iterator[Given[Array]]]:
    """The past states `(1, timestep, lat, lon, features)` of one start, and what is given of each step; raises as the source does."""
    return DatasetSource(asked, stepper, start).read(start)[1:]


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

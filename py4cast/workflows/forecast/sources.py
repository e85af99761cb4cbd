"""What forecasts start from, opened once for any number of starts: files, or a dataset."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import ExitStack

import numpy as np

from py4cast.errors import DataError
from py4cast.given import Given
from py4cast.steppers import Array, StepperABC
from py4cast.workflows.forecast.file_input import FileInput
from py4cast.workflows.forecast.request import Forecast

__all__ = ["FileSource", "SourceABC"]


class SourceABC(ABC):
    """Abstract source of past states, and of what is given of each step."""

    @abstractmethod
    def latest(self) -> np.datetime64:
        """The start of a forecast for which none is asked."""

    @abstractmethod
    def read(self, start: np.datetime64) -> tuple[list[int], Array, Iterator[Given[Array]]]:
        """Numbers of the members of the input, their past states, and what is given of each step.

        Raises:
            DataError: a state, a forcing or a border value is missing.
        """


class FileSource(SourceABC):
    """Creates the source of the files of a service.

    Args:
        asked: the forecast.
        stepper: that makes it.
        stack: closes the files.

    Raises:
        DataError: files that do not fit, or no values for a border that is imposed.
    """

    def __init__(self, asked: Forecast, stepper: StepperABC, stack: ExitStack) -> None:
        self._asked = asked
        self._files = FileInput(
            stepper.info, asked.input, asked.boundary, asked.renamed, asked.accumulated, asked.regrid,
            imposes_border=not asked.free_border, further=asked.further,
        )  # fmt: skip
        stack.callback(self._files.close)
        if stepper.info.border is not None and not asked.boundary and not asked.free_border:
            raise DataError(
                "the strategy imposes values in the border: give a driving model's files by --boundary, or use --free_border"
            )

    def latest(self) -> np.datetime64:
        return self._files.latest()

    def read(self, start: np.datetime64) -> tuple[list[int], Array, Iterator[Given[Array]]]:
        chosen = self._files.chosen_members(self._asked.members)
        states = self._files.states(start, chosen)
        return chosen, states, self._files.given(start, self._asked.num_steps, states.shape[0])

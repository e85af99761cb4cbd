"""The contract of steppers: a saved Forecaster that runs, arrays in and out, whatever runs it.

    states (t−n+1 … t), given(t+1)  →  step  →  state (t+1)  →  yield  →  repeat

Values are in physical units. What is given of a step is asked for when its turn comes, and a step is yielded as soon
as it is there, so that memory does not grow with the number of steps.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from typing import final

import numpy as np
from numpy.typing import NDArray

from py4cast.errors import NumericalError
from py4cast.given import Given
from py4cast.steppers.info import StepInfo

__all__ = ["Array", "StepGiven", "StepperABC"]

Array = NDArray[np.float32]


# its name in the older interface
StepGiven = Given


class StepperABC(ABC):
    """Abstract stepper of a saved or exported Forecaster.

    Attributes:
        info: what it takes and gives.
    """

    info: StepInfo

    @abstractmethod
    def advance(self, states: Array, given: Iterable[Given[Array]]) -> Iterator[Array]:
        """Yields what each step predicts, `(batch, lat, lon, features)`, prognostic then diagnostic."""

    @final
    def rollout(self, states: Array, given: Iterable[Given[Array]]) -> Iterator[Array]:
        """Yields the forecast of each lead time, `(batch, lat, lon, features)`, prognostic then diagnostic features.

        Args:
            states: past states, `(batch, timestep, lat, lon, features)`, prognostic features.
            given: of each step to predict, in turn.

        Raises:
            NumericalError: the forecast is no longer finite; names the variables and the lead time.
        """
        info = self.info
        expected = (info.num_input_steps, *info.grid.shape, len(info.prognostic))
        if states.shape[1:] != expected:
            raise ValueError(f"states of shape {states.shape}, expected (batch, {', '.join(map(str, expected))})")
        for step, prediction in enumerate(self.advance(states, given)):
            finite = np.isfinite(prediction[:, info.valid])
            if not finite.all():
                bad = [n for i, n in enumerate(info.predicted) if not finite[..., i].all()]
                lead = (step + 1) * info.step_duration
                raise NumericalError(f"the forecast of {', '.join(bad)} is not finite at lead time {lead}")
            yield prediction

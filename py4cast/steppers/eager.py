"""EagerStepper: a saved Forecaster in torch."""

from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Self

import torch

from py4cast.errors import SettingsError, first_line, nearest
from py4cast.forecaster import Forecaster
from py4cast.given import Given
from py4cast.steppers.base import Array, StepperABC
from py4cast.steppers.info import StepInfo

__all__ = ["EagerStepper", "step_arrays"]

_PRECISIONS = {"32": None, "bf16": torch.bfloat16, "16": torch.float16}


class EagerStepper(StepperABC):
    """Creates the stepper of a saved Forecaster.

    Args:
        path: the safetensors file.
        device: `cpu`, `cuda`, `cuda:1`, ...; by default a GPU where there is one.
        precision: of the network's inner products: 32, bf16 or 16; states stay in float32.

    Raises:
        DataError: the file is missing, damaged, or no Forecaster.
        SettingsError: no such device or precision here.
    """

    def __init__(self, path: Path, device: str | None = None, precision: str = "32") -> None:
        if precision not in _PRECISIONS:
            raise SettingsError(f"--precision {precision!r}{nearest(precision, _PRECISIONS)}")
        self._device, self._dtype = _device(device), _PRECISIONS[precision]
        self.forecaster = Forecaster.load(path)
        self.info = StepInfo.from_header(self.forecaster.header(), step_arrays(self.forecaster))
        self.forecaster.to(self._device)

    @classmethod
    def of(cls, forecaster: Forecaster) -> Self:
        """The stepper of a Forecaster that is loaded already, where it is."""
        stepper = cls.__new__(cls)
        stepper._device, stepper._dtype = forecaster.device, None
        stepper.forecaster = forecaster
        stepper.info = StepInfo.from_header(forecaster.header(), step_arrays(forecaster))
        return stepper

    def advance(self, states: Array, given: Iterable[Given[Array]]) -> Iterator[Array]:
        steps = self.forecaster.stream(self._tensor(states), map(self._inputs, given))
        while True:
            with torch.inference_mode(), self._autocast():
                prediction = next(steps, None)
                if prediction is None:
                    return
                values: Array = prediction.float().cpu().numpy()
            yield values

    def _autocast(self) -> AbstractContextManager[Any]:
        return torch.autocast(self._device.type, self._dtype, enabled=self._dtype is not None)

    def _inputs(self, given: Given[Array]) -> Given[torch.Tensor]:
        forcing, border = (None if x is None else self._tensor(x) for x in (given.forcing, given.border))
        noise = None if given.noise is None else self._tensor(given.noise)
        return Given(forcing, border, {k: self._tensor(v) for k, v in given.inputs.items()}, noise)

    def _tensor(self, values: Array) -> torch.Tensor:
        return torch.tensor(values, device=self._device)


def _device(name: str | None) -> torch.device:
    if name is None:
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError) as error:
        raise SettingsError(f"--device {name}: not available here: {first_line(error)}") from None
    return device


def step_arrays(forecaster: Forecaster) -> dict[str, Any]:
    """What a StepInfo needs beside the header."""
    tensors = forecaster.info.pack()[1]
    arrays = {k: v.numpy() for k, v in tensors.items() if k != "statics.features"}
    calibration = forecaster.calibration
    return arrays if calibration is None else {**arrays, "calibration.mean": calibration.mean}

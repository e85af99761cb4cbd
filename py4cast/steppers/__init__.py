"""PLUG POINT: steppers, which run a saved or exported Forecaster. A new one is one file here and one line below."""

from pathlib import Path

from py4cast.errors import DataError, SettingsError
from py4cast.saved import file_of
from py4cast.steppers.base import Array, StepGiven, StepperABC
from py4cast.steppers.info import StepInfo

__all__ = ["Array", "StepGiven", "StepInfo", "StepperABC", "open_stepper"]


def open_stepper(path: str | Path, device: str | None = None, precision: str = "32") -> StepperABC:
    """What runs the Forecaster of a file: ONNX Runtime an exported one (`.onnx`), torch a saved one.

    Args:
        path: the file.
        device: where torch runs it; by default on a GPU where there is one.
        precision: of torch's inner products: 32, bf16 or 16.

    Raises:
        DataError: the file is missing, damaged, or no Forecaster.
        SettingsError: what it needs is not installed; an option that it does not have.
    """
    file = file_of(Path(path))
    if not file.is_file():
        raise DataError(f"{file}: no such file")
    if file.suffix == ".onnx":
        from py4cast.steppers.onnx import OnnxStepper

        if device not in (None, "cpu") or precision != "32":
            raise SettingsError(f"{file}: an exported step runs on the CPU as it was exported, without --device or --precision")  # fmt: skip
        return OnnxStepper(file)
    if file.suffix == ".pt2":
        raise SettingsError(
            f"{file}: py4cast runs no .pt2, which may hold code; give the .safetensors, or export to .onnx"
        )
    from py4cast.steppers.eager import EagerStepper

    return EagerStepper(file, device, precision)

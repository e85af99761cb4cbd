"""OnnxStepper: an exported Forecaster in ONNX Runtime; neither torch nor Lightning is needed.

The graph takes `state`, and where the Forecaster needs them `forcing`, `border`, `noise` and `input.KEY`, in physical units,
and gives `next_state`. Its metadata hold the Forecaster's header (`py4cast`) and a few arrays (`py4cast.arrays`).
"""

import base64
import binascii
import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from py4cast.errors import DataError, SettingsError, first_line
from py4cast.given import Given
from py4cast.saved import check_header, damaged_as_errors
from py4cast.settings import parse_json
from py4cast.steppers.base import Array, StepperABC
from py4cast.steppers.info import StepInfo

__all__ = ["ARRAYS", "HEADER", "INPUT_PREFIX", "SEAL", "UNSEALED", "OnnxStepper", "packed_arrays", "sealed"]

HEADER, ARRAYS, SEAL, INPUT_PREFIX = "py4cast", "py4cast.arrays", "py4cast.sha256", "input."
UNSEALED = "0" * 64


class OnnxStepper(StepperABC):
    """Creates the stepper of an exported Forecaster.

    Args:
        path: the ONNX file.
        num_threads: that one operation may use; by default as many as there are cores.

    Raises:
        DataError: the file is missing, damaged, or was not exported by py4cast.
        SettingsError: ONNX Runtime is not installed.
    """

    def __init__(self, path: Path, num_threads: int | None = None) -> None:
        try:
            import onnxruntime
        except ImportError:
            raise SettingsError("an ONNX file needs ONNX Runtime: pip install onnxruntime") from None
        try:
            data = path.read_bytes()
        except OSError as error:
            raise DataError(f"{path}: cannot be read: {error.strerror}") from None
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = num_threads or len(os.sched_getaffinity(0))
        options.log_severity_level = 4  # what goes wrong is raised
        try:
            self._session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
            metadata = self._session.get_modelmeta().custom_metadata_map
        except Exception as error:  # ONNX Runtime has a class of its own for every cause
            reason = first_line(error)[:300]
            raise DataError(f"{path}: damaged, or no ONNX file: {reason}") from None
        if HEADER not in metadata:
            raise DataError(f"{path}: an ONNX file, but not exported by py4cast: its metadata have no key {HEADER!r}")
        header = check_header(_parsed(metadata[HEADER], path), str(path))
        if SEAL not in metadata or sealed(data, metadata[SEAL]) != data:
            raise DataError(f"{path}: damaged: it fails its checksum")
        with damaged_as_errors(str(path)):
            self.info = StepInfo.from_header(header, unpacked_arrays(metadata.get(ARRAYS, "{}")))
        self._inputs = {i.name for i in self._session.get_inputs()}

    def advance(self, states: Array, given: Iterable[Given[Array]]) -> Iterator[Array]:
        window, count = np.ascontiguousarray(states, dtype=np.float32), len(self.info.prognostic)
        for step in given:
            prediction: Array = self._session.run(None, self._feed(window, step))[0]
            yield prediction
            window = np.concatenate([window[:, 1:], prediction[:, None, ..., :count]], axis=1)

    def _feed(self, window: Array, step: Given[Array]) -> dict[str, Array]:
        feed = {"state": window} if "state" in self._inputs else {}
        if "forcing" in self._inputs and step.forcing is not None:
            feed["forcing"] = np.ascontiguousarray(step.forcing)
        if "noise" in self._inputs:
            if step.noise is None:
                raise ValueError(f"the step takes noise ({self.info.noise.kind} of {self.info.noise.size}), none given")
            feed["noise"] = np.ascontiguousarray(step.noise, dtype=np.float32)
        if "border" in self._inputs:
            unknown = np.broadcast_to(np.float32(np.nan), window[:, -1].shape)
            feed["border"] = np.ascontiguousarray(unknown if step.border is None else step.border)
        return feed | {INPUT_PREFIX + key: np.ascontiguousarray(values) for key, values in step.inputs.items()}


def _parsed(text: str, path: Path) -> Any:
    try:
        return parse_json(text, str(path))
    except SettingsError as error:
        raise DataError(str(error)) from None


def sealed(data: bytes, seal: str = UNSEALED) -> bytes:
    """The file with the right checksum in the place of `seal`: SHA-256 of its bytes with zeros in that place."""
    bare = data.replace(seal.encode(), UNSEALED.encode(), 1) if len(seal) == len(UNSEALED) else data
    return bare.replace(UNSEALED.encode(), hashlib.sha256(bare).hexdigest().encode(), 1)


def packed_arrays(arrays: Mapping[str, NDArray[Any]]) -> str:
    """Arrays as JSON text: type, shape and bytes in base64, by name."""
    return json.dumps(
        {
            name: {
                "dtype": array.dtype.newbyteorder("<").str,
                "shape": list(array.shape),
                "base64": base64.b64encode(array.astype(array.dtype.newbyteorder("<")).tobytes()).decode(),
            }
            for name, array in arrays.items()
        }
    )


def unpacked_arrays(text: str) -> dict[str, NDArray[Any]]:
    """The inverse of `packed_arrays`; ValueError, KeyError or TypeError when it is none."""
    arrays = {}
    for name, packed in json.loads(text).items():
        dtype = np.dtype(packed["dtype"])
        if dtype.kind not in "fiub":
            raise ValueError(f"array {name!r} of type {dtype}")
        try:
            data = base64.b64decode(packed["base64"], validate=True)
        except binascii.Error as error:
            raise ValueError(str(error)) from None
        arrays[name] = np.frombuffer(data, dtype).reshape(packed["shape"])
    return arrays

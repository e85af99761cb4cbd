"""An exported Forecaster in ONNX Runtime: its file, its seal, what it is fed."""

import hashlib
import json
import re
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from py4cast.errors import DataError, SettingsError
from py4cast.given import Given
from py4cast.steppers.onnx import SEAL, UNSEALED, OnnxStepper, packed_arrays, sealed, unpacked_arrays

STEP = Path(__file__).resolve().parents[1] / "golden" / "step.onnx"


@pytest.mark.parametrize(
    "array",
    [
        np.arange(6, dtype=">f8").reshape(2, 3),
        np.asfortranarray(np.arange(6, dtype=np.int16).reshape(2, 3)),
        np.array([[True, False]]),
        np.array(2.5, np.float32),
        np.zeros((0, 3), np.uint8),
    ],
)
def test_arrays_come_back_from_text_with_type_and_shape(array: np.ndarray) -> None:
    again = unpacked_arrays(packed_arrays({"x": array, "y": np.arange(2)}))
    assert list(again) == ["x", "y"] and again["x"].shape == array.shape
    assert again["x"].dtype == array.dtype.newbyteorder("<") and np.array_equal(again["x"], array)


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"dtype": "|O"}, ValueError, "array 'x' of type object"),
        ({"dtype": "<U3"}, ValueError, "array 'x' of type <U3"),
        ({"dtype": "float99"}, TypeError, "float99"),
        ({"base64": "AAAA*AAA"}, ValueError, "non-base64|base64"),
        ({"shape": [5]}, ValueError, "cannot reshape array of size 2"),
        ({"base64": None}, TypeError, "bytes-like"),
    ],
)
def test_text_that_is_no_array_is_refused(changes: dict[str, Any], error: type[Exception], message: str) -> None:
    packed = json.loads(packed_arrays({"x": np.arange(2.0)}))
    packed["x"].update(changes)
    with pytest.raises(error, match=message):
        unpacked_arrays(json.dumps(packed))
    del packed["x"]["dtype"]
    with pytest.raises(KeyError, match="dtype"):
        unpacked_arrays(json.dumps(packed))


def test_a_seal_is_the_checksum_of_the_file_with_zeros_in_its_place() -> None:
    bare = b"before " + UNSEALED.encode() + b" after"
    seal = hashlib.sha256(bare).hexdigest()
    whole = b"before " + seal.encode() + b" after"
    assert sealed(bare) == whole and sealed(whole, seal) == whole
    assert sealed(b"Before" + whole[6:], seal) != b"Before" + whole[6:]
    assert sealed(whole, "") == whole, "no place for a seal"


def test_the_exported_file_is_sealed() -> None:
    data = STEP.read_bytes()
    (seal,) = re.findall(SEAL.encode() + rb".{1,8}?([0-9a-f]{64})", data, re.DOTALL)
    assert hashlib.sha256(data.replace(seal, UNSEALED.encode(), 1)).hexdigest() == seal.decode()


def test_what_it_is_stands_in_its_metadata() -> None:
    info = OnnxStepper(STEP, 1).info
    assert (info.prognostic, info.forcing, info.predicted) == (["a", "b"], ["f", "g"], ["a", "b", "d"])
    assert info.grid.shape == (10, 12) and info.num_input_steps == 2 and info.title == "halfunet (scaled_ar)"


def test_the_window_moves_on_by_what_was_predicted() -> None:
    stepper, rng = OnnxStepper(STEP, 1), np.random.default_rng(0)
    states = rng.standard_normal((1, 2, 10, 12, 2)).astype(np.float32)
    given = [Given(rng.standard_normal((1, 10, 12, 2)).astype(np.float32)) for _ in range(2)]
    first, second = stepper.advance(states, given)
    window = np.stack([states[:, 1], first[..., :2]], 1)
    assert np.array_equal(next(stepper.advance(window, given[1:])), second)


def test_the_border_is_imposed_where_it_is_known() -> None:
    stepper, rng = OnnxStepper(STEP, 1), np.random.default_rng(0)
    assert stepper.info.border is not None
    states = rng.standard_normal((1, 2, 10, 12, 2)).astype(np.float32)
    forcing, border = np.zeros((1, 10, 12, 2), np.float32), np.full((1, 10, 12, 2), np.nan, np.float32)
    border[..., 0] = 77.0
    (free,) = stepper.advance(states, [Given(forcing)])
    (forced,) = stepper.advance(states, [Given(forcing, border)])
    np.testing.assert_allclose(forced[0, stepper.info.border, 0], 77.0, rtol=1e-6)
    inside = ~stepper.info.border
    assert np.array_equal(forced[0, inside], free[0, inside]) and np.array_equal(forced[..., 1:], free[..., 1:])


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"none\.onnx: cannot be read: No such file or directory"):
        OnnxStepper(tmp_path / "none.onnx")
    with pytest.raises(DataError, match="cannot be read: Is a directory"):
        OnnxStepper(tmp_path)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (b"halfunet", b"halfunut", "damaged: it fails its checksum"),
        (b"py4cast.sha256", b"py4cast.sha257", "damaged: it fails its checksum"),
        (b'"format"', b'"farmat"', "Forecaster of format None; this py4cast reads format 1"),
        (b'"format"', b"'format'", "step.onnx"),
        (b"py4cast", b"py5cast", "not exported by py4cast: its metadata have no key 'py4cast'"),
    ],
)
def test_an_altered_file_is_refused(tmp_path: Path, old: bytes, new: bytes, message: str) -> None:
    data = STEP.read_bytes()
    assert old in data
    (tmp_path / "step.onnx").write_bytes(data.replace(old, new))
    with pytest.raises(DataError, match=message):
        OnnxStepper(tmp_path / "step.onnx")


def test_without_onnx_runtime_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(SettingsError, match="an ONNX file needs ONNX Runtime: pip install onnxruntime"):
        OnnxStepper(STEP)

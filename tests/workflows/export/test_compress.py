from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from py4cast.workflows.export.compress import Weights, compressed

RNG = np.random.default_rng(0)
MATRIX = RNG.standard_normal((16, 32)).astype(np.float32)
KERNEL = RNG.standard_normal((4, 4, 5, 5)).astype(np.float32)


def model_of(**arrays: NDArray[np.float32]) -> Any:
    """A graph that gives its arrays out as they are."""
    nodes = [helper.make_node("Identity", [name], [f"{name}_out"]) for name in arrays]
    outputs = [helper.make_tensor_value_info(f"{n}_out", TensorProto.FLOAT, v.shape) for n, v in arrays.items()]
    graph = helper.make_graph(nodes, "g", [], outputs, [numpy_helper.from_array(v, n) for n, v in arrays.items()])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)


def values_of(model: Any) -> dict[str, NDArray[np.float32]]:
    onnx.checker.check_model(model, full_check=True)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    names = [o.name for o in session.get_outputs()]
    return {n.removesuffix("_out"): v for n, v in zip(names, session.run(None, {}), strict=True)}


def types_of(model: Any) -> dict[str, int]:
    return {t.name: t.data_type for t in model.graph.initializer}


def test_whole_weights_are_left_as_they_are() -> None:
    model = model_of(matrix=MATRIX)
    before = model.SerializeToString()
    same, count = compressed(model, "float32", set())
    assert same.SerializeToString() == before and count == 0


def test_half_the_bytes_round_each_weight_once() -> None:
    model, count = compressed(model_of(matrix=MATRIX, kernel=KERNEL), "float16", set())
    assert count == MATRIX.size + KERNEL.size
    assert set(types_of(model).values()) == {TensorProto.FLOAT16}
    for name, array in (("matrix", MATRIX), ("kernel", KERNEL)):
        np.testing.assert_array_equal(values_of(model)[name], array.astype(np.float16).astype(np.float32))


def test_a_quarter_of_the_bytes_have_a_scale_per_output_channel() -> None:
    model, count = compressed(model_of(matrix=MATRIX, kernel=KERNEL), "int8", set())
    assert count == MATRIX.size + KERNEL.size
    assert types_of(model)["matrix.int8"] == types_of(model)["kernel.zero"] == TensorProto.INT8
    back = values_of(model)
    matrix_scale = np.abs(MATRIX).max(0, keepdims=True) / 127
    kernel_scale = np.abs(KERNEL).max((1, 2, 3), keepdims=True) / 127
    for array, scale, values in ((MATRIX, matrix_scale, back["matrix"]), (KERNEL, kernel_scale, back["kernel"])):
        np.testing.assert_allclose(values, np.round(array / scale) * scale, rtol=1e-5, atol=1e-6)
        assert (np.abs(values - array) <= scale * 0.5001).all()
        np.testing.assert_allclose(np.abs(values).max(), np.abs(array).max(), rtol=1e-6, err_msg="the largest is exact")


@pytest.mark.parametrize("weights", ["float16", "int8"])
def test_a_channel_of_zeros_stays_zero(weights: Weights) -> None:
    array = MATRIX.copy()
    array[:, 3] = 0.0
    values = values_of(compressed(model_of(matrix=array), weights, set())[0])["matrix"]
    assert (values[:, 3] == 0).all() and np.isfinite(values).all()


@pytest.mark.parametrize("weights", ["float16", "int8"])
def test_small_arrays_vectors_and_what_is_kept_stay_whole(weights: Weights) -> None:
    arrays = {
        "small": MATRIX[:, :15],
        "vector": RNG.standard_normal(1000).astype(np.float32),
        "kept": MATRIX,
        "least": MATRIX[:, :16],
    }
    model, count = compressed(model_of(**arrays), weights, {"kept"})
    assert count == 256, "from 256 numbers on it is worth it"
    assert {n for n, t in types_of(model).items() if t == TensorProto.FLOAT and "." not in n} == {"small", "vector", "kept"}  # fmt: skip
    for name in ("small", "vector", "kept"):
        np.testing.assert_array_equal(values_of(model)[name], arrays[name])


def test_values_beyond_half_precision_stay_whole() -> None:
    wide = MATRIX.copy()
    wide[0, 0] = 7e4
    model, count = compressed(model_of(wide=wide, matrix=MATRIX), "float16", set())
    assert count == MATRIX.size and types_of(model)["wide"] == TensorProto.FLOAT
    np.testing.assert_array_equal(values_of(model)["wide"], wide)

"""Weights of an ONNX graph in fewer bytes: float16, or int8 with a scale per output channel; sums stay in float32.

Reference: B. Jacob et al. (2018), Quantization and training of neural networks for efficient integer-arithmetic-only
inference, arXiv 1712.05877 (symmetric, weights alone).
"""

from collections.abc import Set
from typing import Any, Literal

import numpy as np

__all__ = ["Weights", "compressed"]

Weights = Literal["float32", "float16", "int8"]
_LEAST = 256  # numbers from which on an array is worth it


def compressed(model: Any, weights: Weights, kept: Set[str]) -> tuple[Any, int]:
    """The model with its weights stored as asked, and how many numbers of it are; `kept` names arrays that stay."""
    if weights == "float32":
        return model, 0
    import onnx

    graph, count = model.graph, 0
    initializers = [t for t in graph.initializer if _is_weight(t, onnx.TensorProto.FLOAT) and t.name not in kept]
    for tensor in initializers:
        values = onnx.numpy_helper.to_array(tensor)
        if weights == "float16" and np.abs(values).max() > np.finfo(np.float16).max:
            continue
        graph.initializer.remove(tensor)
        node, stored = (_as_float16 if weights == "float16" else _as_int8)(onnx, tensor.name, values)
        graph.initializer.extend(stored)
        graph.node.insert(0, node)
        count += values.size
    return model, count


def _is_weight(tensor: Any, float32: int) -> bool:
    return tensor.data_type == float32 and len(tensor.dims) > 1 and int(np.prod(tensor.dims)) >= _LEAST


def _as_float16(onnx: Any, name: str, values: Any) -> tuple[Any, list[Any]]:
    stored = onnx.numpy_helper.from_array(values.astype(np.float16), f"{name}.float16")
    return onnx.helper.make_node("Cast", [stored.name], [name], to=onnx.TensorProto.FLOAT), [stored]


def _as_int8(onnx: Any, name: str, values: Any) -> tuple[Any, list[Any]]:
    """A scale per output channel: the first axis of a convolution's weights, the last of a matrix."""
    axis = 0 if values.ndim > 2 else values.ndim - 1
    others = tuple(i for i in range(values.ndim) if i != axis)
    scale = np.maximum(np.abs(values).max(others), 1e-12).astype(np.float32) / np.float32(127)
    shape = [-1 if i == axis else 1 for i in range(values.ndim)]
    whole = np.clip(np.round(values / scale.reshape(shape)), -127, 127).astype(np.int8)
    stored = [
        onnx.numpy_helper.from_array(array, f"{name}.{what}")
        for what, array in (("int8", whole), ("scale", scale), ("zero", np.zeros(scale.shape, dtype=np.int8)))
    ]
    return onnx.helper.make_node("DequantizeLinear", [s.name for s in stored], [name], axis=axis), stored

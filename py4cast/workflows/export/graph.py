"""From a function of tensors to its ONNX graph, with a free batch and without a word of the machine that made it."""

import logging
import warnings
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from py4cast.errors import SettingsError
from py4cast.forecaster import Forecaster
from py4cast.models import registry as models

__all__ = ["OPSET", "onnx_graph", "quiet", "require_onnx"]

OPSET = 20


def require_onnx(forecaster: Forecaster) -> None:
    """Refuses a Forecaster whose model has no ONNX; SettingsError."""
    name = forecaster.names["model"]
    if not models.get(name).onnx_supported:
        raise SettingsError(f"model {name!r} does not export (its onnx_supported is False)")


def onnx_graph(function: nn.Module, examples: Mapping[str, Tensor]) -> Any:
    """The ONNX model of a module, whose output is `next_state`.

    Args:
        function: `forward(*values)`, each with the batch first.
        examples: its inputs by name, of two samples.
    """
    with quiet(), torch.no_grad():
        batch = torch.export.Dim("batch", max=1024)
        program = torch.onnx.export(
            function, tuple(examples.values()), dynamo=True, opset_version=OPSET, verbose=False, external_data=False,
            dynamic_shapes=(tuple({0: batch} for _ in examples),), input_names=list(examples), output_names=["next_state"],
        )  # fmt: skip
    assert program is not None, "the exporter that goes through torch.export gives one"
    model = program.model_proto
    _forget_source(model)
    return model


def _forget_source(model: Any) -> None:
    """Removes what the exporter says of the code that each node came from: stack traces with this machine's paths."""
    for part in (model.graph, *model.functions):
        for item in (part, *part.node, *part.value_info):
            del item.metadata_props[:]
            item.ClearField("doc_string")
    for item in (*model.graph.input, *model.graph.output, *model.graph.initializer):
        del item.metadata_props[:]
        item.ClearField("doc_string")


def quiet() -> Any:
    """Silences the exporter, which speaks of itself: deprecations of its own, packages that are not installed."""
    for name in ("torch.onnx", "onnxscript", "onnx_ir"):
        logging.getLogger(name).setLevel(logging.ERROR)
    return warnings.catch_warnings(action="ignore")

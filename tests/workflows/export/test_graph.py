from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch
from torch import Tensor, nn

from py4cast.errors import SettingsError
from py4cast.models import registry as models
from py4cast.workflows.export.graph import OPSET, onnx_graph, require_onnx
from tests import forecasters


class Affine(nn.Module):
    """y = a·x + b, two inputs."""

    def forward(self, *values: Tensor) -> Tensor:
        state, forcing = values
        return 2 * state + forcing


def test_a_function_becomes_a_graph_of_any_batch_without_a_word_of_its_source() -> None:
    examples = {"state": torch.zeros(2, 3), "forcing": torch.zeros(2, 3)}
    model: Any = onnx_graph(Affine(), examples)
    assert [i.name for i in model.graph.input] == ["state", "forcing"]
    assert [o.name for o in model.graph.output] == ["next_state"]
    assert {o.version for o in model.opset_import if o.domain == ""} == {OPSET}
    assert not any(node.metadata_props or node.doc_string for node in model.graph.node)
    assert __file__.encode() not in model.SerializeToString()
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    state, forcing = np.arange(15, dtype=np.float32).reshape(5, 3), np.ones((5, 3), np.float32)
    (result,) = session.run(None, {"state": state, "forcing": forcing})
    np.testing.assert_array_equal(result, 2 * state + 1)


def test_a_model_that_does_not_export_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    made = forecasters.forecaster(settings={"num_filters": 4})
    require_onnx(made)
    monkeypatch.setattr(models.get("halfunet"), "onnx_supported", False)
    with pytest.raises(SettingsError, match=r"model 'halfunet' does not export \(its onnx_supported is False\)"):
        require_onnx(made)

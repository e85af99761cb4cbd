"""Checks of models."""

import importlib.util
import tempfile
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from py4cast.errors import SettingsError
from py4cast.models import build_network
from py4cast.models import registry as models
from py4cast.testing.samples import check_settings, make_info

__all__ = ["check_model", "check_onnx", "onnx_session"]

GRIDS = ((16, 16), (17, 23), (12, 40))


def check_model(name: str, settings: Mapping[str, Any] | None = None, grids: Sequence[tuple[int, int]] = GRIDS) -> None:
    """The model takes and gives every grid, learns, is deterministic, and gives each weight a gradient.

    Where it says that ONNX is supported, it is exported for the second grid, of odd sizes, and run by onnxruntime.
    """
    kind = models.get(name)
    check_settings(kind)
    for shape in grids:
        info = make_info(shape)
        torch.manual_seed(0)
        network, _ = build_network(name, 5, 3, settings or {}, info.grid, info.statics)
        x = torch.randn(2, *shape, 5)
        y = network(x)
        assert y.shape == (2, *shape, 3), f"{name}: {tuple(x.shape)} gave {tuple(y.shape)}, expected {(2, *shape, 3)}"
        assert bool(torch.isfinite(y).all()), f"{name}: output is not finite on {shape}"
        network.eval()
        with torch.no_grad():
            first, alone = network(x), network(x[:1])
        with torch.inference_mode():
            again = network(x)
        assert torch.equal(first, again), f"{name}: two calls on {shape} differ"
        assert torch.allclose(first[:1], alone, atol=1e-4), f"{name}: a sample depends on its neighbours in the batch"
    _check_learning(name, settings or {}, grids[0])
    if kind.onnx_supported:
        check_onnx(name, settings, grids[min(1, len(grids) - 1)])


def check_onnx(name: str, settings: Mapping[str, Any] | None = None, shape: tuple[int, int] = GRIDS[0]) -> None:
    """Exported with a dynamic batch and run by onnxruntime, the model differs by at most 1e-4 of its output's deviation.

    Raises:
        SettingsError: onnx, onnxscript or onnxruntime is not installed.
    """
    if any(importlib.util.find_spec(package) is None for package in ("onnx", "onnxscript", "onnxruntime")):
        raise SettingsError(f"model {name!r}: its ONNX export is checked with `pip install py4cast[onnx]`")
    info = make_info(shape)
    torch.manual_seed(0)
    network = build_network(name, 5, 3, settings or {}, info.grid, info.statics)[0].eval()
    session = onnx_session(network, torch.randn(2, *shape, 5), optimize=False)  # which costs as long again
    for batch_size in (1, 3):
        x = torch.randn(batch_size, *shape, 5)
        with torch.no_grad():
            expected = network(x)
        outputs = torch.from_numpy(session.run(None, {session.get_inputs()[0].name: x.numpy()})[0])
        error = float((outputs - expected).abs().max() / expected.std().clamp(min=1e-30))
        assert error < 1e-4, f"{name}: onnxruntime differs by {error:.2g} deviations on {shape}, batch {batch_size}"


def onnx_session(network: torch.nn.Module, x: Tensor, optimize: bool = True) -> Any:
    """The network in onnxruntime, `session.run(None, {session.get_inputs()[0].name: array})`, on as many threads as torch has.

    Args:
        network: in evaluation.
        x: an input of two samples or more; the batch stays free.
        optimize: whether the exporter rewrites the graph before onnxruntime does.
    """
    import onnxruntime

    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        # the exporter speaks of itself: deprecations of its own, operators of packages that are not installed
        warnings.simplefilter("ignore")
        path = Path(folder) / "network.onnx"
        dynamic = ({0: torch.export.Dim("batch", max=1024)},)
        torch.onnx.export(
            network, (x,), path, dynamo=True, opset_version=20, dynamic_shapes=dynamic, verbose=False, optimize=optimize
        )
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def _check_learning(name: str, settings: Mapping[str, Any], shape: tuple[int, int]) -> None:
    info = make_info(shape)
    torch.manual_seed(0)
    network, _ = build_network(name, 5, 3, settings, info.grid, info.statics)
    if not list(network.parameters()):
        return  # nothing to learn
    x = torch.randn(4, *shape, 5)
    target = torch.tanh(x[..., :3] - x[..., 2:5])
    optimizer = torch.optim.Adam(network.parameters(), lr=3e-3)
    losses: list[float] = []
    for _ in range(12):
        optimizer.zero_grad()
        loss: Tensor = (network(x) - target).square().mean()
        loss.backward()  # type: ignore[no-untyped-call]
        losses.append(float(loss.detach()))
        optimizer.step()
    without = [n for n, p in network.named_parameters() if p.requires_grad and p.grad is None]
    assert not without, f"{name}: no gradient reaches {without}"
    assert losses[-1] < 0.9 * losses[0], f"{name}: 12 steps took the loss from {losses[0]:.3g} to {losses[-1]:.3g} only"

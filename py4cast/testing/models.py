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
from py4cast.formats.reduced import octahedral
from py4cast.grid import Grid
from py4cast.models import build_network
from py4cast.models import registry as models
from py4cast.testing.samples import check_settings, make_info

__all__ = ["check_model", "check_onnx", "onnx_session"]

GRIDS = ((16, 16), (17, 23), (12, 40))
# rates that a network is tried at, and for how many steps; the first suffices for most
_TRIALS = ((3e-3, 12), (1e-3, 60), (1e-2, 60), (1e-4, 60), (3e-2, 60))
_GAIN = 1e-3  # of the loss: more than rounding


def check_model(
    name: str, settings: Mapping[str, Any] | None = None, grids: Sequence[tuple[int, int] | Grid] = GRIDS
) -> None:
    """The model takes and gives every grid, learns, is deterministic, and gives each weight a gradient.

    One that takes points is tried on some. Where it says that ONNX is supported, it is exported for the second grid, of odd sizes, and run by onnxruntime.
    """
    kind = models.get(name)
    check_settings(kind)
    for given in (*grids, *([octahedral(8)] if "points" in kind.grids else [])):
        info = make_info(given)
        shape = info.grid.shape
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


def check_onnx(name: str, settings: Mapping[str, Any] | None = None, shape: tuple[int, int] | Grid = GRIDS[0]) -> None:
    """Exported with a dynamic batch and run by onnxruntime, the model differs by at most 1e-4 of its output's deviation.

    Raises:
        SettingsError: onnx, onnxscript or onnxruntime is not installed.
    """
    if any(importlib.util.find_spec(package) is None for package in ("onnx", "onnxscript", "onnxruntime")):
        raise SettingsError(f"model {name!r}: its ONNX export is checked with `pip install py4cast[onnx]`")
    info = make_info(shape)
    shape = info.grid.shape
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


def _check_learning(name: str, settings: Mapping[str, Any], shape: tuple[int, int] | Grid) -> None:
    """A network has learned where, trained at some rate, it tells its samples apart.

    What is asked is not how fast: the loss fell, and it is smaller on each sample's input than on its neighbour's. A
    network that learns slowly, or at other rates than most, is given more steps and other rates.
    """
    losses: list[tuple[float, float, float]] = []
    for rate, num_steps in _TRIALS:
        before, after, mistaken = _learn(name, settings, shape, rate, num_steps)
        if min(before, mistaken) > (1 + _GAIN) * after:
            return
        losses.append((before, after, mistaken))
    before, after, mistaken = losses[0]
    rates = ", ".join(f"{rate:g}: {end:.4g}" for (rate, _), (_, end, _) in zip(_TRIALS, losses, strict=True))
    raise AssertionError(
        f"{name}: {_TRIALS[0][1]} steps took the loss from {before:.4g} to {after:.4g} only, which is {mistaken:.4g} with the "
        f"input of another sample; {_TRIALS[-1][1]} steps at other rates did no better ({rates})"
    )


def _learn(
    name: str, settings: Mapping[str, Any], shape: tuple[int, int] | Grid, rate: float, num_steps: int
) -> tuple[float, float, float]:
    """The loss before and after some steps, and after them with the input of another sample."""
    info = make_info(shape)
    shape = info.grid.shape
    torch.manual_seed(0)
    network, _ = build_network(name, 5, 3, settings, info.grid, info.statics)
    if not list(network.parameters()):
        return 1.0, 0.0, 1.0  # nothing to learn
    x = torch.randn(4, *shape, 5)
    target = torch.tanh(x[..., :3] - x[..., 2:5])

    def loss_of(values: Tensor) -> Tensor:
        torch.manual_seed(1)  # a network that draws, dropout for example, draws the same
        loss: Tensor = (network(values) - target).square().mean()
        return loss

    optimizer = torch.optim.Adam(network.parameters(), lr=rate)
    before = float(loss_of(x).detach())
    for _ in range(num_steps):
        optimizer.zero_grad()
        loss_of(x).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    without = [n for n, p in network.named_parameters() if p.requires_grad and p.grad is None]
    assert not without, f"{name}: no gradient reaches {without}"
    with torch.no_grad():
        return before, float(loss_of(x)), float(loss_of(x.roll(1, 0)))

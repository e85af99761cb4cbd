"""What a plugin's author runs: each check raises AssertionError with what is wrong, and is what py4cast's own tests run."""

import importlib.util
import math
import tempfile
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from py4cast.batch import ItemBatch, Statics
from py4cast.dataset_info import DatasetInfo
from py4cast.datasets import DatasetABC
from py4cast.errors import SettingsError
from py4cast.forecaster import Forecaster
from py4cast.grid import Grid
from py4cast.losses import registry as losses
from py4cast.models import build_network
from py4cast.models import registry as models
from py4cast.namedtensor import NamedTensor
from py4cast.settings import Settings, decode, encode
from py4cast.statistics import Stats
from py4cast.variables import Variable

__all__ = [
    "check_dataset",
    "check_model",
    "check_onnx",
    "check_settings",
    "check_strategy",
    "make_batch",
    "make_info",
    "onnx_session",
]

GRIDS = ((16, 16), (17, 23), (12, 40))


def make_info(
    shape: tuple[int, int] = (17, 23), border_size: int = 1, valid: Any = None, diagnostic: bool = True
) -> DatasetInfo:
    """A DatasetInfo of two prognostic variables, one diagnostic and two forcings on a small regional grid."""
    grid = Grid(np.linspace(55, 45, shape[0]), np.linspace(-5, 9, shape[1]), name="testing")
    variables = [Variable(name="a", units="K"), Variable(name="b", units="m s-1")]
    variables += [Variable(name="d", role="diagnostic", units="kg m-2")] if diagnostic else []
    variables += [Variable(name=n, role="forcing", units="1") for n in ("f", "g")]
    names = [v.name for v in variables]
    stats = {n: {"mean": 1.0 + i, "std": 2.0 + i, "min": -9.0, "max": 9.0, "count": 100.0} for i, n in enumerate(names)}
    differences = {
        n: {"mean": 0.01 * (i + 1), "std": 0.2 + 0.1 * i, "min": -1, "max": 1, "count": 99} for i, n in enumerate(names)
    }
    generator = torch.Generator().manual_seed(0)
    features = NamedTensor(torch.rand(*shape, 2, generator=generator), ["lat", "lon", "features"], ["x", "y"])
    return DatasetInfo(
        name="testing",
        grid=grid,
        variables=variables,
        step_duration=np.timedelta64(3600, "s"),
        stats=Stats(stats),
        diff_stats=Stats(differences),
        statics=Statics.build(grid, features, border_size, valid),
    )


def make_batch(
    info: DatasetInfo, batch_size: int = 2, num_input_steps: int = 2, num_pred_steps: int = 3, seed: int = 0
) -> ItemBatch:
    """A batch of random fields that fits `info`."""
    generator = torch.Generator().manual_seed(seed)

    def field(steps: int, names: Sequence[str]) -> NamedTensor:
        mean, std = info.stats.to_list("mean", names), info.stats.to_list("std", names)
        noise = torch.randn(batch_size, steps, *info.grid.shape, len(names), generator=generator)
        return NamedTensor(noise * std + mean, ["batch", "timestep", "lat", "lon", "features"], list(names))

    times = np.datetime64("2020-01-01T00", "s") + np.arange(batch_size) * np.timedelta64(3600, "s")
    fields = {"inputs": field(num_input_steps, info.prognostic), "outputs": field(num_pred_steps, info.predicted)}
    if info.forcing:
        fields["forcing"] = field(num_pred_steps, info.forcing)
    return ItemBatch(fields, init_time=times)


def check_settings(kind: Any) -> None:
    """Its settings have defaults, read back what they write, and refuse unknown keys."""
    settings = decode(kind.settings_kls, {})
    assert decode(kind.settings_kls, encode(settings)) == settings, f"{kind.__name__}: settings do not round trip"
    if issubclass(kind.settings_kls, Settings):
        assert all(row[3] for row in kind.settings_kls.help()), f"{kind.__name__}: a setting has no line of help"


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
    session = onnx_session(network, torch.randn(2, *shape, 5))
    for batch_size in (1, 3):
        x = torch.randn(batch_size, *shape, 5)
        with torch.no_grad():
            expected = network(x)
        found = torch.from_numpy(session.run(None, {session.get_inputs()[0].name: x.numpy()})[0])
        error = float((found - expected).abs().max() / expected.std().clamp(min=1e-30))
        assert error < 1e-4, f"{name}: onnxruntime differs by {error:.2g} deviations on {shape}, batch {batch_size}"


def onnx_session(network: torch.nn.Module, x: Tensor) -> Any:
    """The network in onnxruntime, `session.run(None, {session.get_inputs()[0].name: array})`, on as many threads as torch has.

    Args:
        network: in evaluation.
        x: an input of two samples or more; the batch stays free.
    """
    import onnxruntime

    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        # the exporter speaks of itself: deprecations of its own, operators of packages that are not installed
        warnings.simplefilter("ignore")
        path = Path(folder) / "network.onnx"
        dynamic = ({0: torch.export.Dim("batch", max=1024)},)
        torch.onnx.export(network, (x,), path, dynamo=True, opset_version=20, dynamic_shapes=dynamic, verbose=False)
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
    found: list[float] = []
    for _ in range(12):
        optimizer.zero_grad()
        loss: Tensor = (network(x) - target).square().mean()
        loss.backward()  # type: ignore[no-untyped-call]
        found.append(float(loss.detach()))
        optimizer.step()
    without = [n for n, p in network.named_parameters() if p.requires_grad and p.grad is None]
    assert not without, f"{name}: no gradient reaches {without}"
    assert found[-1] < 0.9 * found[0], f"{name}: 12 steps took the loss from {found[0]:.3g} to {found[-1]:.3g} only"


def check_strategy(
    name: str,
    settings: Mapping[str, Any] | None = None,
    num_input_steps: int = 2,
    dataset: DatasetABC | None = None,
) -> None:
    """The strategy rolls out consistently: finite, border as promised, two single steps equal one double, learns.

    Args:
        name: as registered.
        settings: its settings.
        num_input_steps: past states.
        dataset: with 3 predicted steps, for a strategy that does not take any data; by default random fields.
    """
    info = make_info() if dataset is None else dataset.info
    torch.manual_seed(0)
    forecaster = Forecaster.build(info, "halfunet", name, num_input_steps, {"num_filters": 4}, settings).eval()
    batch = make_batch(info, num_input_steps=num_input_steps) if dataset is None else dataset.read_batch([0, 1])
    outputs = batch.outputs
    assert outputs is not None, "made with truth"
    both = forecaster.forecast(batch, 2)
    assert both.feature_names == info.predicted and bool(torch.isfinite(both.tensor).all())
    border = info.statics.border_mask.bool().squeeze(-1)
    std = info.stats.to_list("std", info.predicted)
    error = ((both.tensor - outputs[info.predicted].tensor[:, :2]) / std)[:, :, border]
    is_truth = bool((error.abs() < 1e-5).all())
    assert not bool(border.any()) or is_truth == forecaster.strategy.force_border, (
        f"{name}: border {'differs from' if not is_truth else 'equals'} truth"
    )
    _check_two_steps(name, forecaster, batch, both)
    forecaster.train()
    loss = forecaster.training_loss(batch, losses.get("mse")(info))
    assert loss.shape[0] == 2 and loss.ndim == 2 and bool(torch.isfinite(loss).all()), f"{name}: training loss {loss}"
    loss.mean().backward()  # type: ignore[no-untyped-call]
    assert all(p.grad is not None for p in forecaster.parameters()), f"{name}: a weight has no gradient"


def _check_two_steps(name: str, forecaster: Forecaster, batch: ItemBatch, both: NamedTensor) -> None:
    info, outputs, forcing = forecaster.info, batch.outputs, batch.forcing
    assert outputs is not None, "made with truth"
    first = forecaster.forecast(batch, 1)
    window = torch.cat([batch.inputs.tensor[:, 1:], first[info.prognostic].tensor], dim=1)
    later = ItemBatch(
        inputs=batch.inputs.like(window),
        forcing=None if forcing is None else forcing.isel(timestep=slice(1, None)),
        outputs=outputs.isel(timestep=slice(1, None)),
    )
    second = forecaster.forecast(later, 1)
    error = (second.tensor[:, 0] - both.tensor[:, 1]) / info.stats.to_list("std", info.predicted)
    assert bool((error.abs() < 1e-4).all()), f"{name}: two single steps differ from a double one"


def check_dataset(dataset: DatasetABC) -> None:
    """Samples are physical, named as `info` says, finite where valid, and the same each time."""
    info = dataset.info
    assert len(dataset) > 0, f"{info.name}: no samples"
    item, again = dataset[0], dataset[0]
    assert item.inputs.names == ["timestep", "lat", "lon", "features"], f"{info.name}: inputs are {item.inputs.names}"
    assert item.inputs.feature_names == info.prognostic, f"{info.name}: inputs hold {item.inputs.feature_names}"
    assert (item.forcing.feature_names if item.forcing else []) == info.forcing, f"{info.name}: forcing"
    outputs = item.outputs
    assert outputs is not None and outputs.feature_names == info.predicted, f"{info.name}: outputs"
    for key, field in item.fields.items():
        same = torch.equal(field.tensor.nan_to_num(math.pi), again.fields[key].tensor.nan_to_num(math.pi))
        assert same, f"{info.name}: {key} of sample 0 changes between two reads"
        assert field.shape[1:3] == info.grid.shape, (
            f"{info.name}: {key} is {tuple(field.shape)}, the grid {info.grid.shape}"
        )
    batch = dataset.read_batch([0, len(dataset) - 1])
    assert batch.batch_size == 2 and batch.init_time is not None, f"{info.name}: batch"
    assert info.num_input_features(item.num_input_steps) > 0 and info.summary()

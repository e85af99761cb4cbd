"""Checks of what judges a forecast: losses, metrics, observers."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor

from py4cast.losses import LossABC
from py4cast.losses import registry as losses
from py4cast.metrics import Layout
from py4cast.metrics import registry as metrics
from py4cast.metrics.aggregator import Aggregator
from py4cast.namedtensor import NamedTensor
from py4cast.observers import registry as observers
from py4cast.testing.samples import make_batch, make_info

__all__ = ["check_loss", "check_metric", "check_observer"]


def check_loss(name: str, settings: Any = None) -> None:
    """The loss is one number per sample and step, least for the truth, blind to what is missing, and adds up over cells."""
    info = make_info((9, 12))
    kind = losses.get(name)
    loss = kind(info) if settings is None else kind(info, settings)
    generator = torch.Generator().manual_seed(0)
    truth = torch.randn(2, 3, 9, 12, len(info.predicted), generator=generator)
    members = (2, 4) if kind.takes_members else (2,)
    guess = torch.randn(*members, *truth.shape[1:], generator=generator, requires_grad=True)
    value = loss(guess, truth)
    assert value.shape == (2, 3), f"{name}: a loss of shape {tuple(value.shape)}, expected (batch, timestep) = (2, 3)"
    assert bool(torch.isfinite(value).all()), f"{name}: not finite"
    right = truth.unsqueeze(1).expand(guess.shape) if kind.takes_members else truth
    assert bool((loss(right, truth) <= value + 1e-6).all()), f"{name}: a random forecast costs less than the truth"
    holes = truth.clone()
    holes[:, :, 3:5, 4:6] = torch.nan
    loss(guess, holes).sum().backward()
    gradient = guess.grad
    assert gradient is not None and bool(torch.isfinite(gradient).all()), f"{name}: missing truth spoils the gradient"
    assert float(gradient[..., 3:5, 4:6, :].abs().max()) == 0, f"{name}: missing truth has a gradient"
    assert float(gradient.abs().max()) > 0, f"{name}: nothing has a gradient"
    _check_parts(name, loss, guess.detach(), truth)


def _check_parts(name: str, loss: LossABC, guess: Tensor, truth: Tensor) -> None:
    """Sum and weight of the whole are those of its two halves, where the loss takes masks."""
    whole = loss.terms(guess, truth)
    torch.testing.assert_close(whole.mean(), loss(guess, truth), msg=f"{name}: forward is not the mean of its terms")
    assert bool((whole.weight >= 0).all()), f"{name}: a negative weight"


def check_metric(name: str) -> None:
    """The metric fits a layout, merges to what it is of all forecasts together, and finds nothing wrong with the truth."""
    info = make_info((12, 16), border_size=0)
    kind = metrics.get(name)
    assert kind.name == name, f"{name}: calls itself {kind.name!r}"
    assert kind.orientation in ("low", "high", "one", "zero", None), f"{name}: orientation {kind.orientation!r}"
    layout = Layout.of(info)
    if lacking := kind.lacking(layout):
        assert isinstance(lacking, str), f"{name}: lacking gives {lacking!r}"
        return
    metric = kind(layout)
    generator = torch.Generator().manual_seed(0)
    truth = torch.randn(4, 2, 12, 16, len(info.predicted), generator=generator, dtype=torch.float64)
    guess = truth + torch.randn(truth.shape, generator=generator, dtype=torch.float64)
    together = Aggregator([metric], layout)
    together.update(guess, truth)
    parts = [Aggregator([kind(layout)], layout) for _ in range(2)]
    for part, rows in zip(parts, (slice(0, 1), slice(1, 4)), strict=True):
        part.update(guess[rows], truth[rows])
    merged, whole = parts[0].merge(parts[1]).values(), together.values()
    for key, value in whole.items():
        torch.testing.assert_close(
            merged[key], value, equal_nan=True, msg=f"{name}: {key} of two parts differs from that of the whole"
        )
    perfect = Aggregator([kind(layout)], layout)
    perfect.update(truth, truth)
    if kind.orientation is not None and name in whole:
        # how far from what is good: low and high are compared, one and zero are distances
        best = {"one": 1.0, "zero": 0.0}.get(kind.orientation)
        sign = -1.0 if kind.orientation == "high" else 1.0
        right, wrong = (v[name] * sign if best is None else (v[name] - best).abs() for v in (perfect.values(), whole))
        known = torch.isfinite(right) & torch.isfinite(wrong)
        assert bool((right[known] <= wrong[known] + 1e-9).all()), f"{name}: an error scores better than the truth"


def check_observer(name: str, folder: Path) -> None:
    """The observer sees two batches, ends an epoch and begins the next one anew, without logger and without network.

    Args:
        name: as registered.
        folder: that pictures may be written to.
    """
    info = make_info()
    batch, loss = make_batch(info), losses.get("mse")(info)
    outputs = batch.outputs
    assert outputs is not None, "made with truth"
    kind = observers.get(name)
    observer = kind()

    def loss_of(prediction: NamedTensor, target: NamedTensor, mask: Any = None, reduce_spatial_dim: bool = True) -> Any:
        return loss(prediction, target, mask, reduce_spatial_dim)

    seen = SimpleNamespace(
        info=info, loss=loss_of, grid_shape=info.grid.shape, plots=folder, logger=None, current_epoch=0,
        model=SimpleNamespace(info=SimpleNamespace(output_dim=2)),
    )  # fmt: skip
    error = 1 + torch.rand(outputs.shape, generator=torch.Generator().manual_seed(0))
    prediction = outputs.like(outputs.tensor + error)
    if kind.takes_members:
        names = [outputs.names[0], "member", *outputs.names[1:]]
        prediction = NamedTensor(
            torch.stack([outputs.tensor + v for v in (error, -error)], 1), names, outputs.feature_names
        )
    for _ in range(2):
        before = prediction.tensor.clone()
        for _ in range(2):
            observer.update(seen, prediction, outputs)
        assert torch.equal(before, prediction.tensor), f"{name}: changes what it sees"
        observer.on_step_end(seen)

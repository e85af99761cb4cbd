"""Checks of strategies."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from py4cast.batch import ItemBatch
from py4cast.datasets import DatasetABC
from py4cast.errors import SettingsError
from py4cast.forecaster import Forecaster
from py4cast.given import Given
from py4cast.losses import registry as losses
from py4cast.namedtensor import NamedTensor
from py4cast.strategies import registry as strategies
from py4cast.testing.samples import make_batch, make_info

__all__ = ["check_strategy"]


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
    model = strategies.get(name).default_model
    small = {"num_filters": 4} if model == "halfunet" else {"hidden_dims": 8, "processor_layers": 1}
    forecaster = Forecaster.build(info, model, name, num_input_steps, small, settings).eval()
    batch = make_batch(info, num_input_steps=num_input_steps) if dataset is None else dataset.read_batch([0, 1])
    if forecaster.strategy.noise == "vector":
        _without_zeros(forecaster)
    outputs = batch.outputs
    assert outputs is not None, "made with truth"
    _check_members(name, forecaster, batch)
    both = forecaster.forecast(batch, 2, 1)
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
    objective = losses.get("crps" if forecaster.strategy.noise_of_step else "mse")(info)
    loss = forecaster.training_loss(batch, objective)
    assert loss.shape[0] == 2 and loss.ndim == 2 and bool(torch.isfinite(loss).all()), f"{name}: training loss {loss}"
    loss.mean().backward()  # type: ignore[no-untyped-call]
    assert all(p.grad is not None for p in forecaster.parameters()), f"{name}: a weight has no gradient"


def _without_zeros(forecaster: Forecaster) -> None:
    """What a vector adds begins at zero; a trained network has other weights."""
    with torch.no_grad():
        for weight in forecaster.network.parameters():
            if not bool(weight.any()):
                weight.normal_(std=0.1)


def _check_members(name: str, forecaster: Forecaster, batch: ItemBatch) -> None:
    """Members are told by the contract: reproducible, independent of batch and number, refused where there is no noise."""
    if not forecaster.strategy.noise_of_step:
        try:
            forecaster.forecast(batch, 1, 2)
        except SettingsError:
            return
        raise AssertionError(f"{name}: gives two members, but takes no noise")
    many = forecaster.forecast(batch, 2, 3, seed=1)
    assert many.names[:2] == ["batch", "member"], f"{name}: several members have the dimensions {many.names}"
    again, few = forecaster.forecast(batch, 2, 3, seed=1), forecaster.forecast(batch, 2, 2, seed=1)
    assert torch.equal(many.tensor, again.tensor), f"{name}: two forecasts of one seed differ"
    std = forecaster.info.stats.to_list("std", forecaster.info.predicted)
    error = ((few.tensor - many.tensor[:, :2]) / std).abs().max()
    assert float(error) < 1e-5, f"{name}: a member depends on how many there are"
    spread = (many.tensor[:, 0] - many.tensor[:, 1]).abs().max()
    assert float(spread) > 0, f"{name}: takes noise, but two members are the same"


def _check_two_steps(name: str, forecaster: Forecaster, batch: ItemBatch, both: NamedTensor) -> None:
    info = forecaster.info
    given = [_given_of(forecaster, batch, step) for step in range(2)]
    state = batch.inputs[info.prognostic].tensor
    with torch.no_grad():
        (first,) = forecaster.stream(state, given[:1])
        past = torch.cat([state[:, 1:], first[:, None, ..., : len(info.prognostic)]], dim=1)
        (second,) = forecaster.stream(past, given[1:])
    error = (second - both.tensor[:, 1]) / info.stats.to_list("std", info.predicted)
    assert bool((error.abs() < 1e-4).all()), f"{name}: two single steps differ from a double one"


def _given_of(forecaster: Forecaster, batch: ItemBatch, step: int) -> Given[Tensor]:
    """What is given of one step of a batch, physical, with the noise of a single member."""
    outputs = batch.outputs
    assert outputs is not None, "made with truth"
    noise = forecaster.noise(batch, step, 1, 0) if forecaster.strategy.noise_of_step else None
    forcing = None if batch.forcing is None else batch.forcing[forecaster.info.forcing].tensor[:, step]
    return Given(forcing, outputs[forecaster.info.predicted].tensor[:, step], {}, noise)

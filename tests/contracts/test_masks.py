"""Land and sea, through the house: what stands on land reaches neither forecast, loss, score nor gradient of the sea."""

import numpy as np
import pytest
import torch

from py4cast.batch import ItemBatch
from py4cast.forecaster import Forecaster
from py4cast.losses import registry as losses
from py4cast.metrics import ScoreSettings
from py4cast.metrics.batches import BatchVerification
from py4cast.strategies import registry as strategies
from py4cast.testing import make_batch, make_info
from tests.contracts.test_models import LEARNS, SMALL
from tests.contracts.test_strategies import FEW, FREE


def coast(shape: tuple[int, int] = (18, 27)) -> np.ndarray:
    """A bay, an island and a strait."""
    sea = np.ones(shape, dtype=bool)
    sea[:5, 4:20] = False
    sea[9:12, 9:13] = False
    sea[:, 22] = False
    sea[13:15, 22] = True
    return sea


INFO = make_info((18, 27), border_size=0, valid=coast())


def with_land(batch: ItemBatch, value: float) -> ItemBatch:
    """The batch with a value on land, in states and truth."""
    land = torch.from_numpy(~coast())
    fields = dict(batch.fields)
    for key in ("inputs", "outputs"):
        tensor = fields[key].tensor.clone()
        tensor[:, :, land] = value
        fields[key] = fields[key].like(tensor)
    return ItemBatch(fields, init_time=batch.init_time)


@pytest.mark.parametrize("model", LEARNS)
def test_land_does_not_leak_into_the_sea(model: str) -> None:
    torch.manual_seed(0)
    forecaster = Forecaster.build(INFO, model, "diff_ar", 2, SMALL[model]).eval()
    batch, loss = make_batch(INFO), losses.get("mse")(INFO)
    sea = torch.from_numpy(coast())
    found = []
    for value in (torch.nan, 0.0, 1e6):
        own = with_land(batch, value)
        forecaster.zero_grad()
        forecaster.training_loss(own, loss).mean().backward()
        gradients = [p.grad.clone() for p in forecaster.parameters() if p.grad is not None]
        found.append((forecaster.forecast(own).tensor[:, :, sea], gradients))
        assert bool(torch.isnan(forecaster.forecast(own).tensor[:, :, ~sea]).all()), "there is no forecast of land"
    for forecast, gradients in found[1:]:
        torch.testing.assert_close(forecast, found[0][0], atol=0, rtol=0)
        for ours, theirs in zip(gradients, found[0][1], strict=True):
            # sums in another order, where nothing is missing
            torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=1e-3)


@pytest.mark.parametrize("strategy", FREE)
def test_no_strategy_looks_at_land(strategy: str) -> None:
    torch.manual_seed(0)
    model = strategies.get(strategy).default_model
    small = {"num_filters": 4} if model == "halfunet" else {"hidden_dims": 8, "processor_layers": 1}
    forecaster = Forecaster.build(INFO, model, strategy, 1, small, FEW.get(strategy)).eval()
    batch = make_batch(INFO, num_input_steps=1)
    sea = torch.from_numpy(coast())
    first, other = (forecaster.forecast(with_land(batch, v)).tensor[..., sea, :] for v in (torch.nan, -300.0))
    torch.testing.assert_close(first, other, atol=0, rtol=0)
    state, forcing = batch.inputs.tensor, batch.forcing
    assert forcing is not None
    noise = forecaster.noise(batch, 0, 1, 0) if forecaster.strategy.noise_of_step else None
    step = forecaster(with_land(batch, 7.0).inputs.tensor, forcing.tensor[:, 0], noise=noise)
    torch.testing.assert_close(
        step[:, sea], forecaster(state, forcing.tensor[:, 0], noise=noise)[:, sea], atol=0, rtol=0
    )


def test_scores_and_spectra_are_of_the_sea_alone() -> None:
    batch = make_batch(INFO)
    rng = torch.Generator().manual_seed(1)
    assert batch.outputs is not None
    prediction = batch.outputs.tensor + torch.randn(batch.outputs.tensor.shape, generator=rng)
    found = []
    for value in (torch.nan, 1e4):
        own = with_land(batch, value)
        guess = prediction.clone()
        guess[:, :, torch.from_numpy(~coast())] = torch.nan  # as every Forecaster gives it
        verification = BatchVerification(INFO, None, ScoreSettings(num_samples=0), is_compared=True)
        verification.update(own, guess)
        found.append(verification.scores())
    names = [n for n in ("rmse", "bias", "power", "spectral_ratio", "lambda_x", "mu", "fss") if n in found[0].arrays]
    assert "rmse" in names and len(names) >= 4, sorted(found[0].arrays)
    for name in names:
        np.testing.assert_allclose(found[0].arrays[name].values, found[1].arrays[name].values, err_msg=name)
    sea = torch.from_numpy(coast())
    error = (prediction - batch.outputs.tensor)[:, :, sea].double()
    weights = INFO.statics.cell_weights[..., 0][sea].double()
    expected = ((error.square() * weights[:, None]).sum(2) / weights.sum()).mean(0).sqrt()
    rmse = found[0].arrays["rmse"].values[0, :, : len(INFO.predicted)]
    np.testing.assert_allclose(rmse, expected.numpy(), rtol=1e-5)

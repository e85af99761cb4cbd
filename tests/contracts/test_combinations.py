"""Every model with every strategy, in turn from one past state in bfloat16 and two in float32: trains, forecasts, saves, reloads."""

from pathlib import Path

import pytest
import torch

from py4cast.datasets import get_datasets
from py4cast.forecaster import Forecaster
from py4cast.losses import registry as losses
from py4cast.models import registry as models
from py4cast.testing import make_batch, make_info
from tests.contracts.test_models import LEARNS, SMALL
from tests.contracts.test_strategies import FEW, FREE, TINY

INFO = make_info((18, 27))


# a latent variable lives on a mesh that hears messages
PAIRS = [(m, s) for s in FREE for m in LEARNS if s != "graph_efm" or models.get(m).takes_latent]


@pytest.mark.parametrize(("model", "strategy"), PAIRS, ids=[f"{m}-{s}" for m, s in PAIRS])
def test_a_combination(model: str, strategy: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    is_even = (LEARNS.index(model) + FREE.index(strategy)) % 2 == 0
    num_input_steps, precision = (1, torch.bfloat16) if is_even else (2, torch.float32)
    few = FEW.get(strategy)
    forecaster = Forecaster.build(INFO, model, strategy, num_input_steps, SMALL[model], few).train()
    batch = make_batch(INFO, num_input_steps=num_input_steps, num_pred_steps=2)
    loss_of, found = losses.get(type(forecaster.strategy).default_loss)(INFO), []
    optimizer = torch.optim.Adam(forecaster.parameters(), lr=2e-3)
    for _ in range(4):
        optimizer.zero_grad()
        # the same noise at every step
        torch.manual_seed(1)
        with torch.autocast("cpu", precision, enabled=precision != torch.float32):
            loss = forecaster.training_loss(batch, loss_of).mean()
        loss.backward()
        optimizer.step()
        found.append(float(loss.detach()))
    assert found[-1] < found[0], f"{precision}: the loss went from {found[0]:.4g} to {found[-1]:.4g}"
    assert all(p.grad is not None and bool(torch.isfinite(p.grad).all()) for p in forecaster.parameters())
    forecast = forecaster.eval().forecast(batch)
    assert bool(torch.isfinite(forecast.tensor).all()) and forecast.feature_names == INFO.predicted
    forecaster.save(tmp_path / "forecaster.safetensors")
    again = Forecaster.load(tmp_path / "forecaster.safetensors").forecast(batch)
    assert torch.equal(again.tensor, forecast.tensor)


@pytest.mark.parametrize("model", LEARNS)
def test_any_network_in_a_hybrid(model: str, tmp_path: Path) -> None:
    train = get_datasets("qg", 1, 2, 2, None, TINY)[0]
    torch.manual_seed(0)
    forecaster = Forecaster.build(train.info, model, "hybrid", 1, SMALL[model]).train()
    batch, loss_of, found = train.read_batch([0, 1, 2]), losses.get("mse")(train.info), []
    optimizer = torch.optim.Adam(forecaster.parameters(), lr=2e-3)
    for _ in range(6):
        optimizer.zero_grad()
        loss = forecaster.training_loss(batch, loss_of).mean()
        loss.backward()
        optimizer.step()
        found.append(float(loss.detach()))
    assert min(found[1:]) < found[0], f"the loss went {found}"
    assert all(p.grad is not None and bool(torch.isfinite(p.grad).all()) for p in forecaster.parameters())
    forecast = forecaster.eval().forecast(batch)
    forecaster.save(tmp_path / "forecaster.safetensors")
    again = Forecaster.load(tmp_path / "forecaster.safetensors")
    assert torch.equal(again.forecast(batch).tensor, forecast.tensor)
    assert int(again.strategy.updates) == 6

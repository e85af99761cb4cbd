import json
import math
from pathlib import Path

import pytest
import torch

from py4cast.errors import SettingsError
from py4cast.forecaster import Forecaster
from py4cast.losses import registry as losses
from py4cast.models.graph.latent import LatentVariable, _Law, divergence
from py4cast.settings import decode
from py4cast.strategies.graph_efm import GraphEFMSettings
from py4cast.testing import make_batch, make_info
from py4cast.workflows.config import build_config
from py4cast.workflows.export.run import Export, export
from tests.cli.parsing import run

INFO = make_info((18, 18))
SMALL = {"hidden_dims": 8, "processor_layers": 1}


def made(model: str = "hilam", **settings: object) -> Forecaster:
    torch.manual_seed(0)
    return Forecaster.build(INFO, model, "graph_efm", 2, SMALL, {"num_latent": 2, **settings}).eval()


def test_the_divergence_is_that_of_torchs_normal_laws() -> None:
    generator = torch.Generator().manual_seed(0)
    numbers = [torch.randn(5, 3, 2, generator=generator) for _ in range(4)]
    q, p = _Law(numbers[0], numbers[1]), _Law(numbers[2], numbers[3])
    laws = [torch.distributions.Normal(law.mean, law.log_std.exp()) for law in (q, p)]
    expected = torch.distributions.kl_divergence(*laws).sum((0, 2))
    torch.testing.assert_close(divergence(q, p), expected)
    torch.testing.assert_close(divergence(p, p), torch.zeros(3))


@pytest.mark.parametrize("model", ["graphlam", "hilam", "hilamparallel"])
def test_it_learns_a_bound_and_the_law_of_its_members(model: str) -> None:
    forecaster, batch = made(model), make_batch(INFO, num_pred_steps=2)
    loss = losses.get("sum")(INFO)
    value = forecaster.training_loss(batch, loss, 0)
    assert value.shape == (2, 2)
    value.mean().backward()
    assert all(p.grad is not None and bool(torch.isfinite(p.grad).all()) for p in forecaster.parameters())
    # prior and posterior begin alike: the bound is the loss of one member
    without = made(model, kl_weight=0.0)
    torch.testing.assert_close(without.training_loss(batch, loss, 0), value)


def test_the_divergence_weighs_what_is_asked() -> None:
    batch, loss = make_batch(INFO, num_pred_steps=1), losses.get("sum")(INFO)
    values = []
    for weight in (0.0, 1.0, 3.0):
        forecaster = made(kl_weight=weight, crps_weight=0.0)
        with torch.no_grad():
            last = forecaster.network.model.latent.posterior[-1]
            # the posterior's mean is 1 away from the prior's: KL is ½ per number
            last.bias[:2] += 1.0
        values.append(forecaster.training_loss(batch, loss, 0).detach())
    nodes = len(forecaster.network.model.latent.cells)
    share = 0.5 * 2 * nodes / (18 * 18)
    torch.testing.assert_close(values[1] - values[0], torch.full((2, 1), share), rtol=1e-3, atol=1e-4)
    torch.testing.assert_close(values[2] - values[0], torch.full((2, 1), 3 * share), rtol=1e-3, atol=1e-4)


def test_the_posterior_sees_what_came_and_the_forecast_does_not() -> None:
    forecaster = made()
    for head in (forecaster.network.model.latent.prior, forecaster.network.model.latent.posterior):
        torch.nn.init.normal_(head[-1].weight, std=0.3)
    batch = make_batch(INFO, num_pred_steps=1)
    other = make_batch(INFO, num_pred_steps=1, seed=1)
    changed = type(batch)({**batch.fields, "outputs": other.outputs}, init_time=batch.init_time)
    inside = ~INFO.statics.border_mask.bool().squeeze(-1)
    first, second = (forecaster.forecast(b, seed=2).tensor[..., inside, :] for b in (batch, changed))
    assert torch.equal(first, second)


def test_members_differ_and_export(tmp_path: Path) -> None:
    forecaster = made()
    assert float(forecaster.forecast(make_batch(INFO), num_members=3).tensor[..., 9, 9, :].std(1).min()) > 0
    forecaster.save(tmp_path / "f.safetensors")
    drift = export(Export(forecaster=str(tmp_path / "f.safetensors"), output=str(tmp_path / "s.onnx"), num_steps=2))
    assert max(drift.largest) < 1e-4


def test_networks_without_a_mesh_and_meshes_with_too_many_nodes_are_refused() -> None:
    with pytest.raises(
        SettingsError,
        match="model 'unet' has no mesh for the strategy's latent variable; models that do: graphlam, hilam, hilamparallel",
    ):
        Forecaster.build(INFO, "unet", "graph_efm", 2)
    with pytest.raises(ValueError, match="9 nodes at the coarsest level, the grid 4 cells"):
        LatentVariable(9, 4, 3, 2, 1, 8, 1)
    with pytest.raises(ValueError, match="called without its noise"):
        made().network.model(torch.zeros(1, 18 * 18, 20))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"num_latent": 0}, "num_latent 0: members by a latent variable"),
        ({"kl_weight": -1}, "kl_weight -1: expected 0 or more"),
        ({"num_members": 1}, "num_members 1: the fair CRPS"),
    ],
)
def test_settings_that_make_no_ensemble_are_refused(settings: dict, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        decode(GraphEFMSettings, settings)
    with pytest.raises(SettingsError, match="scores one forecast"):
        made().strategy.check_loss(losses.get("mse")(INFO))


def test_its_network_is_on_a_mesh_by_default() -> None:
    config = build_config({"strategy": {"name": "graph_efm", "settings": {}}}, [])
    assert config.model.name == "hilam" and config.train.loss == "sum"
    assert build_config({}, []).model.name == "halfunet"


def test_it_trains_by_its_name_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PY4CAST_ROOTDIR", str(tmp_path))
    small = ["size=16", "num_train=8", "num_valid=4", "num_test=4"]
    sets = [word for s in small for word in ("--set", f"dataset.{s}")]
    run(
        "train",
        "--strategy",
        "graph_efm",
        "--epochs",
        "1",
        "--no_log",
        "--num_pred_steps_val_test",
        "1",
        "--set",
        "model.hidden_dims=8",
        *sets,
    )
    scores = json.loads(next(tmp_path.glob("**/scores.json")).read_text())
    assert scores["num_members"] == 8 and math.isfinite(scores["model"]["t2m"]["fair_crps"][0])

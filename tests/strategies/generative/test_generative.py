import json
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from py4cast.errors import SettingsError
from py4cast.forecaster import Forecaster
from py4cast.given import Given
from py4cast.losses import registry as losses
from py4cast.steppers import open_stepper
from py4cast.strategies import registry
from py4cast.strategies.generative.diffusion import DiffusionSettings
from py4cast.strategies.generative.flow_matching import FlowMatchingSettings
from py4cast.testing import check_strategy, make_batch, make_info
from py4cast.workflows.config import build_config
from py4cast.workflows.export import Export, export
from py4cast.workflows.forecast.members import Members
from tests.cli.parsing import run

INFO = make_info((16, 16), border_size=0, diagnostic=False)
NAMES = ["diffusion", "flow_matching"]


class Exact(nn.Module):
    """The best network where z is normal with mean μ and deviation s and nothing else is known."""

    def __init__(self, name: str, mean: float, deviation: float) -> None:
        super().__init__()
        self._of, self._mean, self._deviation = getattr(self, f"_{name}"), mean, deviation

    def forward(self, x, inputs=None, condition=None):
        noisy, level = x[..., -1 - len(INFO.predicted) : -1], x[..., -1:]
        return self._of(noisy, level)

    def _diffusion(self, scaled, level):
        sigma = torch.exp(4 * level)
        scale = (1 + sigma**2).sqrt()
        y = scaled * scale
        clean = (self._deviation**2 * y + sigma**2 * self._mean) / (self._deviation**2 + sigma**2)
        return (clean - y / scale**2) * scale / sigma

    def _flow_matching(self, y, tau):
        s, mean = self._deviation, self._mean
        variance = (1 - tau) ** 2 + (tau * s) ** 2
        # E[z − ε | y] of jointly normal z and ε
        return mean + (tau * s**2 - (1 - tau)) / variance * (y - tau * mean)


def strategy(name: str, **settings: object):
    kind = registry.get(name)
    return kind(kind.settings_kls(**settings), INFO)


@pytest.mark.parametrize("name", NAMES)
def test_they_keep_the_contract(name: str) -> None:
    check_strategy(name)


@pytest.mark.parametrize("sampler", ["ancestral", "multistep"])
def test_every_sampler_keeps_the_contract(sampler: str) -> None:
    check_strategy("diffusion", {"sampler": sampler, "num_steps": 3})


@pytest.mark.parametrize("name", NAMES)
def test_a_perfect_network_gives_the_law_of_the_change(name: str) -> None:
    plan = strategy(name, num_steps=32)
    state = torch.zeros(40, 1, 16, 16, INFO.weather_dim)
    noise = torch.randn(40, 16, 16, plan.num_noise, generator=torch.Generator().manual_seed(0))
    given = plan.assemble(state, torch.zeros(40, 16, 16, INFO.forcing_dim))
    x = torch.cat([given, noise], dim=-1)
    z = (plan.advance(Exact(name, 0.5, 0.8), x, state[:, 0]) - plan.diff_mean) / plan.diff_std
    # a finite largest noise takes some of the mean
    assert float(z.mean()) == pytest.approx(0.5, abs=0.035) and float(z.std()) == pytest.approx(0.8, rel=0.02)


@pytest.mark.parametrize("name", NAMES)
def test_the_perfect_network_has_the_least_objective(name: str) -> None:
    plan, generator = strategy(name), torch.Generator().manual_seed(0)
    batch = make_batch(INFO, batch_size=64, num_input_steps=1, num_pred_steps=1)
    forecaster = Forecaster.build(INFO, "cnn", name, 1, {"num_filters": 4})
    samples = forecaster._learned_samples(batch, 0)
    z = 0.5 + 0.8 * torch.randn(64, 16, 16, INFO.weather_dim, generator=generator)
    state = plan.fill_states(samples.states)[:, -1]
    samples = samples._replace(truth=(state + z * plan.diff_std + plan.diff_mean).unsqueeze(1))
    loss = losses.get("mse")(INFO)
    values = []
    for mean, deviation in ((0.5, 0.8), (0.2, 0.8), (0.5, 1.2)):
        torch.manual_seed(0)
        values.append(float(plan.training_loss(Exact(name, mean, deviation), loss, samples).mean()))
    assert values[0] < min(values[1:])


@pytest.mark.parametrize("name", NAMES)
def test_steps_are_learned_one_by_one_from_the_truth(name: str) -> None:
    batch = make_batch(INFO, num_pred_steps=3)
    forecaster = Forecaster.build(INFO, "cnn", name, 2, {"num_filters": 4})
    loss = losses.get("mse")(INFO)
    value = forecaster.training_loss(batch, loss, seed=1)
    assert value.shape == (2, 3)
    samples = forecaster._learned_samples(batch, 1)
    truth = samples.truth.clone()
    truth[:, 1, 3, 4] = torch.nan
    holes = forecaster.strategy.training_loss(forecaster.network, loss, samples._replace(truth=truth))
    assert bool(torch.isfinite(holes).all())
    holes.sum().backward()
    assert all(bool(torch.isfinite(p.grad).all()) for p in forecaster.network.parameters())


@pytest.mark.parametrize("name", [*NAMES, "ensemble"])
def test_an_exported_step_draws_the_same_members(name: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    few = {"num_noise": 2} if name == "ensemble" else {"num_steps": 3}
    forecaster = Forecaster.build(INFO, "cnn", name, 2, {"num_filters": 4}, few).eval()
    forecaster.save(tmp_path / "f.safetensors")
    export(Export(forecaster=str(tmp_path / "f.safetensors"), output=str(tmp_path / "f.onnx"), num_steps=2))
    batch = make_batch(INFO)
    expected = forecaster.forecast(batch, 2, 4, seed=9).tensor[0].numpy()
    stepper = open_stepper(tmp_path / "f.onnx")
    members = Members(stepper.info, batch.init_time[0], (), 4, 9)
    forcing = batch.forcing[INFO.forcing].tensor[0].numpy()
    given = (Given(forcing[None, step]) for step in range(2))
    steps = list(stepper.rollout(members.states(batch.inputs.tensor[:1].numpy()), members.given(given)))
    std = INFO.stats.to_list("std", INFO.predicted).numpy()
    np.testing.assert_allclose(np.stack(steps, 1) / std, expected / std, atol=2e-4)


@pytest.mark.parametrize("loss", ["mae", "crps", "sum"])
def test_only_the_squared_error_teaches_the_mean(loss: str) -> None:
    with pytest.raises(SettingsError, match="which only the squared error gives; use --loss mse"):
        strategy("diffusion").check_loss(losses.get(loss)(INFO))


@pytest.mark.parametrize(
    ("kind", "settings", "message"),
    [
        (DiffusionSettings, {"num_steps": 1}, "at least 2"),
        (DiffusionSettings, {"smallest_noise": 30.0}, "noise levels from 30 to 20: expected them to grow"),
        (DiffusionSettings, {"smallest_noise": 0.0}, "above 0"),
        (FlowMatchingSettings, {"num_steps": 0}, "at least 1"),
        (FlowMatchingSettings, {"num_members_val": 1}, "at least 2"),
    ],
)
def test_settings_that_draw_nothing_are_refused(kind, settings: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        kind(**settings)


@pytest.mark.parametrize("name", NAMES)
def test_they_train_by_name_alone(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert build_config({"strategy": {"name": name}}, []).train.loss == "mse"
    monkeypatch.setenv("PY4CAST_ROOTDIR", str(tmp_path))
    small = ["--set", "dataset.num_train=24", "--set", "dataset.num_valid=8", "--set", "dataset.num_test=8"]
    few = [
        "--model",
        "cnn",
        "--num_pred_steps_val_test",
        "2",
        "--epochs",
        "1",
        "--no_log",
        "--set",
        "strategy.num_steps=2",
    ]
    run("train", "--dataset", "stochastic", "--strategy", name, "--run_name", "r", *small, *few)
    folder = Path(capsys.readouterr().out.splitlines()[-1])
    scores = json.loads((folder / "scores.json").read_text())
    assert len(scores["model"]["state"]["fair_crps"]) == 2

import json
from pathlib import Path

import pytest
import torch

from py4cast.errors import DataError, SettingsError
from py4cast.forecaster import Forecaster
from py4cast.losses import registry as losses
from py4cast.testing import make_batch, make_info
from py4cast.workflows.config import build_config
from py4cast.workflows.export.run import Export, export
from py4cast.workflows.train.run import train

INFO = make_info((12, 14))
ERRORS = {
    name: [0.25 * INFO.stats[name]["std"] * (INFO.diff_stats[name]["std"] if name in INFO.prognostic else 1.0)]
    for name in INFO.predicted
}
SMALL = {"num_filters": 4}


@pytest.fixture
def mean(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    forecaster = Forecaster.build(INFO, "cnn", "scaled_ar", 2, SMALL).eval()
    forecaster.save(tmp_path / "mean.safetensors", validation_rmse=ERRORS)
    return tmp_path / "mean.safetensors"


def made(mean: Path, strategy: str = "diffusion", **settings: object) -> Forecaster:
    torch.manual_seed(1)
    few = {"num_steps": 2, "num_members_val": 2, "residual_of": str(mean), **settings}
    return Forecaster.build(INFO, "cnn", strategy, 2, SMALL, few).eval()


def test_members_lie_about_the_forecast_of_the_deterministic_one(mean: Path) -> None:
    forecaster, batch = made(mean, "flow_matching"), make_batch(INFO, num_pred_steps=1)
    assert [round(float(e), 6) for e in forecaster.strategy.mean.errors] == [0.25] * len(INFO.predicted)
    # a network that gives nothing: flow ends where it begins, at the noise; with the mean in its middle
    middle = Forecaster.load(mean).forecast(batch).tensor
    many = forecaster.forecast(batch, num_members=200).tensor
    inside = ~INFO.statics.border_mask.bool().squeeze(-1)
    unit = torch.tensor([ERRORS[n][0] for n in INFO.predicted])
    shift = ((many.mean(1) - middle) / unit)[..., inside, :]
    spread = (many.std(1) / unit)[..., inside, :]
    assert 0.3 < float(spread.mean()) < 3 and float(shift.abs().mean()) < 1.0


def test_the_deterministic_step_does_not_learn_and_is_kept_in_the_file(mean: Path, tmp_path: Path) -> None:
    forecaster, batch = made(mean), make_batch(INFO, num_pred_steps=2)
    before = {k: v.clone() for k, v in forecaster.strategy.state_dict().items() if k.startswith("mean.")}
    assert before and not any(p.requires_grad for p in forecaster.strategy.mean.parameters())
    forecaster.train()
    assert not forecaster.strategy.mean.network.training
    value = forecaster.training_loss(batch, losses.get("mse")(INFO), 0)
    value.mean().backward()
    assert all(p.grad is not None for p in forecaster.network.parameters())
    assert all(p.grad is None for p in forecaster.strategy.parameters())
    forecaster.eval().save(tmp_path / "whole.safetensors")
    expected = forecaster.forecast(batch, num_members=2).tensor
    mean.unlink()
    again = Forecaster.load(tmp_path / "whole.safetensors")
    torch.testing.assert_close(again.forecast(batch, num_members=2).tensor, expected)
    drift = export(Export(forecaster=str(tmp_path / "whole.safetensors"), output=str(tmp_path / "s.onnx"), num_steps=1))
    assert max(drift.largest) < 1e-4


def test_what_is_learned_is_the_error_in_its_units(mean: Path) -> None:
    forecaster, batch = made(mean), make_batch(INFO, num_pred_steps=1)
    seen: list[torch.Tensor] = []
    guess = forecaster.strategy.guess

    def watched(network, given, z, noise):
        seen.append(z)
        return guess(network, given, z, noise)

    forecaster.strategy.guess = watched
    forecaster.training_loss(batch, losses.get("mse")(INFO), 0)
    samples = forecaster._samples(batch)
    given = forecaster.strategy.assemble(samples.states, samples.forcing[:, 0])
    change = forecaster.strategy._change(samples.truth[:, 0], samples.states[:, -1])
    torch.testing.assert_close(seen[0], (change - forecaster.strategy.mean(given)) / 0.25, rtol=1e-4, atol=1e-4)


def test_other_forecasters_are_refused_by_name(mean: Path, tmp_path: Path) -> None:
    for strategy, errors, message in (
        ("diff_ar", ERRORS, "strategy 'diff_ar'; expected one of scaled_ar"),
        ("scaled_ar", None, "it does not say its errors on the validation split"),
    ):
        Forecaster.build(INFO, "cnn", strategy, 2, SMALL).save(
            tmp_path / "o.safetensors", **({"validation_rmse": errors} if errors else {})
        )
        with pytest.raises(DataError, match=message):
            made(tmp_path / "o.safetensors")
    Forecaster.build(make_info((12, 15)), "cnn", "scaled_ar", 2, SMALL).save(
        tmp_path / "o.safetensors", validation_rmse=ERRORS
    )
    with pytest.raises(DataError, match="its grid is not the Forecaster's"):
        made(tmp_path / "o.safetensors")
    with pytest.raises(SettingsError, match="it takes 2 past states, the training 1"):
        Forecaster.build(INFO, "cnn", "diffusion", 1, SMALL, {"residual_of": str(mean)})


def test_a_whole_training_on_the_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PY4CAST_ROOTDIR", str(tmp_path))
    small = {"size": 16, "num_train": 10, "num_valid": 6, "num_test": 6}
    steps = {"epochs": 1, "limit_train_batches": 2, "num_pred_steps_val_test": 1, "no_log": True}
    config = {
        "dataset": {"name": "dummy", "settings": small},
        "model": {"name": "cnn", "settings": SMALL},
        "train": steps,
    }
    first = train(build_config({**config, "strategy": {"name": "scaled_ar"}}, []), run_name="mean")
    strategy = {"name": "flow_matching", "settings": {"num_steps": 1, "num_members_val": 2, "residual_of": str(first)}}
    folder = train(build_config({**config, "strategy": strategy}, []), run_name="error")
    scores = json.loads((folder / "scores.json").read_text())
    assert scores["num_members"] == 2 and scores["model"]["t2m"]["fair_crps"][0] > 0

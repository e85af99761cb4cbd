from pathlib import Path

import pytest
import torch

from py4cast.cli.main import main
from py4cast.errors import DataError, SettingsError
from py4cast.forecaster import Forecaster
from py4cast.testing import make_batch, make_info
from py4cast.workflows.train.transfer import transfer
from tests.cli.parsing import run

INFO = make_info((16, 16))
SMALL = {"num_filters": 4, "norm": "group"}


def made(strategy: str = "scaled_ar", model: str = "halfunet", seed: int = 0, **settings: object) -> Forecaster:
    torch.manual_seed(seed)
    small = SMALL if model == "halfunet" else {"num_filters": 4}
    return Forecaster.build(INFO, model, strategy, 2, {**small, **settings}).eval()


@pytest.mark.parametrize("model", ["halfunet", "cnn"])
def test_an_ensemble_begins_with_the_forecast_of_the_deterministic_one(model: str, tmp_path: Path) -> None:
    made(model=model).save(tmp_path / "f.safetensors")
    fresh = made("ensemble", model, seed=1)
    told = transfer(fresh, tmp_path / "f.safetensors")
    assert len(told.enlarged) == 1 and told.new == [] and len(told.kept) > 3
    assert "1 enlarged for new inputs" in str(told)
    batch = make_batch(INFO)
    expected = Forecaster.load(tmp_path / "f.safetensors").forecast(batch).tensor
    members = fresh.forecast(batch, num_members=3).tensor
    std = INFO.stats.to_list("std", INFO.predicted)
    torch.testing.assert_close(members / std, expected.unsqueeze(1).expand_as(members) / std, rtol=1e-4, atol=1e-4)


def test_a_vector_comes_in_by_weights_of_its_own(tmp_path: Path) -> None:
    made().save(tmp_path / "f.safetensors")
    torch.manual_seed(1)
    steered = Forecaster.build(INFO, "halfunet", "ensemble", 2, SMALL, {"noise": "vector"}).eval()
    told = transfer(steered, tmp_path / "f.safetensors")
    assert told.enlarged == [] and all(".scales." in name for name in told.new)
    batch = make_batch(INFO)
    expected = Forecaster.load(tmp_path / "f.safetensors").forecast(batch).tensor
    torch.testing.assert_close(steered.forecast(batch, num_members=2).tensor[:, 1], expected, rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ({"strategy": "diff_ar"}, "strategy 'diff_ar' reads the network's output in another way"),
        ({"model": "cnn"}, "its model is cnn, that of the training halfunet"),
        ({"num_filters": 8}, "is of shape .* expected the same but for further inputs"),
    ],
)
def test_what_does_not_fit_is_refused_by_name(source: dict, message: str, tmp_path: Path) -> None:
    made(**source).save(tmp_path / "f.safetensors")
    fresh = made("ensemble", seed=1)
    before = {name: weight.clone() for name, weight in fresh.network.state_dict().items()}
    with pytest.raises(DataError, match=message):
        transfer(fresh, tmp_path / "f.safetensors")
    assert all(torch.equal(weight, before[name]) for name, weight in fresh.network.state_dict().items())


def test_other_data_are_refused(tmp_path: Path) -> None:
    Forecaster.build(make_info((8, 16)), "halfunet", "scaled_ar", 2, SMALL).save(tmp_path / "f.safetensors")
    with pytest.raises(DataError):
        transfer(made("ensemble"), tmp_path / "f.safetensors")


def test_by_the_command_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PY4CAST_ROOTDIR", str(tmp_path))
    words = [w for n in ("num_train=16", "num_valid=8", "num_test=8", "size=16") for w in ("--set", f"dataset.{n}")]
    words += [
        "--dataset",
        "stochastic",
        "--model",
        "cnn",
        "--set",
        "model.num_filters=4",
        "--epochs",
        "1",
        "--no_log",
        "--num_pred_steps_val_test",
        "2",
    ]
    run("train", "--strategy", "scaled_ar", "--run_name", "mean", *words)
    mean = next(tmp_path.rglob("forecaster.safetensors"))
    run("train", "--strategy", "ensemble", "--run_name", "members", "--init_from", str(mean), *words)
    assert len(list(tmp_path.rglob("forecaster.safetensors"))) == 2
    assert main(["train", "--init_from", "a", "--load_model_ckpt", "b"]) == 2
    assert "give one of them" in capsys.readouterr().err
    with pytest.raises((DataError, SettingsError)):
        run(
            "train",
            "--strategy",
            "ensemble",
            "--run_name",
            "none",
            "--init_from",
            str(tmp_path / "none.safetensors"),
            *words,
        )

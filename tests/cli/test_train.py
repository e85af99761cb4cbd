import re
from pathlib import Path
from typing import Any

import pytest

from py4cast.cli.train import _default_run_name
from py4cast.errors import SettingsError
from tests.cli.parsing import Recorder, replaced, run
from tests.weather_files import write_json

SCORES = {"lead_times_h": [1.0], "units": {"t": "K"}, "num_forecasts": 2, "model": {"t": {"rmse": [1.5]}}}


@pytest.fixture
def train(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Recorder:
    for name in ("RANK", "SLURM_PROCID", "LOCAL_RANK", "SLURM_JOB_ID", "SLURM_STEP_ID", "PY4CAST_RUN_NAME"):
        monkeypatch.delenv(name, raising=False)
    write_json(tmp_path / "run" / "scores.json", SCORES)
    return replaced(monkeypatch, "py4cast.workflows.train.run.train", tmp_path / "run")


def test_without_flags_the_synthetic_atmosphere_is_learned(
    train: Recorder, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run("train", "--run_name", "one")
    config, campaign, name, resume, weights, decoded = train.words
    assert (config.dataset.name, config.model.name, config.strategy.name) == ("dummy", "halfunet", "diff_ar")
    assert (campaign, name, resume, weights) == ("default", "one", False, None) and decoded.dataset.size == 64
    printed = capsys.readouterr().out
    assert "1.5" in printed and printed.splitlines()[-1] == str(tmp_path / "run")


@pytest.mark.parametrize(
    ("words", "part", "expected"),
    [
        (["--epochs", "7", "--batch_size", "2", "--seed", "9"], "train", {"epochs": 7, "batch_size": 2, "seed": 9}),
        (["--val_interval", "2", "--num_input_steps", "1"], "train", {"val_interval": 2, "num_input_steps": 1}),
        (["--num_pred_steps_train", "3", "--num_pred_steps_val_test", "6"], "train", {"num_pred_steps_train": 3, "num_pred_steps_val_test": 6}),
        (["--dev_mode"], "train", {"epochs": 3, "limit_train_batches": 3}),
        (["--dev_mode", "--epochs", "5"], "train", {"epochs": 5, "limit_train_batches": 3}),
        (["--loss", "mae", "--precision", "bf16-mixed", "--profiler", "simple"], "train", {"loss": "mae", "precision": "bf16-mixed", "profiler": "simple"}),
        (["--no_log", "--mlflow", "file:x", "--plots", "error,,spectra"], "train", {"no_log": True, "mlflow": "file:x", "plots": ("error", "spectra")}),
        (["--plots", ""], "train", {"plots": ()}),
        (["--lr", "0.01"], "optim", {"lr": 0.01, "min_lr": 1e-6}),
        (["--lr", "1e-8"], "optim", {"lr": 1e-8, "min_lr": 1e-8}),
        (["--set", "train.epochs=4", "--epochs", "7"], "train", {"epochs": 4}),
        (["--strategy", "scaled_ar", "--num_inter_steps", "2"], "strategy", {"settings": {"num_inter_steps": 2}}),
        (["--strategy", "scaled_ar", "--num_inter_steps", "1"], "strategy", {"settings": {"num_inter_steps": 1}}),
        (["--num_inter_steps", "1"], "strategy", {"name": "diff_ar", "settings": {}}),
        (["--set", "model.num_filters=8"], "model", {"settings": {"num_filters": 8}}),
    ],
)  # fmt: skip
def test_every_flag_reaches_the_configuration(
    train: Recorder, words: list[str], part: str, expected: dict[str, Any]
) -> None:
    run("train", *words)
    settings = getattr(train.words[0], part)
    assert {name: getattr(settings, name) for name in expected} == expected


def test_flags_override_the_configuration_that_is_run_again(train: Recorder, tmp_path: Path) -> None:
    document = {
        "dataset": {"name": "dummy", "settings": {"size": 32}}, "model": {"name": "unet", "settings": {}},
        "strategy": {"name": "scaled_ar", "settings": {}}, "train": {"epochs": 50, "seed": 1}, "optim": {"min_lr": 1e-4},
    }  # fmt: skip
    write_json(tmp_path / "old" / "config.json", document)
    run("train", "--config", str(tmp_path / "old"), "--model", "halfunet", "--seed", "2", "--lr", "0.5")
    config = train.words[0]
    assert (config.dataset.settings, config.strategy.name) == ({"size": 32}, "scaled_ar")
    assert (config.model.name, config.train.epochs, config.train.seed) == ("halfunet", 50, 2)
    assert (config.optim.lr, config.optim.min_lr) == (0.5, 1e-4)


def test_files_of_settings_go_with_the_names(train: Recorder, tmp_path: Path) -> None:
    dataset = write_json(tmp_path / "d.json", {"size": 16})
    model = write_json(tmp_path / "m.json", {"num_filters": 4})
    run("train", "--dataset", "dummy", "--dataset_conf", str(dataset), "--model_conf", str(model))
    config = train.words[0]
    assert config.dataset.to_dict() == {"name": "dummy", "settings": {"size": 16}}
    assert config.model.to_dict() == {"name": "halfunet", "settings": {"num_filters": 4}}


def test_a_run_goes_on_by_its_name(train: Recorder) -> None:
    run("train", "--resume", "--run_name", "r", "--campaign_name", "c", "--load_model_ckpt", "w.ckpt")
    assert train.words[1:5] == ("c", "r", True, "w.ckpt")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--resume"], "--resume needs the --run_name of the run to go on with"),
        (["--num_inter_steps", "2"], "--num_inter_steps 2: strategy diff_ar has no inter steps; use --strategy scaled_ar"),
        (["--strategy", "downscaling", "--num_inter_steps", "3"], "strategy downscaling has no inter steps"),
        (["--set", "epochs=3"], "--set 'epochs=3': expected one of dataset, model, strategy, train, optim, scores first"),
        (["--epochs", "0"], "epochs must be at least 1, found 0"),
        (["--loss", "msee"], "msee.*did you mean 'mse'"),
        (["--model", "halfunt"], "halfunt.*did you mean 'halfunet'"),
    ],
)  # fmt: skip
def test_mistakes_are_told_before_the_training(train: Recorder, words: list[str], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        run("train", *words)
    assert train.words == ()


def test_a_rank_that_is_not_the_first_prints_nothing(
    train: Recorder, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in (("RANK", "1"), ("WORLD_SIZE", "2"), ("LOCAL_WORLD_SIZE", "2")):
        monkeypatch.setenv(name, value)
    run("train", "--run_name", "one")
    assert capsys.readouterr().out == "" and train.words[2] == "one"


def test_names_of_runs_that_are_given_none(train: Recorder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PY4CAST_RUN_NAME", "of an older run")
    first = _default_run_name()
    assert re.fullmatch(r"\d{8}T\d{6}", first)
    monkeypatch.setenv("LOCAL_RANK", "1")
    monkeypatch.setenv("MASTER_ADDR", "127.0.0.1")
    assert _default_run_name() == first, "processes that the first one starts share its name"
    monkeypatch.setenv("SLURM_JOB_ID", "77")
    assert _default_run_name() == "slurm-77.0"
    monkeypatch.setenv("SLURM_STEP_ID", "4")
    assert _default_run_name() == "slurm-77.4"

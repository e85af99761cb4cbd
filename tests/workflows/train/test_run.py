import json
from pathlib import Path
from typing import Any

import pytest
import torch

from py4cast.callbacks import CheckpointKeeper, Preemption
from py4cast.datasets.dummy import Dummy
from py4cast.errors import DataError, SettingsError
from py4cast.forecaster import Forecaster
from py4cast.heartbeat import Heartbeat
from py4cast.job import Job
from py4cast.testing import make_info
from py4cast.tracking import RunLog
from py4cast.workflows.config import RunConfig, TrainSettings, build_config
from py4cast.workflows.train import run as module
from py4cast.workflows.train import trainer
from py4cast.workflows.train.folder import begin
from py4cast.workflows.train.run import load_weights, process_rank, run_folder, train

TINY = ["model.num_filters=4", "dataset.size=16", "dataset.num_train=27", "dataset.num_valid=8", "dataset.num_test=8"]


def tiny(*overrides: str, **settings: Any) -> RunConfig:
    train_settings = {"epochs": 1, "no_log": True, "num_pred_steps_val_test": 2, "plots": [], **settings}
    return build_config({"train": train_settings}, [*TINY, *overrides])


def test_a_run_lies_under_campaign_dataset_and_model(own_root: Path) -> None:
    assert run_folder(tiny(), "c", "r") == own_root / "logs" / "c" / "dummy" / "halfunet" / "r"
    named = build_config({"dataset": {"name": "gridded", "settings": {"name": "era5_uk"}}, "model": {"name": "zero"}}, [])  # fmt: skip
    assert run_folder(named, "c", "r") == own_root / "logs" / "c" / "era5_uk" / "zero" / "r"


@pytest.mark.parametrize(
    ("campaign", "name", "message"),
    [
        ("../c", "r", r"--campaign_name '\.\./c': expected letters"),
        ("c", "a/b", "--run_name 'a/b': expected letters"),
        ("c", "", "--run_name '': expected letters"),
    ],
)
def test_names_that_lead_out_of_the_folder_are_refused(campaign: str, name: str, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        run_folder(tiny(), campaign, name)


def test_a_run_begins_once_and_goes_on_with_its_own_settings(tmp_path: Path) -> None:
    config = tiny()
    with pytest.raises(SettingsError, match="no run to resume here"):
        begin(tmp_path, config, resume=True)
    assert begin(tmp_path, config, resume=False) is None
    assert json.loads((tmp_path / "config.json").read_text()) == config.to_dict()
    with pytest.raises(SettingsError, match="a run of this name exists; choose another --run_name, or go on with --resume"):  # fmt: skip
        begin(tmp_path, config, resume=False)
    assert begin(tmp_path, config, resume=True) is None, "no state was saved yet"
    last = tmp_path / "checkpoints" / "last.ckpt"
    last.parent.mkdir()
    last.touch()
    assert begin(tmp_path, config, resume=True) == last
    with pytest.raises(SettingsError, match=r"with the run's own settings; these differ: model.*, train.*; see .*config\.json"):  # fmt: skip
        begin(tmp_path, tiny("model.num_filters=8", epochs=2), resume=True)


def test_a_run_that_never_began_leaves_its_name_free(monkeypatch: pytest.MonkeyPatch) -> None:
    folder = run_folder(tiny(), "default", "run")
    with pytest.raises(DataError, match=r"nowhere\.safetensors: no such file"):
        train(tiny(), weights="nowhere.safetensors")
    assert not (folder / "config.json").exists() and not (folder / "dataset.json").exists()
    (folder / "checkpoints").mkdir(parents=True)
    with pytest.raises(DataError):
        train(tiny(), weights="nowhere.safetensors")
    assert (folder / "config.json").exists(), "what stands beside checkpoints is a run's"


def test_unknown_observers_are_refused_before_anything_is_made(own_root: Path) -> None:
    with pytest.raises(SettingsError, match=r"errr.*error"):
        train(tiny(plots=["errr"]))
    assert not own_root.exists()


def test_a_split_without_samples_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, small: Any) -> None:
    train_part, valid, _ = small

    class Empty:
        def __len__(self) -> int:
            return 0

    monkeypatch.setattr(Dummy, "from_settings", lambda *_: (train_part, valid, Empty()))
    with pytest.raises(DataError, match="dataset 'dummy': the split test holds no sample"):
        module._make(tiny(), tmp_path, None)


@pytest.mark.parametrize(
    ("environment", "rank"),
    [
        ({}, 0),
        ({"LOCAL_RANK": "1"}, 1),
        ({"LOCAL_RANK": "1", "SLURM_PROCID": "5"}, 5),
        ({"LOCAL_RANK": "1", "SLURM_PROCID": "5", "RANK": "7"}, 7),
        ({"RANK": "none", "SLURM_PROCID": "3"}, 3),
    ],
)
def test_the_rank_is_that_of_the_launcher(
    environment: dict[str, str], rank: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("RANK", "SLURM_PROCID", "LOCAL_RANK"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert process_rank() == rank


def test_half_precision_needs_an_accelerator(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert [trainer._precision(p) for p in ("32", "bf16-mixed")] == ["32", "bf16-mixed"] and not caplog.text
    assert trainer._precision("16-mixed") == "bf16-mixed" and "bf16-mixed is used" in caplog.text
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert trainer._precision("16-mixed") == "16-mixed"


def test_observers_carry_the_name_of_the_split_and_none_watch_without_a_log() -> None:
    settings = TrainSettings(plots=("error", "spectra"))
    assert [o.prefix for o in module._observers(settings, "valid")] == ["valid", "valid"]
    assert module._observers(TrainSettings(plots=("error",), no_log=True), "test") == []


def build(num_filters: int) -> Forecaster:
    return Forecaster.build(make_info(), "halfunet", "diff_ar", 1, {"num_filters": num_filters})


def test_weights_are_taken_from_checkpoints_and_forecasters(tmp_path: Path) -> None:
    trained, fresh = build(4), build(4)
    prefixed = {f"forecaster.network.{k}": v for k, v in trained.network.state_dict().items()}
    torch.save({"state_dict": {**prefixed, "other.weight": torch.zeros(1)}}, tmp_path / "a.ckpt")
    trained.save(tmp_path / "a.safetensors")
    for file in ("a.ckpt", "a.safetensors"):
        for parameter in fresh.network.parameters():
            parameter.data.zero_()
        load_weights(fresh, tmp_path / file)
        for ours, theirs in zip(fresh.network.parameters(), trained.network.parameters(), strict=True):
            assert torch.equal(ours, theirs), file


def test_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    build(6).save(tmp_path / "wide.safetensors")
    with pytest.raises(DataError, match=r"wide\.safetensors: its weights do not fit the network: .*size mismatch"):
        load_weights(build(4), tmp_path / "wide.safetensors")
    torch.save({"state_dict": {}}, tmp_path / "empty.ckpt")
    with pytest.raises(DataError, match=r"empty\.ckpt: its weights do not fit the network: .*Missing key"):
        load_weights(build(4), tmp_path / "empty.ckpt")
    with pytest.raises(DataError, match=r"none\.ckpt: no such checkpoint"):
        load_weights(build(4), tmp_path / "none.ckpt")


@pytest.mark.parametrize(("launcher", "is_told"), [("slurm", True), ("none", False)])
def test_gpus_that_nobody_uses_are_told(
    launcher: str, is_told: bool, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 4)
    made = type("Trainer", (), {"world_size": 1, "num_nodes": 1, "num_devices": 1})
    monkeypatch.setattr(trainer.pl, "Trainer", lambda **named: made)
    trainer.make_trainer(build_config({}, []), tmp_path, [], [], Job(launcher, 0, 1, 1), "auto")
    assert ("3 GPUs of this node stay idle: slurm started one process" in caplog.text) is is_told


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("PY4CAST_ROOTDIR", str(tmp_path / "file"))
    with pytest.raises(SettingsError, match="folder of the run cannot be made: Not a directory; set PY4CAST_ROOTDIR"):
        train(tiny(), run_name="x")


def test_settings_that_never_come_to_bear_are_refused() -> None:
    with pytest.raises(
        SettingsError, match="early_stopping 3: 1 epochs have but one validation with a val_interval of 5"
    ):
        tiny(epochs=1, early_stopping=3, val_interval=5)
    with pytest.raises(SettingsError, match="--accumulate 20: an epoch has 7 batches per rank"):
        train(tiny(accumulate_grad_batches=20), run_name="x")


def test_a_run_that_is_refused_before_its_first_step_leaves_its_name_free(own_root: Path) -> None:
    with pytest.raises(SettingsError, match="--accumulate 99: an epoch has"):
        train(tiny(accumulate_grad_batches=99), run_name="r")
    assert not run_folder(tiny(), "default", "r").exists()
    with pytest.raises(SettingsError, match="no run to resume here"):
        train(tiny(), run_name="r", resume=True)


def test_a_schedule_beyond_the_last_epoch_is_told(caplog: pytest.LogCaptureFixture) -> None:
    train(tiny(epochs=2, rollout_schedule=[[0, 1], [2, 3]]), run_name="short")
    assert "rollout_schedule: epoch 2 never comes, of 2 epochs" in caplog.text


def test_an_epoch_is_written_down_before_a_run_leaves_at_its_end(tmp_path: Path) -> None:
    keeper, heartbeat = CheckpointKeeper(tmp_path), Heartbeat(tmp_path / "last.ckpt", 60.0)
    around = trainer.make_callbacks(tiny().train, tmp_path, keeper, heartbeat, lambda: None)
    kinds = [type(callback) for callback in around]
    assert kinds.index(RunLog) < kinds.index(CheckpointKeeper) < kinds.index(Preemption)

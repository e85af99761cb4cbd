import csv
import json
import shutil
import subprocess
from pathlib import Path

import pytest

from py4cast.errors import SettingsError
from py4cast.tracking import flat_settings, loggers_of
from py4cast.workflows.config import build_config
from py4cast.workflows.train import lineage
from py4cast.workflows.train.run import train
from tests.test_callbacks import TINY


def config(**changes: object):
    words = [
        *TINY,
        "train.epochs=2",
        "train.num_pred_steps_val_test=2",
        *(f"train.{k}={json.dumps(v)}" for k, v in changes.items()),
    ]
    return build_config({"dataset": {"name": "dummy", "settings": {}}}, words)


def rows_of(folder: Path) -> list[dict[str, str]]:
    with (folder / "metrics.csv").open(newline="") as stream:
        return list(csv.DictReader(stream))


def test_a_run_is_tracked_in_all_places(tmp_path: Path) -> None:
    from mlflow import MlflowClient
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    store = f"file:{tmp_path / 'mlruns'}"
    folder = train(config(mlflow=store, plots=["state_error"]), "campaign", "one")
    rows = rows_of(folder)
    names = {r["name"] for r in rows}
    assert {"train_loss_epoch", "val_mean_loss"} <= names and {r["epoch"] for r in rows} == {"0", "1"}
    variable = next(n for n in names if n.startswith("val_rmse/")).split("/")[1].rsplit("_", 1)[0]
    assert {f"val_rmse/{variable}_1h", f"val_rmse/{variable}_2h", f"val_acc/{variable}_2h"} <= names
    board = EventAccumulator(str(folder)).Reload()
    scalars = board.Tags()["scalars"]
    assert f"val_rmse/{variable}_2h" in scalars and "test_state_error_rmse" in board.Tags()["images"]
    assert {"_hparams_/experiment", "_hparams_/session_start_info"} <= set(board.summary_metadata)
    scores = json.loads((folder / "scores.json").read_text())
    final = board.Scalars(f"hp/test_rmse/{variable}_2h")[-1].value
    assert final == pytest.approx(scores["model"][variable]["rmse"][-1], rel=1e-5)
    client = MlflowClient(store)
    (run,) = client.search_runs([client.get_experiment_by_name("campaign").experiment_id])
    assert run.info.run_name == "one" and run.data.params["model.name"] == "halfunet"
    assert run.data.metrics[f"test_rmse/{variable}_2h"] == pytest.approx(scores["model"][variable]["rmse"][-1])
    assert len(client.get_metric_history(run.info.run_id, f"val_rmse/{variable}_1h")) == 2
    assert {a.path for a in client.list_artifacts(run.info.run_id)} == {
        "scores.json",
        "report.html",
        "forecaster.safetensors",
    }
    assert {"scores.nc", "scores.csv", "report.html"} <= {p.name for p in folder.iterdir()}


def test_csv_is_written_always_and_goes_on(tmp_path: Path) -> None:
    folder = train(config(no_log=True), "campaign", "two")
    before = rows_of(folder)
    assert before and not list(folder.glob("events*")) and not (folder / "plots").exists()
    again = train(config(no_log=True), "campaign", "two", resume=True)
    assert rows_of(again) == before, "nothing twice"


def test_mlflow_that_cannot_be_reached_begins_no_run(own_root: Path) -> None:
    with pytest.raises(SettingsError, match=r"train.mlflow 'nowhere:/x'"):
        train(config(mlflow="nowhere:/x"), "campaign", "three")
    assert not (own_root / "logs" / "campaign" / "dummy" / "halfunet" / "three" / "config.json").exists()
    assert loggers_of(own_root, False, None, "e", "r") == []


def test_settings_are_flat() -> None:
    found = flat_settings({"a": {"b": 1, "c": None, "d": [1, 2]}, "e": "x", "f": True})
    assert found == {"a.b": 1, "a.d": "[1, 2]", "e": "x", "f": True}


def test_the_state_of_git(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if shutil.which("git") is None:
        pytest.skip("no git on this machine")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert "folder" not in lineage.git_state(), "outside git nothing is said"
    for words in (
        ["init", "-q", "-b", "trunk"],
        ["-c", "user.name=x", "-c", "user.email=x@x", "commit", "-q", "--allow-empty", "-m", "x"],
    ):
        subprocess.run(["git", *words], check=True, cwd=tmp_path)
    (tmp_path / "file").write_text("1")
    found = lineage.git_state()["folder"]
    assert len(found["commit"]) == 40 and found["branch"] == "trunk" and not found["is_changed"]
    subprocess.run(["git", "add", "file"], check=True, cwd=tmp_path)
    assert lineage.git_state()["folder"]["is_changed"]
    monkeypatch.setenv("PATH", str(tmp_path))
    assert lineage.git_state() == {}, "a machine without git runs too"

"""Trials are trained, judged by the validation, kept, and gone on with."""

import csv
import json
from pathlib import Path
from typing import Any

import pytest

from py4cast.errors import SettingsError
from py4cast.forecaster import Forecaster
from py4cast.workflows.sweep.run import share_of, sweep
from py4cast.workflows.sweep.trial import Trial, objective_of
from tests.command import py4cast

BASE: dict[str, Any] = {
    "dataset": {"name": "dummy", "settings": {"size": 16, "num_train": 18, "num_valid": 8, "num_test": 8, "border_size": 2}},
    "model": {"name": "cnn", "settings": {"num_filters": 4}},
    "train": {"epochs": 2, "num_pred_steps_val_test": 2, "no_log": True, "plots": []},
}  # fmt: skip


def written(tmp_path: Path, **settings: Any) -> Path:
    path = tmp_path / "s.json"
    path.write_text(json.dumps({"base": BASE, "space": {"optim.lr": [0.001, 0.01]}, **settings}))
    return path


def test_a_grid_is_trained_judged_and_not_made_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = written(tmp_path, seeds=[0, 1])
    best, second = sweep(path, tmp_path / "out")
    assert best["values"] == {"optim.lr": 0.01} and best["seeds"] == 2, "two epochs are few for a small rate"
    assert best["objective"] < second["objective"] and best["spread"] > 0
    rows = [json.loads(p.read_text()) for p in sorted((tmp_path / "out" / "trials").glob("*.json"))]
    assert len(rows) == 4 and {(r["values"]["optim.lr"], r["seed"]) for r in rows} == {(0.001, 0), (0.001, 1), (0.01, 0), (0.01, 1)}  # fmt: skip
    for row in rows:
        with (Path(row["run"]) / "metrics.csv").open(newline="") as stream:
            losses = [float(r["value"]) for r in csv.DictReader(stream) if r["name"] == "val_mean_loss"]
        assert row["objective"] == min(losses) and row["epoch"] == losses.index(min(losses))
        assert Forecaster.load(Path(row["run"]) / "forecaster.safetensors").names["model"] == "cnn"
    monkeypatch.setattr("py4cast.workflows.train.run.train", lambda *_, **__: pytest.fail("made again"))
    assert sweep(path, tmp_path / "out")[0] == best
    (tmp_path / "out" / "trials" / f"{Trial.of(BASE, {'optim.lr': 0.01}, 1).name}.json").unlink()
    with pytest.raises(pytest.fail.Exception, match="made again"):
        sweep(path, tmp_path / "out")


def test_a_trial_that_cannot_be_trained_is_a_row(tmp_path: Path) -> None:
    path = written(tmp_path, space={"train.batch_size": [4, 2], "optim.lr": [0.01, 1e18]})
    combinations = sweep(path, tmp_path / "out")
    assert [c["state"] for c in combinations][:2] == ["done", "done"]
    assert any(c["state"] == "failed" and "not finite" in c["error"] for c in combinations) or combinations[-1]["objective"] > 1e3  # fmt: skip


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"space": {"optim.lrr": [1]}}, r"trial \{'optim.lrr': 1\}: optim.lrr: unknown setting; did you mean 'lr'"),
        ({"space": {"model.num_filters": ["x"]}}, r"trial .*num_filters"),
        ({"space": {}}, "space is empty"),
        ({"space": {"train.seed": [1, 2]}}, "give seeds instead"),
        ({"space": {"train.loss": ["mse", "mae"]}}, "other losses cannot be compared by val_mean_loss"),
        ({"search": "random"}, "search random has no end; expected num_trials"),
        ({"objective": "test_rmse/t2m_1h"}, "expected a score of the validation"),
        ({"seeds": [1, 1]}, r"seeds \[1, 1\]: expected numbers that differ"),
        ({"num_trials": 1}, "the grid has 2 combinations; search random"),
        ({"num_trials": 1, "search": "each"}, "one setting at a time there are 2 combinations; search random"),
        (
            {"search": "each", "space": {"optim.lr": {"low": 1e-3, "high": 1e-2}}},
            r"space\.optim\.lr: a range has no end",
        ),
        ({"config": "x.json"}, "base and config both say"),
    ],
    ids=[
        "place",
        "value",
        "empty",
        "seed",
        "loss",
        "endless",
        "test",
        "twice",
        "few",
        "few each",
        "each range",
        "both",
    ],
)
def test_wrong_settings_are_told_before_the_first_trial(tmp_path: Path, settings: dict[str, Any], told: str) -> None:
    with pytest.raises(SettingsError, match=told):
        sweep(written(tmp_path, **settings), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_each_setting_is_varied_from_the_first_values(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[dict[str, Any]] = []
    monkeypatch.setattr(Trial, "make", lambda self, *_: made.append(dict(self.values)))
    space = {"optim.lr": [0.001, 0.01, 0.1], "train.ema": [None, 0.9], "model.num_filters": [4]}
    sweep(written(tmp_path, search="each", space=space), tmp_path / "out")
    first = {"optim.lr": 0.001, "train.ema": None, "model.num_filters": 4}
    assert made == [first, {**first, "optim.lr": 0.01}, {**first, "optim.lr": 0.1}, {**first, "train.ema": 0.9}]


def test_random_trials_are_the_same_again_and_shared_out(tmp_path: Path) -> None:
    path = written(
        tmp_path, search="random", num_trials=3, space={"optim.lr": {"low": 1e-3, "high": 1e-2, "log": True}}
    )
    assert len(sweep(path, tmp_path / "out", share=(0, 2))) == 2
    whole = sweep(path, tmp_path / "out", share=(1, 2))
    assert len(whole) == 3 and len({c["values"]["optim.lr"] for c in whole}) == 3
    assert sweep(path, tmp_path / "out") == whole, "nothing was left to make"


def test_a_share_is_that_of_the_flag_or_of_a_slurm_array() -> None:
    assert share_of("2/5") == (2, 5) and share_of(None, {}) == (0, 1)
    array = {
        "SLURM_ARRAY_TASK_ID": "7",
        "SLURM_ARRAY_TASK_MIN": "3",
        "SLURM_ARRAY_TASK_COUNT": "3",
        "SLURM_ARRAY_TASK_STEP": "2",
    }
    assert share_of(None, array) == (2, 3) and share_of("0/2", array) == (0, 2)
    for text in ("5/5", "1", "a/b", "-1/2"):
        with pytest.raises(SettingsError, match="expected I/N"):
            share_of(text)


def test_the_objective_is_taken_at_the_best_epoch(tmp_path: Path) -> None:
    rows = ["epoch,step,name,value", "0,5,val_mean_loss,3.0", "0,5,val_rmse/t2m_1h,1.0", "1,9,val_mean_loss,2.0", "1,9,val_rmse/t2m_1h,1.5", "2,12,val_mean_loss,nan"]  # fmt: skip
    (tmp_path / "metrics.csv").write_text("\n".join(rows) + "\n")
    assert objective_of(tmp_path / "metrics.csv", "val_rmse/t2m_1h") == {"objective": 1.5, "epoch": 1}
    with pytest.raises(SettingsError, match="was not logged; did you mean 'val_rmse/t2m_1h'"):
        objective_of(tmp_path / "metrics.csv", "val_rmse/t2m_2h")


def test_optuna_leads_prunes_and_goes_on(tmp_path: Path) -> None:
    optuna = pytest.importorskip("optuna")
    path = written(tmp_path, search="optuna", num_trials=2, space={"optim.lr": {"low": 1e-4, "high": 1e-2, "log": True}, "model.num_filters": [2, 4]})  # fmt: skip
    first = sweep(path, tmp_path / "out")
    assert len(first) == 2 and (tmp_path / "out" / "study.log").exists()
    assert sweep(path, tmp_path / "out") == first, "as many as asked for are made"
    # a killed process leaves a trial that runs for ever
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    storage = JournalStorage(JournalFileBackend(str(tmp_path / "out" / "study.log")))
    name = optuna.get_all_study_names(storage)[0]
    study = optuna.load_study(study_name=name, storage=storage)
    killed = study.ask({"optim.lr": optuna.distributions.FloatDistribution(1e-4, 1e-2, log=True)})
    from py4cast.workflows.sweep.settings import SweepSettings
    from py4cast.workflows.sweep.study import Study

    again = Study(SweepSettings.from_json(path), tmp_path / "out", name)
    again.retry_killed()
    assert again.num_made() == 2
    again.make_next()
    rates = [t.params["optim.lr"] for t in study.get_trials() if t.state.name in ("COMPLETE", "PRUNED")]
    assert len(rates) == 3 and rates[-1] == killed.params["optim.lr"]


def test_the_verb_shows_the_combinations(tmp_path: Path) -> None:
    path = written(tmp_path, space={"optim.lr": [0.01]})
    done = py4cast("sweep", str(path), "--output", "out", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "combinations, best first" in done.stdout and done.stdout.endswith("out\n")
    refused = py4cast("sweep", str(path), "--set", "objectiv=val_x", cwd=tmp_path)
    assert refused.returncode == 2 and "objectiv" in refused.stderr


def test_another_objective_is_read_anew_and_an_unknown_one_ends_the_sweep(tmp_path: Path) -> None:
    out = tmp_path / "out"
    before = {c["values"]["optim.lr"]: c["objective"] for c in sweep(written(tmp_path), out)}
    after = sweep(written(tmp_path, objective="val_rmse/t2m_1h"), out)
    fresh = sweep(written(tmp_path, objective="val_rmse/t2m_1h"), tmp_path / "fresh")
    assert [(c["values"], c["objective"]) for c in after] == [(c["values"], c["objective"]) for c in fresh]
    assert all(c["objective"] != before[c["values"]["optim.lr"]] for c in after)
    with pytest.raises(SettingsError, match="objective 'val_nonsense' was not logged"):
        sweep(written(tmp_path, objective="val_nonsense"), out)


def test_what_failed_by_its_data_is_tried_again_and_told(tmp_path: Path) -> None:
    path = written(tmp_path, space={"optim.lr": [0.01]})
    first = sweep(path, tmp_path / "out")[0]
    (kept,) = (tmp_path / "out" / "trials").glob("*.json")
    row = json.loads(kept.read_text())
    kept.write_text(json.dumps({**row, "state": "failed", "status": 3, "error": "no file", "objective": None}))
    again = sweep(path, tmp_path / "out")[0]
    assert {**again, "seconds": 0} == {**first, "seconds": 0}
    kept.write_text(json.dumps({**row, "state": "failed", "status": 4, "error": "not finite", "objective": None}))
    assert sweep(path, tmp_path / "out")[0]["state"] == "failed", "what diverged does so again"
    done = py4cast("sweep", str(path), "--output", str(tmp_path / "out"))
    assert done.returncode == 3 and "all 1 trials failed" in done.stderr

"""Trainings whose ranks compute each sample together are those of one process."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.command import py4cast
from tests.conftest import ROOT
from tests.workflows.train.test_ranks import table, two_ranks

DATA = ("size=16", "num_train=26", "num_valid=13", "num_test=9", "border_size=2")


def words_of(model: str, *settings: str) -> list[str]:
    """A short training of a small network."""
    words = ["--no_log", "--num_pred_steps_val_test", "2", "--epochs", "1", "--batch_size", "2", "--run_name", "run"]
    words += ["--model", model]
    for place in (*(f"dataset.{setting}" for setting in DATA), *(f"model.{setting}" for setting in settings)):
        words += ["--set", place]
    return words


def results(folder: Path) -> tuple[dict[tuple[int, str], float], dict[str, Any]]:
    """The losses of a run, and its scores."""
    losses = {key: value for key, value in table(folder).items() if "loss" in key[1]}
    return losses, json.loads((folder / "scores.json").read_text())


@pytest.mark.slow
def test_two_ranks_of_a_sample_learn_what_one_process_learns(tmp_path: Path) -> None:
    model = "halfunet"
    words = words_of(model, "num_filters=4")
    done = two_ranks(tmp_path / "two", ROOT / "bin" / "train.py", *words, "--distributed", "domain")
    assert done.returncode == 0, done.stderr[-3000:]
    alone = py4cast("train", *words, PY4CAST_ROOTDIR=str(tmp_path / "one"))
    assert alone.returncode == 0, alone.stderr
    two, one = (tmp_path / name / "logs" / "default" / "dummy" / model / "run" for name in ("two", "one"))
    (losses, scores), (of_one, scores_of_one) = results(two), results(one)
    assert losses.keys() == of_one.keys() and losses
    for key, value in of_one.items():
        # rounding that the optimiser amplifies over an epoch
        assert losses[key] == pytest.approx(value, rel=2e-4), key
    assert scores["num_forecasts"] == scores_of_one["num_forecasts"]
    for name, metrics in scores_of_one["model"].items():
        if "rmse" in metrics:
            assert scores["model"][name]["rmse"] == pytest.approx(metrics["rmse"], rel=2e-3)
    saved, whole = (torch.load(f / "checkpoints" / "last.ckpt", weights_only=True) for f in (two, one))
    assert saved["py4cast"]["job"] == {"world_size": 2, "num_nodes": 1, "samples_done": 24, "model_ranks": 2}
    assert saved["py4cast"]["epoch"]["done"] == whole["py4cast"]["epoch"]["done"] == 12
    assert saved["state_dict"].keys() == whole["state_dict"].keys(), "the whole network is saved"


@pytest.mark.slow
def test_a_network_that_is_not_cut_is_told_once(tmp_path: Path) -> None:
    words = words_of("swinunetr")
    done = two_ranks(tmp_path, ROOT / "bin" / "train.py", *words, "--distributed", "domain")
    assert done.returncode != 0
    assert done.stderr.count("SwinUNetR looks at all cells at once and is not cut into parts") == 1, done.stderr[-2000:]
    assert "in _main" not in done.stderr, "no traceback of ours"

"""The last epoch is validated, whether steps end within it or it ends between two validations: its loss is its own, its weights can be the best."""

import csv
from pathlib import Path

import pytest

from py4cast.forecaster import Forecaster
from py4cast.workflows.config import build_config
from py4cast.workflows.train.run import train


@pytest.mark.slow
@pytest.mark.parametrize(
    ("settings", "steps"),
    [
        ({"max_steps": 9}, [6, 9]),
        ({"max_steps": 3}, [3]),
        ({"max_steps": 4, "accumulate_grad_batches": 2}, [3, 4]),
        ({"max_steps": 9, "val_interval": 2}, [9]),
        ({"max_steps": 3, "val_interval": 2}, [3]),
        ({"epochs": 3, "val_interval": 2}, [12, 18]),
        ({"val_interval": 5}, [12]),
        ({"epochs": 4, "val_interval": 2}, [12, 24]),
    ],
    ids=[
        "second epoch",
        "first epoch",
        "accumulated",
        "interval",
        "within the first interval",
        "beyond an interval",
        "no interval",
        "whole intervals",
    ],
)
def test_the_last_steps_are_validated_and_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: dict[str, int], steps: list[int]
) -> None:
    monkeypatch.setenv("PY4CAST_ROOTDIR", str(tmp_path))
    config = {
        "dataset": {"name": "dummy", "settings": {"size": 16, "num_train": 30, "num_valid": 8, "num_test": 8}},
        "model": {"name": "cnn", "settings": {"num_filters": 4}}, "strategy": {"name": "scaled_ar"},
        "train": {"epochs": 2, "limit_train_batches": 6, "batch_size": 2, "num_pred_steps_val_test": 2, "no_log": True, **settings},
    }  # fmt: skip
    folder = train(build_config(config, []), run_name="run")
    with (folder / "metrics.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    validated = [int(r["step"]) for r in rows if r["name"] == "val_mean_loss"]
    losses = [float(r["value"]) for r in rows if r["name"] == "train_loss_epoch"]
    assert validated == steps and len(losses) >= len(steps) and all(loss > 0 for loss in losses)
    assert len(set(losses)) == len(losses), "each of its own epoch"
    assert len(Forecaster.load(folder / "forecaster.safetensors").lineage["validation_rmse"]) > 0

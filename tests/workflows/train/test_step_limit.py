"""The last epoch is validated, whether steps end within it or it ends between two validations: its loss is its own, its weights can be the best."""

import csv
from pathlib import Path
from typing import Any

import pytest
import torch

from py4cast.checkpoint_io import AtomicCheckpointIO
from py4cast.forecaster import Forecaster
from py4cast.workflows.config import RunConfig, build_config
from py4cast.workflows.train.run import train


def _config(settings: dict[str, Any]) -> RunConfig:
    config = {
        "dataset": {"name": "dummy", "settings": {"size": 16, "num_train": 30, "num_valid": 8, "num_test": 8}},
        "model": {"name": "cnn", "settings": {"num_filters": 4}}, "strategy": {"name": "scaled_ar"},
        "optim": {"num_warmup_steps": 0, "lr": 1e-3, "min_lr": 1e-3},
        "train": {"epochs": 2, "limit_train_batches": 6, "batch_size": 2, "num_pred_steps_val_test": 2, "no_log": True, **settings},
    }  # fmt: skip
    return build_config(config, [])


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
    folder = train(_config(settings), run_name="run")
    with (folder / "metrics.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    validated = [int(r["step"]) for r in rows if r["name"] == "val_mean_loss"]
    losses = [float(r["value"]) for r in rows if r["name"] == "train_loss_epoch"]
    assert validated == steps and len(losses) >= len(steps) and all(loss > 0 for loss in losses)
    assert len(set(losses)) == len(losses), "each of its own epoch"
    assert len(Forecaster.load(folder / "forecaster.safetensors").lineage["validation_rmse"]) > 0


def _losses(folder: Path) -> dict[tuple[str, str], float]:
    """The losses by epoch and name; each stands once."""
    with (folder / "metrics.csv").open() as stream:
        rows = [r for r in csv.DictReader(stream) if r["name"] in ("train_loss_epoch", "val_mean_loss")]
    losses = {(r["epoch"], r["name"]): float(r["value"]) for r in rows}
    assert len(losses) == len(rows)
    return losses


@pytest.mark.slow
@pytest.mark.parametrize(
    "settings", [{}, {"accumulate_grad_batches": 2}, {"ema": 0.9}], ids=["plain", "accumulated", "averaged"]
)
def test_a_longer_run_goes_on_with_the_rest_of_the_epoch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: dict[str, Any]
) -> None:
    """With the rate constant: the weights of a run that stopped nowhere, to the bit."""
    monkeypatch.setenv("PY4CAST_ROOTDIR", str(tmp_path))
    folders = [train(_config(settings), run_name="whole")]
    for steps in (1, 5, None):
        folders[1:] = [train(_config({**settings, "max_steps": steps}), run_name="parts", resume=steps != 1)]
        # asked again, it does nothing more
        train(_config({**settings, "max_steps": steps}), run_name="parts", resume=True)
    states = [AtomicCheckpointIO().load_checkpoint(folder / "checkpoints" / "last.ckpt") for folder in folders]
    assert (
        states[0]["py4cast"]["job"] == states[1]["py4cast"]["job"] and states[0]["py4cast"]["job"]["samples_done"] == 24
    )
    assert [s["global_step"] for s in states] == [states[0]["global_step"]] * 2
    for name, tensor in states[0]["state_dict"].items():
        assert torch.equal(tensor, states[1]["state_dict"][name]), name
    whole, parts = (_losses(folder) for folder in folders)
    assert list(whole) == list(parts) and len(whole) == 4 and whole == pytest.approx(parts, rel=1e-6)

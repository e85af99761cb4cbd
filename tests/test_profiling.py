"""A profile tells in five lines where the time of a step goes, and leaves the training as it is."""

import csv
import gzip
import json
from pathlib import Path

import torch

from py4cast.callbacks import AtomicCheckpointIO
from py4cast.cost import peak_flops_per_s, step_flops
from py4cast.losses import registry as losses
from py4cast.workflows.train.run import _make, train
from tests.test_guards import tiny


def test_five_lines_a_trace_and_the_same_weights() -> None:
    plain = train(tiny(epochs=3), run_name="plain")
    folder = train(tiny(epochs=3, profile=True), run_name="profile")
    lines = (folder / "profile" / "summary.txt").read_text().splitlines()
    assert len(lines) == 6 and lines[0].startswith("profile of 10 steps of ") and "GFLOP/s" in lines[0]
    assert [line.split("  ")[0] for line in lines[1:4]] == ["waiting for data", "forward", "backward"]
    assert lines[4].startswith("optimiser ") and "the rest" in lines[4] and lines[5].startswith("most time in: ")
    with gzip.open(folder / "profile" / "trace.json.gz") as stream:
        assert json.load(stream)["traceEvents"]
    states = [AtomicCheckpointIO().load_checkpoint(f / "checkpoints" / "last.ckpt") for f in (plain, folder)]
    assert all(torch.equal(a, b) for a, b in zip(*(s["state_dict"].values() for s in states), strict=True))
    with (folder / "metrics.csv").open(newline="") as stream:
        logged = {row["name"]: float(row["value"]) for row in csv.DictReader(stream)}
    assert logged["tflops"] > 0 and 0 < logged["flop_utilisation_percent"] < 200
    with (plain / "metrics.csv").open(newline="") as stream:
        assert "tflops" not in {row["name"] for row in csv.DictReader(stream)}


def test_a_training_of_fewer_steps_is_told_too() -> None:
    folder = train(tiny(limit_train_batches=5, profile=True), run_name="short")
    assert (folder / "profile" / "summary.txt").read_text().startswith("profile of 3 steps of 4 samples")
    assert not (folder / "profile" / "trace.json.gz").exists()


def test_operations_of_a_step_are_three_forward_passes_and_nothing_changes(tmp_path: Path) -> None:
    module, datasets = _make(tiny(), tmp_path, None)
    forecaster, batch = module.forecaster.train(), datasets[0].read_batch([0])
    before = {k: v.clone() for k, v in forecaster.state_dict().items()}
    loss = losses.get("mse")(forecaster.info)
    counted = step_flops(forecaster, batch, loss)
    convolutions = [m for m in forecaster.network.modules() if type(m) is torch.nn.Conv2d]
    assert convolutions and counted % 3 == 0 and counted > 0
    assert step_flops(forecaster, datasets[0].read_batch([0, 1]), loss) == 2 * counted
    assert forecaster.training and all(torch.equal(before[k], v) for k, v in forecaster.state_dict().items())


def test_a_product_of_matrices_is_the_limit() -> None:
    assert peak_flops_per_s(torch.device("cpu")) > 1e8

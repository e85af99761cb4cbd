"""A loss that is not finite on one of two ranks: both leave the same step out, and stay one network."""

from pathlib import Path

import pytest
import torch

from tests.workflows.train.test_ranks import table, two_ranks, words_of
from tests.workflows.train.test_shards import words_of as words_in_pieces

_POISONED = """
import os, sys
from py4cast.cli.main import main
from py4cast.forecaster import Forecaster

real, count = Forecaster.training_loss, [0]

def poisoned(self, batch, loss, *words, **further):
    count[0] += 1
    value = real(self, batch, loss, *words, **further)
    return value * float("nan") if os.environ["RANK"] == "1" and count[0] == 2 else value

Forecaster.training_loss = poisoned
sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.slow
def test_both_leave_the_same_step_out(tmp_path: Path) -> None:
    (tmp_path / "poisoned.py").write_text(_POISONED)
    words = words_of(epochs=1, run_name="skip", on_nan="skip", accelerator="cpu", batch_size=2)
    done = two_ranks(tmp_path, tmp_path / "poisoned.py", "train", *words)
    assert done.returncode == 0, done.stderr[-3000:]
    folder = tmp_path / "logs" / "default" / "dummy" / "halfunet" / "skip"
    values = table(folder)
    assert values[0, "steps_skipped"] == 1 and values[0, "train_loss_epoch"] < float("inf")
    state = torch.load(folder / "checkpoints" / "last.ckpt", weights_only=True)
    steps = {int(s["step"]) for s in state["optimizer_states"][0]["state"].values()}
    assert steps == {state["py4cast"]["batches_done"] - 1}
    assert all(torch.isfinite(v).all() for v in state["state_dict"].values() if v.is_floating_point())


_LATE = """
import py4cast.lightning, py4cast.losses.weights
from py4cast.late import OneStepLate

py4cast.lightning.watch_of = lambda device: OneStepLate()
py4cast.losses.weights.answers_at_once = lambda device: False
"""


@pytest.mark.slow
def test_a_network_in_pieces_leaves_it_out_on_all_ranks_one_step_later(tmp_path: Path) -> None:
    (tmp_path / "poisoned.py").write_text(_LATE + _POISONED)
    words = words_in_pieces("unetrpp", "hidden_size=32", "num_heads=2", "depths=[1,1,1,1]")
    done = two_ranks(tmp_path, tmp_path / "poisoned.py", "train", *words, "--on_nan", "skip", "--distributed", "fsdp")
    assert done.returncode == 0, done.stderr[-3000:]
    assert "of which variable no rank can tell alone" in done.stderr, "a pass of one rank would wait for the other"
    (state_file,) = tmp_path.rglob("last.ckpt")
    state = torch.load(state_file, weights_only=True)
    steps = {int(s["step"]) for s in state["optimizer_states"][0]["state"].values()}
    assert steps == {state["py4cast"]["batches_done"] - 1}
    assert all(torch.isfinite(v).all() for v in state["state_dict"].values() if v.is_floating_point())

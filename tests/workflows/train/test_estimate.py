import json
from pathlib import Path
from typing import Any

import pytest

from py4cast.errors import SettingsError
from py4cast.forecaster import Forecaster
from py4cast.job import Placement
from py4cast.rollout_length import RolloutLength
from py4cast.workflows.train import estimate as room
from py4cast.workflows.train.estimate import Estimate, _Stopwatch, estimate, told
from py4cast.workflows.train.run import train
from tests.command import py4cast
from tests.test_guards import TINY, tiny

NUMBERS: dict[str, Any] = {
    "num_parameters": 1000, "weights_bytes": 4000, "optimiser_bytes": 8000, "batch_size": 4, "step_s": 0.25, "step_error": 0.031,
    "gflop_per_step": 1.5, "steps_per_epoch": 120, "validation_s": 4.0, "epoch_s": 34.0, "total_s": 680.0, "forecast_s": 0.02,
    "forecast_steps": 5, "memory_bytes": 1_500_000_000, "sample_bytes": 30_000_000, "available_bytes": 16_000_000_000,
    "largest_batch": 480,
}  # fmt: skip


def test_its_numbers_belong_together() -> None:
    config = tiny(epochs=3, val_interval=2, num_pred_steps_val_test=2)
    e = estimate(config)
    saved = Forecaster.load(train(tiny(), run_name="r") / "forecaster.safetensors")
    assert e.num_parameters == sum(p.numel() for p in saved.parameters())
    assert e.weights_bytes == 4 * e.num_parameters and e.optimiser_bytes == 2 * e.weights_bytes
    assert (e.batch_size, e.steps_per_epoch, e.forecast_steps) == (4, 7, 2), "25 samples are seven batches"
    assert e.total_s == pytest.approx(3 * 7 * e.step_s + 2 * e.validation_s), (
        "the second epoch and the last are validated"
    )
    assert e.epoch_s == pytest.approx(e.total_s / 3)
    assert e.step_s > 0 and e.forecast_s > 0 and 0 <= e.step_error <= 2 and e.gflop_per_step > 0
    assert e.memory_bytes > 50e6
    json.dumps(e.to_dict())


def test_steps_of_the_optimiser_limit_what_is_trained() -> None:
    e = estimate(tiny(epochs=3, max_steps=7, accumulate_grad_batches=2))
    assert e.total_s == pytest.approx(2 * e.epoch_s)
    alone = estimate(tiny(batch_size=1, limit_train_batches=5))
    assert (alone.batch_size, alone.steps_per_epoch) == (1, 5)


def test_operations_are_counted_from_the_network() -> None:
    whole, half = (estimate(tiny(batch_size=size)).gflop_per_step for size in (4, 2))
    assert whole == pytest.approx(2 * half, rel=1e-6)


def test_one_process_estimates() -> None:
    with pytest.raises(SettingsError, match="estimate runs in one process"):
        estimate(tiny(), placement=Placement(devices=2, accelerator="cpu"))


def test_it_is_told_in_lines_for_people() -> None:
    lines = told(NUMBERS)
    assert lines[0] == "parameters  1,000 (0.004 MB, 0.012 MB with the optimiser's moments)"
    assert lines[1] == "step        250 ms ± 3 %: 16 samples/s, 1.5 GFLOP"
    assert lines[2] == "epoch       34 s: 120 steps of 4 samples, validation 4 s"
    assert "11.3 min ± 3 %" in lines[3] and "2.0 h" in told({**NUMBERS, "total_s": 7200.0})[3]
    assert lines[-2:] == ["memory      1.50 GB at batch 4, 30 MB for each further sample", "largest batch  480 (of 16.00 GB)"]  # fmt: skip
    assert told({**NUMBERS, "largest_batch": None})[-1].startswith("largest batch  unknown")
    assert len(told({**NUMBERS, "available_bytes": None})) == len(lines) - 1
    assert Estimate(**NUMBERS).to_dict() == NUMBERS


def test_the_verb_takes_the_flags_of_train(tmp_path: Path) -> None:
    words = [word for setting in TINY for word in ("--set", setting)]
    done = py4cast("estimate", *words, "--num_pred_steps_val_test", "2", "--output", str(tmp_path / "cost.json"), cwd=tmp_path)  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("parameters  ") and "\nlargest batch  " in done.stdout
    assert json.loads((tmp_path / "cost.json").read_text())["steps_per_epoch"] == 7
    assert not (tmp_path / "py4cast_runs").exists(), "nothing is kept"
    refused = py4cast("estimate", "--modle", "unet", cwd=tmp_path)
    assert refused.returncode == 2 and "did you mean '--model'" in refused.stderr


def test_ranks_that_share_a_sample_are_not_estimated() -> None:
    done = py4cast("estimate", "--distributed", "domain")
    assert done.returncode == 2 and "estimate --distributed domain: it runs in one process" in done.stderr


class _Clock:
    """Creates a clock by which a training step lasts as many seconds as it unrolls steps, and all else none."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.lengths: list[int] = []
        real = RolloutLength.of
        monkeypatch.setattr(RolloutLength, "of", lambda *words: self._note(real(*words)))
        monkeypatch.setattr(_Stopwatch, "_lap", lambda *_: float(self.lengths[-1]) if self.lengths else 0.0)
        monkeypatch.setattr(room, "_validate", lambda trainer, t, module, dataset: None)
        monkeypatch.setattr(room, "median", lambda _: 0.0)

    def _note(self, length: int) -> int:
        self.lengths.append(length)
        return length


@pytest.mark.parametrize(
    ("settings", "per_epoch"),
    [
        ({"rollout_schedule": [[0, 1], [1, 3]]}, [1, 3, 3]),
        ({"rollout_schedule": [[0, 2], [2, 3]]}, [2, 2, 3]),
        ({"num_pred_steps_train": 3, "random_rollout": True}, [2, 2, 2]),
        ({"num_pred_steps_train": 3}, [3, 3, 3]),
        ({"rollout_schedule": [[0, 1], [9, 3]]}, [1, 1, 1]),
    ],
)
def test_epochs_of_a_schedule_last_as_long_as_their_rollouts(
    monkeypatch: pytest.MonkeyPatch, settings: dict[str, Any], per_epoch: list[int]
) -> None:
    clock = _Clock(monkeypatch)
    e = estimate(tiny(epochs=3, **settings))
    assert e.steps_per_epoch == 6 and e.total_s == pytest.approx(6 * sum(per_epoch)) and e.step_s == 3
    assert e.epoch_s == pytest.approx(e.total_s / 3) and 3 in clock.lengths, "memory is that of the longest"

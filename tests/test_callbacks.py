import csv
import json
import os
import random
import resource
import signal
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from py4cast.atomic import write_json
from py4cast.callbacks import AtomicCheckpointIO, CheckpointKeeper, Preempted, Preemption
from py4cast.checksums import checksums_of
from py4cast.errors import DataError, SettingsError
from py4cast.lightning import AutoRegressiveLightning
from py4cast.workflows.config import RunConfig, build_config
from py4cast.workflows.train import run as run_module
from py4cast.workflows.train.run import run_folder, train
from tests.command import begin, py4cast, start

TINY = ["model.num_filters=4", "dataset.size=16", "dataset.num_train=27", "dataset.num_valid=8", "dataset.num_test=8",
        "dataset.border_size=2"]  # fmt: skip


def tiny(**settings) -> RunConfig:
    document = {"train": {"epochs": 3, "no_log": True, "num_pred_steps_val_test": 2, "plots": [], **settings}}
    return build_config(document, TINY)


def last(folder: Path) -> dict:
    return torch.load(folder / "checkpoints" / "last.ckpt", weights_only=True)


def same_weights(a: dict, b: dict) -> bool:
    return all(torch.equal(x, y) for x, y in zip(a["state_dict"].values(), b["state_dict"].values(), strict=True))


def epochs_of(folder: Path) -> dict[tuple[str, str], float]:
    """What metrics.csv says of every epoch and does not measure by a clock."""
    with (folder / "metrics.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    names = ("train_loss_epoch", "gradient_norm", "val_mean_loss", "learning_rate")
    return {(row["epoch"], row["name"]): float(row["value"]) for row in rows if row["name"] in names}


@pytest.mark.parametrize("accumulate", [1, 2])
def test_stopped_after_any_step_it_goes_on_exactly(monkeypatch: pytest.MonkeyPatch, accumulate: int) -> None:
    config = tiny(accumulate_grad_batches=accumulate)
    uninterrupted = train(config, run_name="whole")
    whole, logged = last(uninterrupted), epochs_of(uninterrupted)
    assert whole["py4cast"]["batches_done"] == 21
    step = AutoRegressiveLightning.training_step
    # an epoch has 7 steps: the first ones, the last ones, and those about where epochs meet
    stops = (1, 7, 8, 21) if accumulate == 1 else (7, 8)
    for stop in stops:

        def signalled(self, batch, index, stop=stop, sent=[]):  # noqa: B006
            loss = step(self, batch, index)
            if self.batches_done == stop and not sent:
                sent.append(os.kill(os.getpid(), signal.SIGTERM))
            return loss

        monkeypatch.setattr(AutoRegressiveLightning, "training_step", signalled)
        with pytest.raises(Preempted, match="stopped by SIGTERM at step .* go on with --resume") as caught:
            train(config, run_name=f"stop{stop}")
        assert caught.value.status == 143
        monkeypatch.setattr(AutoRegressiveLightning, "training_step", step)
        saved = last(run_folder(config, "default", f"stop{stop}"))["py4cast"]["batches_done"]
        assert saved == stop if accumulate == 1 else stop <= saved <= stop + 1, "at most the rest of an update later"
        folder = train(config, run_name=f"stop{stop}", resume=True)
        resumed = last(folder)
        assert same_weights(resumed, whole) and resumed["py4cast"] == whole["py4cast"], stop
        assert epochs_of(folder) == logged, stop
        assert resumed["callbacks"] == whole["callbacks"], "the best one is the same too"


@pytest.mark.parametrize("steps", [None, 14, 17], ids=["epochs", "whole epochs of steps", "steps"])
def test_killed_once_an_epoch_is_saved_it_goes_on_with_the_next(
    monkeypatch: pytest.MonkeyPatch, steps: int | None
) -> None:
    config = tiny(max_steps=steps, early_stopping=5)
    whole = last(train(config, run_name="whole"))
    assert whole["py4cast"]["batches_done"] == (steps or 21)
    end_of_epoch = CheckpointKeeper.on_train_epoch_end
    for epoch in (1, 2):

        def killed(self, trainer, module, epoch=epoch):
            end_of_epoch(self, trainer, module)
            if trainer.current_epoch + 1 == epoch:
                raise SystemExit(9)

        monkeypatch.setattr(CheckpointKeeper, "on_train_epoch_end", killed)
        with pytest.raises(SystemExit):
            train(config, run_name=f"killed{epoch}")
        monkeypatch.setattr(CheckpointKeeper, "on_train_epoch_end", end_of_epoch)
        resumed = last(train(config, run_name=f"killed{epoch}", resume=True))
        assert same_weights(resumed, whole) and resumed["py4cast"] == whole["py4cast"], epoch
        assert resumed["callbacks"] == whole["callbacks"]


@pytest.mark.slow
def test_killed_at_random_moments_it_goes_on_exactly(tmp_path: Path) -> None:
    root = str(tmp_path / "k")
    words = ["train", "--epochs", "6", "--no_log", "--num_pred_steps_val_test", "2"]
    for place in [*TINY, "train.save_every_n_steps=2", "train.plots=[]"]:
        words += ["--set", place]
    whole = py4cast(*words, "--run_name", "whole", PY4CAST_ROOTDIR=root)
    assert whole.returncode == 0, whole.stderr
    words += ["--run_name", "killed"]
    checkpoints = tmp_path / "k" / "logs" / "default" / "dummy" / "halfunet" / "killed" / "checkpoints"
    rng = random.Random(1)
    resume: list[str] = []
    kills = 0
    while kills < 3:
        before = (checkpoints / "last.ckpt").stat().st_mtime_ns if resume else 0
        process = begin(*words, *resume, out=tmp_path / "out", err=tmp_path / "err", PY4CAST_ROOTDIR=root)
        deadline = time.monotonic() + 60
        while process.is_alive() and time.monotonic() < deadline:
            if (checkpoints / "last.ckpt").exists() and (checkpoints / "last.ckpt").stat().st_mtime_ns > before:
                break
            time.sleep(0.005)
        time.sleep(rng.uniform(0, 0.15))
        if not process.is_alive():
            break
        process.kill()
        process.join()
        kills += 1
        resume = ["--resume"]
        assert not (checkpoints / "last.ckpt").exists() or last(checkpoints.parent)
    done = py4cast(*words, "--resume", PY4CAST_ROOTDIR=root)
    assert done.returncode == 0, done.stderr
    assert kills >= 2 and same_weights(last(checkpoints.parent), last(checkpoints.parent.parent / "whole"))
    assert not list(checkpoints.glob(".*.part")), "what kills left is swept"


def test_checkpoints_hold_plain_values_and_are_whole_or_not_at_all(tmp_path: Path) -> None:
    io = AtomicCheckpointIO()
    io.save_checkpoint({"a": torch.ones(3)}, tmp_path / "c" / "x.ckpt")
    assert torch.equal(io.load_checkpoint(tmp_path / "c" / "x.ckpt")["a"], torch.ones(3))
    with pytest.raises(AttributeError):
        io.save_checkpoint({"a": lambda: 1}, tmp_path / "c" / "x.ckpt")
    assert torch.equal(io.load_checkpoint(tmp_path / "c" / "x.ckpt")["a"], torch.ones(3))
    io.remove_checkpoint(tmp_path / "c" / "x.ckpt")
    assert not list((tmp_path / "c").iterdir())


class _Evil:
    def __reduce__(self):
        return os.system, (f"touch {os.environ['CANARY']}",)


def test_a_checkpoint_that_would_run_code_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CANARY", str(tmp_path / "canary"))
    torch.save({"state_dict": _Evil()}, tmp_path / "evil.ckpt")
    with pytest.raises(DataError, match=r"evil\.ckpt: damaged, cut off or no checkpoint of py4cast"):
        AtomicCheckpointIO().load_checkpoint(tmp_path / "evil.ckpt")
    with pytest.raises(DataError, match=r"evil\.ckpt"):
        train(tiny(epochs=1), run_name="r", weights=tmp_path / "evil.ckpt")
    assert not (tmp_path / "canary").exists()
    with pytest.raises(DataError, match="no such checkpoint"):
        AtomicCheckpointIO().load_checkpoint(tmp_path / "none.ckpt")


def test_a_gradient_that_is_not_finite_stops_with_weights_untouched(monkeypatch: pytest.MonkeyPatch) -> None:
    from py4cast.errors import NumericalError
    from py4cast.forecaster import Forecaster

    real = Forecaster.training_loss
    seen: list = []

    def poisoned(self, batch, loss):
        seen.append([p.detach().clone() for p in self.parameters()])
        value = real(self, batch, loss)
        if len(seen) == 4:
            # the loss is finite, its gradient is not: d sqrt(x)/dx at 0
            value = value + torch.sqrt(next(self.parameters()).sum() * 0)
        return value

    monkeypatch.setattr(Forecaster, "training_loss", poisoned)
    with pytest.raises(NumericalError, match="gradient is not finite at step 3; weights are as before it"):
        train(tiny(epochs=1, save_every_n_steps=1), run_name="nan")
    folder = run_folder(tiny(epochs=1), "default", "nan")
    kept = last(folder)
    assert kept["py4cast"]["batches_done"] == 3
    names = [k for k in kept["state_dict"] if "running" not in k and "num_batches" not in k]
    assert all(torch.equal(kept["state_dict"][k], w) for k, w in zip(names, seen[3], strict=True))


def _save_on_a_full_disk(path: str) -> None:
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
    AtomicCheckpointIO().save_checkpoint({"a": torch.ones(10**6)}, path)


def test_a_full_disk_keeps_the_checkpoint_before(tmp_path: Path) -> None:
    path = tmp_path / "x.ckpt"
    AtomicCheckpointIO().save_checkpoint({"a": torch.ones(10)}, path)
    start(_save_on_a_full_disk, str(path), out=tmp_path / "out", err=tmp_path / "err").join(120)
    assert "SpaceError: disk full while writing" in (tmp_path / "err").read_text()
    assert torch.equal(AtomicCheckpointIO().load_checkpoint(path)["a"], torch.ones(10))
    assert [p.name for p in tmp_path.glob(".*")] == []


def test_stopped_in_a_validation_it_goes_on_exactly(monkeypatch: pytest.MonkeyPatch) -> None:
    config = tiny()
    uninterrupted = train(config, run_name="whole")
    whole, logged = last(uninterrupted), epochs_of(uninterrupted)
    step = AutoRegressiveLightning.validation_step
    for epoch, index in ((0, 0), (1, 1)):

        def signalled(self, batch, batch_idx, epoch=epoch, index=index, sent=[]):  # noqa: B006
            step(self, batch, batch_idx)
            if (self.current_epoch, batch_idx) == (epoch, index) and not sent:
                sent.append(os.kill(os.getpid(), signal.SIGTERM))

        monkeypatch.setattr(AutoRegressiveLightning, "validation_step", signalled)
        name = f"stop{epoch}{index}"
        with pytest.raises(Preempted, match="stopped by SIGTERM at step .* go on with --resume"):
            train(config, run_name=name)
        monkeypatch.setattr(AutoRegressiveLightning, "validation_step", step)
        saved = last(run_folder(config, "default", name))["py4cast"]
        assert saved["batches_done"] == 7 * (epoch + 1) and saved["validated_epoch"] == epoch
        folder = train(config, run_name=name, resume=True)
        resumed = last(folder)
        assert same_weights(resumed, whole) and resumed["py4cast"] == whole["py4cast"], (epoch, index)
        assert epochs_of(folder) == logged, (epoch, index)
        assert resumed["callbacks"] == whole["callbacks"], "the validation was made anew"


def test_what_was_stopped_early_stays_stopped() -> None:
    """A run that is resumed to be tested, or by a job that is started again, gains no epochs that it would not have had."""
    document = {"train": {"epochs": 9, "no_log": True, "num_pred_steps_val_test": 2, "plots": [], "early_stopping": 1}}
    config = build_config(document, [*TINY, "optim.lr=3.0"])
    folder = train(config, run_name="early")
    before, logged = last(folder), epochs_of(folder)
    assert before["py4cast"]["batches_done"] < 9 * 7, "it was stopped early"
    again = last(train(config, run_name="early", resume=True))
    assert again["py4cast"] == before["py4cast"] and same_weights(again, before) and epochs_of(folder) == logged


def test_killed_between_the_rows_of_an_epoch_and_its_state_no_row_lacks(monkeypatch: pytest.MonkeyPatch) -> None:
    config = tiny()
    logged = epochs_of(train(config, run_name="whole"))
    end_of_epoch = CheckpointKeeper.on_train_epoch_end

    def killed(self, trainer, module, before: bool):
        if not before:
            end_of_epoch(self, trainer, module)
        raise SystemExit(9)

    for before in (True, False):
        with monkeypatch.context() as patch, pytest.raises(SystemExit):
            patch.setattr(CheckpointKeeper, "on_train_epoch_end", lambda *words, b=before: killed(*words, b))
            train(config, run_name=f"killed{before}")
        folder = run_folder(config, "default", f"killed{before}")
        is_begun = (folder / "checkpoints" / "last.ckpt").exists()
        if is_begun:
            train(config, run_name=f"killed{before}", resume=True)
            assert epochs_of(folder) == logged, before
    assert is_begun


def test_a_run_whose_last_state_is_gone_goes_on_from_its_best(caplog: pytest.LogCaptureFixture) -> None:
    config = tiny()
    folder = train(config, run_name="lost")
    path = folder / "checkpoints" / "last.ckpt"
    path.write_bytes(path.read_bytes()[:5000])
    with pytest.raises(
        DataError, match=r"last\.ckpt: damaged, cut off .*; remove it to go on from best\.ckpt beside it"
    ):
        train(config, run_name="lost", resume=True)
    path.unlink()
    train(config, run_name="lost", resume=True)
    assert "last.ckpt is not there: the run goes on from best.ckpt" in caplog.text
    assert last(folder)["py4cast"]["batches_done"] == 21


@pytest.mark.parametrize(
    ("place", "number"),
    [("test_step", signal.SIGTERM), ("on_test_epoch_end", signal.SIGTERM), ("test_step", signal.SIGINT)],
)
def test_stopped_in_the_test_it_goes_on(monkeypatch: pytest.MonkeyPatch, place: str, number: signal.Signals) -> None:
    config = tiny()
    whole = train(config, run_name="whole")
    original, before = getattr(AutoRegressiveLightning, place), signal.getsignal(signal.SIGINT)

    def signalled(self, *words):
        os.kill(os.getpid(), number)
        return original(self, *words)

    monkeypatch.setattr(AutoRegressiveLightning, place, signalled)
    with pytest.raises(
        Preempted, match=rf"stopped by {number.name} outside of training: the state is in .*last\.ckpt"
    ) as caught:
        train(config, run_name="stopped")
    assert caught.value.status == 143 and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    assert signal.getsignal(signal.SIGINT) is before
    monkeypatch.setattr(AutoRegressiveLightning, place, original)
    folder = train(config, run_name="stopped", resume=True)
    scores = [json.loads((f / "scores.json").read_text()) for f in (folder, whole)]
    assert scores[0] == scores[1]


def test_stopped_before_the_first_step_it_leaves_its_name_free(monkeypatch: pytest.MonkeyPatch) -> None:
    config = tiny()

    def signalled(*words):
        os.kill(os.getpid(), signal.SIGTERM)
        raise AssertionError("never here")

    with monkeypatch.context() as patch, pytest.raises(Preempted, match="outside of training: start it again"):
        patch.setattr(run_module, "climatology_of", signalled)
        train(config, run_name="early")
    assert not run_folder(config, "default", "early").exists()


def test_a_refusal_leaves_no_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    config = tiny()
    folder = run_folder(config, "new", "refused")
    with pytest.raises(SettingsError, match="no run to resume here"):
        train(config, "new", "refused", resume=True)
    assert not folder.exists() and not folder.parents[2].exists(), "the campaign's folder was made for it too"


def test_a_changed_bit_of_a_checkpoint_is_named(tmp_path: Path) -> None:
    path, rng = tmp_path / "a.ckpt", random.Random(3)
    checkpoint = {
        "state_dict": {"w": torch.randn(50), "b": torch.arange(3), "h": torch.ones(4, dtype=torch.bfloat16), "e": torch.zeros(0)},
        "py4cast": {"batches_done": 12345, "validated_epoch": 3}, "rates": [0.1, 1e-3, -0.0], "name": "ä", "none": None,
    }  # fmt: skip
    keeper = AtomicCheckpointIO()
    keeper.save_checkpoint(checkpoint, path)
    plain = keeper.load_checkpoint(path)
    assert set(plain) == set(checkpoint) and plain["rates"] == checkpoint["rates"]
    whole, expected = path.read_bytes(), checksums_of(checkpoint)
    refused = 0
    for _ in range(400):
        data = bytearray(whole)
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
        path.write_bytes(data)
        try:
            assert checksums_of(keeper.load_checkpoint(path)) == expected
        except DataError as error:
            refused += 1
            assert str(path) in str(error) and "\n" not in str(error)
    assert refused > 100


@pytest.mark.parametrize("odd", [[], {}, 3, {"state_dict": 3}, {"state_dict": {}, "py4cast": 1}, {"py4cast": {"batches_done": -1, "validated_epoch": 0}},
                                 {"state_dict": {}, "py4cast": {"batches_done": 0, "validated_epoch": 0}, "loops": 5, "pytorch-lightning_version": "2.6.0"}])  # fmt: skip
def test_odd_checkpoints_are_refused_in_one_line(odd: object) -> None:
    config = tiny()
    folder = run_folder(config, "default", "odd")
    (folder / "checkpoints").mkdir(parents=True)
    write_json(folder / "config.json", config.to_dict())
    torch.save(odd, folder / "checkpoints" / "last.ckpt")
    with pytest.raises(DataError, match="checkpoint") as caught:
        train(config, run_name="odd", resume=True)
    assert "\n" not in str(caught.value)


def test_ranks_agree_on_saves_and_stops_once_per_batch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[tuple[int, ...]] = []

    def agreed(*numbers: int) -> tuple[int, ...]:
        told.append(numbers)
        return numbers

    monkeypatch.setattr("py4cast.callbacks.agreed", agreed)
    saved: list[Path] = []
    trainer: Any = SimpleNamespace(
        accumulate_grad_batches=1, num_training_batches=9, global_step=3, save_checkpoint=saved.append
    )
    keeper = CheckpointKeeper(tmp_path, every_n_steps=2)
    preemption = Preemption(keeper)
    for batch in range(2):
        keeper.on_train_batch_end(trainer, None, None, None, batch)  # type: ignore[arg-type]
        preemption.on_train_batch_end(trainer, None, None, None, batch)  # type: ignore[arg-type]
    assert told == [(0, 0), (1, 0)] and saved == [tmp_path / "last.ckpt"]
    preemption._receive(15, None)
    keeper.on_train_batch_end(trainer, None, None, None, 2)  # type: ignore[arg-type]
    with pytest.raises(Preempted, match="stopped by SIGTERM at step 3"):
        preemption.on_train_batch_end(trainer, None, None, None, 2)  # type: ignore[arg-type]
    assert told[2:] == [(0, 15)] and len(saved) == 2

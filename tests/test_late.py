"""A step of a training asks its device nothing that makes the host wait; what it raises is answered one step later."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from pytorch_lightning.loops.training_epoch_loop import _TrainingEpochLoop

import py4cast.lightning
import py4cast.losses.weights
from py4cast.callbacks import AtomicCheckpointIO
from py4cast.dataset_info import DatasetInfo
from py4cast.errors import DataError, NumericalError
from py4cast.forecaster import Forecaster
from py4cast.late import AtOnce, OneStepLate, answers_at_once, watch_of
from py4cast.workflows.config import build_config
from py4cast.workflows.train.run import train
from tests.asked import Asked
from tests.test_guards import TINY, rows, same


@pytest.fixture
def late(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A processor that is treated as a device with a queue."""
    monkeypatch.setattr(py4cast.lightning, "watch_of", lambda device: OneStepLate())
    monkeypatch.setattr(py4cast.losses.weights, "answers_at_once", lambda device: False)
    yield


def run(name: str, model: str = "halfunet", strategy: str = "scaled_ar", **settings: Any) -> Path:
    document = {
        "train": {"epochs": 1, "no_log": True, "num_pred_steps_val_test": 2, "plots": [], **settings},
        "model": {"name": model},
        "strategy": {"name": strategy},
    }
    words = TINY if model == "halfunet" else [w.replace("size=16", "size=32") for w in TINY[1:]]
    return train(build_config(document, words), run_name=name)


def state_of(folder: Path) -> dict[str, Any]:
    return dict(AtomicCheckpointIO().load_checkpoint(folder / "checkpoints" / "last.ckpt"))


def poison(monkeypatch: pytest.MonkeyPatch, *batches: int) -> list[dict[str, torch.Tensor]]:
    """Makes the losses of some batches not finite, and what norms count in them; gives the weights before every batch."""
    real, seen = Forecaster.training_loss, []

    def poisoned(self: Forecaster, batch: Any, loss: Any, **more: Any) -> torch.Tensor:
        seen.append({k: v.detach().clone() for k, v in self.network.state_dict().items()})
        value = real(self, batch, loss, **more)
        if len(seen) - 1 not in batches:
            return value
        for buffer_name, buffer in self.network.named_buffers():
            if "running" in buffer_name:
                buffer.data.fill_(float("nan"))  # what the backward pass has kept stays
        return value * float("nan")

    monkeypatch.setattr(Forecaster, "training_loss", poisoned)
    return seen


def test_a_question_is_answered_when_the_next_step_is_queued() -> None:
    watch, told = OneStepLate(), []
    watch.look(torch.tensor(True), lambda flag: told.append(("a", flag)))
    watch.pass_step()
    assert not told
    watch.look(torch.tensor(False), lambda flag: told.append(("b", flag)))
    watch.pass_step()
    assert told == [("a", True)]
    watch.look(torch.tensor(True), lambda flag: told.append(("c", flag)))
    watch.settle()
    assert told == [("a", True), ("b", False), ("c", True)]
    watch.settle()
    assert len(told) == 3, "once each"


def test_a_flag_keeps_the_value_of_its_step() -> None:
    watch, flag, told = OneStepLate(), torch.tensor(True), []
    watch.look(flag, told.append)
    flag.fill_(False)
    watch.settle()
    assert told == [True]


def test_a_number_to_show_is_of_the_step_before() -> None:
    watch = OneStepLate()
    assert watch.shown(torch.tensor(1.0)) != watch.shown(torch.tensor(2.0)) == 1.0
    assert watch.shown(torch.tensor(3.0)) == 2.0 and AtOnce().shown(torch.tensor(3.0)) == 3.0


def test_processors_answer_at_once_and_cards_do_not() -> None:
    assert answers_at_once(torch.device("cpu")) and not answers_at_once(torch.device("cuda"))
    assert type(watch_of(torch.device("cpu"))) is AtOnce and type(watch_of(torch.device("cuda", 0))) is OneStepLate


@pytest.mark.usefixtures("late")
@pytest.mark.parametrize(
    ("model", "strategy"),
    [
        ("halfunet", "scaled_ar"),
        ("graphlam", "scaled_ar"),
        ("halfunet", "ensemble"),
        ("halfunet", "diffusion"),
        ("hilam", "graph_efm"),
    ],
)
def test_a_step_asks_nothing(model: str, strategy: str, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[list[str]] = []
    real = _TrainingEpochLoop.advance
    monkeypatch.setattr(OneStepLate, "pass_step", lambda self: None)  # whose copies are on the host by then

    def advance(self: Any, *words: Any) -> None:
        with Asked() as mode:
            real(self, *words)
        asked.append(mode.names)

    monkeypatch.setattr(_TrainingEpochLoop, "advance", advance)
    run("asks", model, strategy, gradient_clip=1.0, ema=0.9, on_nan="skip", limit_train_batches=3)
    assert len(asked) == 3 and asked[1] == [], "the first may look into what it caches, the last ends the epoch"


@pytest.mark.gpu
def test_a_step_on_a_card_never_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    if not torch.cuda.is_available():
        pytest.skip("no accelerator")
    real, steps = _TrainingEpochLoop.advance, []

    def advance(self: Any, *words: Any) -> None:
        torch.cuda.set_sync_debug_mode("error" if len(steps) == 1 else "default")
        steps.append(1)
        try:
            real(self, *words)
        finally:
            torch.cuda.set_sync_debug_mode("default")

    monkeypatch.setattr(_TrainingEpochLoop, "advance", advance)
    run("card", gradient_clip=1.0, limit_train_batches=3)
    assert len(steps) == 3


@pytest.mark.usefixtures("late")
def test_it_stops_one_step_later_with_weights_as_before(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = poison(monkeypatch, 2)
    with pytest.raises(NumericalError, match="the loss is not finite at step 2, forecasts from"):
        run("stop")
    assert len(seen) == 4, "the next step was queued before anybody looked"
    learned = {k for k in seen[2] if "running" not in k and "num_batches" not in k}
    assert all(torch.equal(seen[2][k], seen[3][k]) for k in learned)


@pytest.mark.usefixtures("late")
def test_the_last_step_of_an_epoch_is_looked_at_before_it_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = poison(monkeypatch, 6)
    with pytest.raises(NumericalError, match="the loss is not finite at step 6"):
        run("stop")
    assert len(seen) == 7


@pytest.mark.parametrize("accumulate", [1, 2])
def test_a_step_left_out_late_is_the_same(accumulate: int, monkeypatch: pytest.MonkeyPatch) -> None:
    settings: dict[str, Any] = {"on_nan": "skip", "accumulate_grad_batches": accumulate, "gradient_clip": 1.0}
    with monkeypatch.context() as once:
        poison(once, 3, 6)
        at_once = run("once", **settings)
    poison(monkeypatch, 3, 6)
    monkeypatch.setattr(py4cast.lightning, "watch_of", lambda device: OneStepLate())
    later = run("later", **settings)
    a, b = state_of(at_once), state_of(later)
    assert same(a["state_dict"], b["state_dict"])
    moments = [c["optimizer_states"][0]["state"] for c in (a, b)]
    assert all(same(moments[0][k], moments[1][k]) for k in moments[0])
    assert a["py4cast"] == b["py4cast"]
    assert rows(at_once)["steps_skipped"] == rows(later)["steps_skipped"] == 2
    assert rows(at_once)["gradient_norm"] == rows(later)["gradient_norm"]


@pytest.mark.usefixtures("late")
def test_steps_that_are_never_finite_end_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    poison(monkeypatch, *range(21))
    with pytest.raises(NumericalError, match="11 gradients in a row are not finite, the last at step 10"):
        run("skip", on_nan="skip", epochs=3)


@pytest.mark.usefixtures("late")
def test_weights_go_back_one_step_later(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = poison(monkeypatch, 4)
    folder = run("back", on_nan="rollback", save_every_n_steps=3, ema=0.9)
    assert same(seen[6], seen[3]), "the step that was queued behind it is dropped too"
    assert not same(seen[5], seen[3]) and rows(folder)["rollbacks"] == 1


@pytest.mark.usefixtures("late")
def test_a_state_is_saved_after_the_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = poison(monkeypatch, 5)
    # the bad step is the one that a save is due after: the weights go back before it
    run("back", on_nan="rollback", save_every_n_steps=3)
    assert len(seen) == 7 and same(seen[6], seen[3])


@pytest.mark.usefixtures("late")
def test_a_gap_is_refused_one_step_later(monkeypatch: pytest.MonkeyPatch) -> None:
    real_flag, count = DatasetInfo.has_gaps, []

    def with_gap(self: DatasetInfo, batch: Any) -> torch.Tensor:
        count.append(1)
        if len(count) == 2:
            batch.inputs.tensor[0, 0, 0, 0, 0] = float("nan")
        return real_flag(self, batch)

    monkeypatch.setattr(DatasetInfo, "has_gaps", with_gap)
    with pytest.raises(DataError, match="1 values are NaN, which its setting nan: forbid does not"):
        run("gap")

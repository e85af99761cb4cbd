"""A gradient that is not finite: the step is left out, or the weights go back, and the run goes on."""

import csv
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch

from py4cast.callbacks import AtomicCheckpointIO
from py4cast.errors import NumericalError, SettingsError
from py4cast.forecaster import Forecaster
from py4cast.guards import SkippingGuard
from py4cast.workflows.config import RunConfig, build_config
from py4cast.workflows.train.run import train

TINY = [
    "model.num_filters=4", "dataset.size=16", "dataset.num_train=27", "dataset.num_valid=8", "dataset.num_test=8",
    "dataset.border_size=2",
]  # fmt: skip


def tiny(**settings: Any) -> RunConfig:
    document = {"train": {"epochs": 1, "no_log": True, "num_pred_steps_val_test": 2, "plots": [], **settings}}
    return build_config(document, TINY)


@pytest.fixture
def poison(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[dict[str, torch.Tensor]]]:
    """Makes the losses of some batches not finite; gives what the weights and buffers were before every batch."""
    real = Forecaster.training_loss

    def spoil(batches: Sequence[int]) -> list[dict[str, torch.Tensor]]:
        seen: list[dict[str, torch.Tensor]] = []

        def poisoned(self: Forecaster, batch: Any, loss: Any) -> torch.Tensor:
            seen.append({k: v.detach().clone() for k, v in self.network.state_dict().items()})
            value = real(self, batch, loss)
            if len(seen) - 1 in batches:
                return value * float("nan")
            return value

        def refuse(self: SkippingGuard, trainer: Any, pl_module: Any, optimizer: Any) -> None:
            # what a forward pass of such a batch leaves in norms that track statistics
            for name, buffer in pl_module.named_buffers():
                if "running" in name:
                    buffer.fill_(float("nan"))
            real_refuse(self, trainer, pl_module, optimizer)

        real_refuse = SkippingGuard._refuse
        monkeypatch.setattr(SkippingGuard, "_refuse", refuse)
        monkeypatch.setattr(Forecaster, "training_loss", poisoned)
        return seen

    return spoil


def rows(folder: Path) -> dict[str, float]:
    with (folder / "metrics.csv").open(newline="") as stream:
        return {row["name"]: float(row["value"]) for row in csv.DictReader(stream)}


def same(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> bool:
    return all(torch.equal(a[k], b[k]) for k in a)


def test_a_step_that_is_not_finite_is_left_out(
    poison: Callable[..., list[dict[str, torch.Tensor]]], caplog: pytest.LogCaptureFixture
) -> None:
    seen = poison([3])
    folder = train(tiny(on_nan="skip"), run_name="skip")
    assert same(seen[3], seen[4]), "weights, and what the norms have counted, are as before"
    assert not same(seen[2], seen[3]) and not same(seen[4], seen[5])
    logged = rows(folder)
    assert logged["steps_skipped"] == 1 and "rollbacks" not in logged
    assert 0 < logged["train_loss_epoch"] < float("inf"), "the epoch's mean is of the other batches"
    assert "left out (--on_nan skip)" in caplog.text and "the loss is not finite at step" in caplog.text
    assert (folder / "forecaster.safetensors").exists()


def test_the_optimiser_does_nothing_in_a_step_that_is_left_out(
    poison: Callable[..., list[dict[str, torch.Tensor]]],
) -> None:
    poison([6])
    folder = train(tiny(on_nan="skip"), run_name="skip")
    state = AtomicCheckpointIO().load_checkpoint(folder / "checkpoints" / "last.ckpt")
    steps = {int(s["step"]) for s in state["optimizer_states"][0]["state"].values()}
    assert steps == {6} and state["py4cast"]["batches_done"] == 7


def test_steps_that_are_never_finite_end_the_run(poison: Callable[..., list[dict[str, torch.Tensor]]]) -> None:
    poison(range(100))
    with pytest.raises(NumericalError, match="11 gradients in a row are not finite, the last at step 10"):
        train(tiny(on_nan="skip", epochs=3), run_name="skip")


def test_it_goes_back_to_the_last_saved_state_and_on_with_other_samples(
    poison: Callable[..., list[dict[str, torch.Tensor]]], caplog: pytest.LogCaptureFixture
) -> None:
    seen = poison([5])
    folder = train(tiny(on_nan="rollback", save_every_n_steps=3, ema=0.9), run_name="back")
    assert same(seen[6], seen[3]), "the state of step 3 was the last that was saved"
    assert not same(seen[5], seen[3])
    assert rows(folder)["rollbacks"] == 1 and "last.ckpt, on with the next samples" in caplog.text
    state = AtomicCheckpointIO().load_checkpoint(folder / "checkpoints" / "last.ckpt")
    assert state["py4cast"]["batches_done"] == 7, "no batch was read twice"
    assert all(torch.isfinite(v).all() for v in state["callbacks"]["WeightAverage"]["average"].values())


def test_before_anything_was_saved_it_goes_back_to_the_beginning(
    poison: Callable[..., list[dict[str, torch.Tensor]]],
) -> None:
    seen = poison([2])
    train(tiny(on_nan="rollback"), run_name="back")
    assert same(seen[3], seen[0]) and not same(seen[2], seen[0])


def test_a_state_that_leads_to_nothing_finite_ends_the_run(
    poison: Callable[..., list[dict[str, torch.Tensor]]],
) -> None:
    poison([1, 2, 3, 4])
    with pytest.raises(NumericalError, match="after 3 times back to one state; lower --lr"):
        train(tiny(on_nan="rollback"), run_name="back")


def test_by_default_it_stops(poison: Callable[..., list[dict[str, torch.Tensor]]]) -> None:
    poison([2])
    with pytest.raises(NumericalError, match="the loss is not finite at step 2"):
        train(tiny(), run_name="stop")


def test_half_precision_has_a_guard_of_its_own() -> None:
    with pytest.raises(SettingsError, match="on_nan skip: 16-mixed leaves out such steps by itself; expected stop"):
        tiny(on_nan="skip", precision="16-mixed")
    with pytest.raises(SettingsError, match="on_nan"):
        tiny(on_nan="ignore")


def test_the_log_tells_gradients_rate_and_memory() -> None:
    logged = rows(train(tiny(), run_name="log"))
    assert logged["gradient_norm"] > 0 and logged["peak_memory_MB"] > 50 and 0 < logged["learning_rate"] <= 1e-3

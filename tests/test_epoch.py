import copy

import numpy as np
import pytest
import torch

from py4cast.datasets.loader import Loader, LoaderSettings
from py4cast.epoch import Epoch, LossMeans, Shared, epoch_values, go_on, progress_of
from py4cast.errors import DataError, SettingsError
from tests.datasets.test_loader import Numbers


def saved(steps: int, world: int, count: int, size: int) -> tuple[dict, list[int]]:
    """A checkpoint after some steps of every rank within the first epoch, and the samples that they saw."""
    epoch, seen = Epoch(), []
    loaders = [Loader(Numbers(count), LoaderSettings(batch_size=size, shuffle=True), r, world) for r in range(world)]
    for step in range(steps):
        for loader in loaders:
            seen += loader.batches(0)[step].tolist()
        epoch.add(torch.tensor(2.0), size, world)
    whole = len(loaders[0].batches(0))
    epoch.is_complete = steps == whole
    current = {"ready": steps, "completed": steps - 1, "started": steps, "processed": steps}
    loops = {"fit_loop": {"epoch_loop.batch_progress": {"current": current}}}
    state = {"batches_done": steps, "validated_epoch": 0, **progress_of(epoch, world, 1)}
    return {"py4cast": state, "loops": loops}, seen


@pytest.mark.parametrize(("before", "after"), [(1, 2), (2, 1), (2, 3), (3, 2), (1, 1), (2, 2)])
@pytest.mark.parametrize("steps", [1, 4, 6])
def test_another_number_of_ranks_reads_exactly_what_is_left(before: int, after: int, steps: int) -> None:
    count, size = 240, 2
    checkpoint, seen = saved(steps, before, count, size)
    rest: list[int] = []
    for rank in range(after):
        loader = Loader(Numbers(count), LoaderSettings(batch_size=size, shuffle=True), rank, after)
        epoch, mine = Epoch(), copy.deepcopy(checkpoint)
        go_on(epoch, mine, Shared(loader.num_batches(), after, rank))
        assert epoch.samples_done == steps * before * size
        left = loader.batches(*epoch.position)
        rest += np.concatenate(left).tolist()
        current = mine["loops"]["fit_loop"]["epoch_loop.batch_progress"]["current"]
        # Lightning counts up to the length of an epoch
        assert current["ready"] + len(left) == len(loader) and current["completed"] == current["ready"] - 1
    assert not set(seen) & set(rest) and len(rest) == len(set(rest))
    assert len(seen) + len(rest) > count - after * size


def test_a_whole_epoch_is_not_done_again() -> None:
    checkpoint, _ = saved(60, 2, 240, 2)
    epoch = Epoch()
    go_on(epoch, checkpoint, Shared(120, 3))
    assert epoch.position == (1, 0)
    assert checkpoint["loops"]["fit_loop"]["epoch_loop.batch_progress"]["current"]["ready"] == 40


def test_a_step_of_the_optimiser_is_not_cut_in_two() -> None:
    checkpoint, _ = saved(6, 1, 240, 2)
    with pytest.raises(
        SettingsError,
        match="resuming on 2 ranks a run of 1: 57 batches of the epoch are left for each, which are no whole steps of 4",
    ):
        go_on(Epoch(), checkpoint, Shared(120, 2, accumulate=4))


def test_a_checkpoint_of_a_version_before() -> None:
    epoch = Epoch()
    assert go_on(epoch, {"py4cast": {"batches_done": 65, "validated_epoch": 1}}, Shared(60)) == (65, 1)
    assert epoch.position == (1, 5)


@pytest.mark.parametrize(
    "state",
    [
        None,
        {},
        {"batches_done": -1, "validated_epoch": 0},
        {"batches_done": 1, "validated_epoch": 0, "epoch": {"number": "x"}},
    ],
    ids=["none", "empty", "negative", "odd"],
)
def test_other_checkpoints_are_refused(state: object) -> None:
    with pytest.raises(DataError, match="a checkpoint of another program"):
        go_on(Epoch(), {"py4cast": state}, Shared(60))


def test_the_loss_of_an_epoch_is_the_mean_over_its_samples_through_a_stop() -> None:
    epoch = Epoch()
    epoch.add(torch.tensor(1.0), 4, 1)
    other = Epoch()
    other.load(epoch.state())
    other.add(torch.tensor(4.0), 2, 1)
    assert other.mean_loss == pytest.approx((1.0 * 4 + 4.0 * 2) / 6)
    other.is_complete = True
    other.begin()
    assert (other.number, other.done, other.samples_done) == (1, 0, 6) and np.isnan(other.mean_loss)


def test_a_validation_is_the_mean_over_samples_whatever_its_batches() -> None:
    means = LossMeans()
    means.add(torch.tensor([[1.0, 3.0]] * 3))
    means.add(torch.tensor([[5.0, 7.0]]))
    assert means.values() == {
        "timestep_losses/val_step_0": 2.0,
        "timestep_losses/val_step_1": 4.0,
        "val_mean_loss": 3.0,
    }


def test_what_an_older_validation_gave_is_not_told_again() -> None:
    trainer = type(
        "Trainer",
        (),
        {"callback_metrics": {"val_mean_loss": 3.0, "train_loss": 1.0, "train_loss_epoch": 9.0}, "current_epoch": 4},
    )
    module = type(
        "Module", (), {"validated_epoch": 4, "train_loss_epoch": 2.0, "samples_per_s": 5.0, "waiting_share": 0.1}
    )
    assert epoch_values(trainer, module) == {
        "train_loss_epoch": 2.0,
        "samples/s": 5.0,
        "waiting_percent": 10.0,
    }
    module.validated_epoch = 5
    assert epoch_values(trainer, module, ("val_mean_loss",)) == {"val_mean_loss": 3.0}


@pytest.mark.parametrize(
    ("world", "now", "steps", "expected"),
    [
        # 13 batches, 4 epochs: 52 steps alone, 24 on two ranks
        (1, Shared(13, 2, epochs=4, warmup=5), 26, 12),
        (2, Shared(13, 1, epochs=4, warmup=5), 12, 26),
        (1, Shared(13, 2, epochs=4, warmup=5), 3, 3),  # of a warm-up every step counts
        (1, Shared(13, 2, epochs=4, warmup=5), 8, 5),  # which is over once
        (1, Shared(13, 2, epochs=400, max_steps=100, warmup=5), 40, 40),
        (1, Shared(13, 2, epochs=4, max_steps=30, warmup=5), 15, 12),
        (1, Shared(12, 2, epochs=4, accumulate=2, warmup=2), 12, 6),
        (1, Shared(13, 1, epochs=4, warmup=5), 26, 26),
    ],
    ids=["more", "fewer", "warm-up", "just after", "steps", "both", "accumulated", "as many"],
)
def test_the_learning_rate_goes_on_at_the_same_share_of_the_training(
    world: int, now: Shared, steps: int, expected: int
) -> None:
    epoch = Epoch()
    epoch.number, epoch.done, epoch.samples_done, epoch.is_complete = 1, now.num_batches, 26, True
    checkpoint = {
        "py4cast": {
            "batches_done": 26, "validated_epoch": 2, "epoch": epoch.state(), "job": {"world_size": world, "num_nodes": 1},
        },
        "lr_schedulers": [{"last_epoch": steps}],
    }  # fmt: skip
    go_on(Epoch(), checkpoint, now)
    assert checkpoint["lr_schedulers"] == [{"last_epoch": expected}]

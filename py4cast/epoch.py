"""Epoch: how far the present one is, counted in what all ranks have done together, and its mean loss.

Both are in every checkpoint, so that a run goes on with the samples that are left, on as many ranks as it then has.
"""

import logging
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from py4cast.errors import DataError, SettingsError
from py4cast.job import Job
from py4cast.ranks import by_rank, place_of_process, summed

__all__ = ["Epoch", "LossMeans", "Shared", "epoch_values", "go_on", "loss_of", "progress_of", "values_at_end"]

logger = logging.getLogger(__name__)


class Epoch:
    """Creates the first epoch, at its begin.

    Attributes:
        number: of the epoch, from 0.
        done: batches of it that all ranks together have learned from.
        is_complete: whether all of them are.
        samples_done: samples since the training began.
        model_ranks: ranks that compute one sample together, whose loss is one.
    """

    def __init__(self) -> None:
        self.number, self.done, self.samples_done = 0, 0, 0
        self.is_complete, self.model_ranks = False, 1
        self._loss, self._weight = _nothing()

    @property
    def position(self) -> tuple[int, int]:
        """The epoch, and the batch in it, that come next."""
        return (self.number + 1, 0) if self.is_complete else (self.number, self.done)

    def begin(self) -> bool:
        """Begins the next epoch where this one is complete; one that was stopped within goes on, and is not new."""
        if self.is_complete:
            self.number, self.done, self.is_complete = self.number + 1, 0, False
            self._loss, self._weight = _nothing()
        return self.done == 0

    def add(self, loss: Tensor | None, num_samples: int, world_size: int) -> None:
        """Counts a batch of every rank (or group of ranks, as it has its own samples); the loss is that of this one, its mean over samples; one that is not finite, or None, is left out of the mean."""
        self.done += world_size
        self.samples_done += num_samples * world_size
        if loss is None:
            return
        is_finite = torch.isfinite(loss)
        self._loss = self._loss.to(loss.device) + torch.where(is_finite, loss * num_samples, 0.0)
        self._weight = self._weight.to(loss.device) + is_finite * num_samples

    def _sums(self) -> Tensor:
        """Of this rank: the losses times their samples, and the samples."""
        return torch.stack([self._loss.cpu().double(), self._weight.cpu().double()])

    @property
    def mean_loss(self) -> float:
        """The mean over the samples of all ranks; all ranks ask for it together."""
        total, weight = summed(self._sums()).tolist()
        return total / weight if weight else float("nan")

    def state(self) -> dict[str, Any]:
        """What a checkpoint keeps; all ranks ask for it together."""
        rows = by_rank(self._sums())
        total, weight = (rows.sum(0) / self.model_ranks).tolist()
        return {
            "number": self.number,
            "done": self.done,
            "is_complete": self.is_complete,
            "samples_done": self.samples_done,
            "loss": [total, weight],
            # of every rank, so that as many go on to the last digit
            "losses": rows.tolist(),
        }

    def load(self, state: Any, rank: int = 0) -> None:
        """Takes over a state; DataError for one that is none.

        Args:
            state: of a checkpoint.
            rank: of this process; the sum of the losses goes on on the first.
        """
        try:
            counts = [state[key] for key in ("number", "done", "samples_done")]
            total, weight = (float(value) for value in state["loss"])
            if not all(type(count) is int and count >= 0 for count in counts):
                raise ValueError(counts)
            rows = [(float(total), float(weight)) for total, weight in state.get("losses", [])]
        except (KeyError, TypeError, ValueError):
            raise DataError("a checkpoint of another program; expected one that py4cast wrote") from None
        self.number, self.done, self.samples_done = counts
        self.is_complete = bool(state["is_complete"])
        process, world = place_of_process()
        if len(rows) == world > 1:
            total, weight = rows[process]
        elif rank > 0:
            total, weight = 0.0, 0.0
        # a group of ranks keeps its share on each of them
        self._loss, self._weight = torch.tensor(total), torch.tensor(round(weight))


def _nothing() -> tuple[Tensor, Tensor]:
    """A sum of losses, and its number of samples."""
    return torch.zeros(()), torch.zeros((), dtype=torch.int64)


class LossMeans:
    """Creates the means of a validation's losses over the samples of all ranks, by lead time."""

    def __init__(self) -> None:
        self._sums: Tensor | None = None

    def add(self, loss: Tensor) -> None:
        """Adds the losses of a batch, `(batch, timestep)`."""
        sums = torch.cat([loss.detach().sum(0), loss.new_tensor([loss.shape[0]])])
        self._sums = sums if self._sums is None else self._sums + sums

    def values(self) -> dict[str, float]:
        """What is logged, by name; all ranks ask for it together."""
        assert self._sums is not None, "every rank has a batch"
        *sums, count = summed(self._sums).tolist()
        steps = {f"timestep_losses/val_step_{step}": value / count for step, value in enumerate(sums)}
        return {**steps, "val_mean_loss": sum(sums) / len(sums) / count}


def values_at_end(module: Any) -> dict[str, float]:
    """What a module itself knows of the epoch that ends, by the name in the logs."""
    at_end = (
        ("train_loss_epoch", "train_loss_epoch", 1),
        ("samples/s", "samples_per_s", 1),
        ("waiting_percent", "waiting_share", 100),
    )
    values = {name: factor * float(getattr(module, held)) for name, held, factor in at_end if hasattr(module, held)}
    if hasattr(module, "meter"):
        values |= module.meter.values(float(module.trainer.optimizers[0].param_groups[0]["lr"]))
    return values


def epoch_values(trainer: Any, module: Any, names: Sequence[str] | None = None) -> dict[str, float]:
    """What was logged of the epoch that ends, by name: its own loss, and a validation where it had one.

    Lightning hands what a module logs at an epoch's end to callbacks at the end of the next one, and keeps what an older
    validation gave.
    """
    # train_loss is that of single steps, the last of which may be of an older epoch
    values = {name: float(value) for name, value in trainer.callback_metrics.items() if name != "train_loss"}
    if getattr(module, "validated_epoch", trainer.current_epoch + 1) != trainer.current_epoch + 1:
        values = {n: v for n, v in values.items() if not n.startswith(("val_", "timestep_losses/"))}
    values |= values_at_end(module)
    return values if names is None else {name: values[name] for name in names if name in values}


class Shared(NamedTuple):
    """How the ranks of a training share an epoch.

    Args:
        num_batches: of an epoch, for all ranks together.
        world_size: ranks, or groups of them that compute a sample together.
        rank: of this process, or of its group.
        limit: batches per rank and epoch at most; None for all.
        accumulate: batches per step of the optimiser.
        epochs: of the training.
        max_steps: steps of the optimiser at most; None for those of the epochs.
        warmup: steps of the optimiser until its rate is highest.
    """

    num_batches: int
    world_size: int = 1
    rank: int = 0
    limit: int | None = None
    accumulate: int = 1
    epochs: int = 1
    max_steps: int | None = None
    warmup: int = 0

    @property
    def per_rank(self) -> int:
        """Batches of each rank in an epoch."""
        return min(self.num_batches // self.world_size, self.limit or self.num_batches)

    @property
    def num_steps(self) -> int:
        """Steps of the optimiser in the whole training."""
        steps = self.epochs * -(-self.per_rank // self.accumulate)
        return max(1, steps if self.max_steps is None else min(steps, self.max_steps))


def progress_of(epoch: Epoch, world_size: int, num_nodes: int) -> dict[str, Any]:
    """What a checkpoint says of the epoch, and of the job that wrote it; all ranks ask for it together."""
    job = Job.told(world_size, num_nodes, epoch.samples_done, epoch.model_ranks)
    return {"epoch": epoch.state(), "job": job}


def loss_of(checkpoint: dict[str, Any]) -> float:
    """The mean loss of the epoch that a checkpoint is of, so far; that of a complete one is told when the run goes on."""
    total, weight = checkpoint["py4cast"].get("epoch", {}).get("loss", (0.0, 0.0))
    return total / weight if weight else float("nan")


def go_on(epoch: Epoch, checkpoint: dict[str, Any], shared: Shared | None) -> tuple[int, int]:
    """Takes an epoch over from a checkpoint, on as many ranks as there now are; batches that each rank has done, and the last
    epoch that was validated.

    Args:
        epoch: that is set.
        checkpoint: of Lightning; on another number of ranks its count of batches is changed.
        shared: how the ranks share an epoch; None where nothing is trained.

    Raises:
        SettingsError: on another number of ranks a step of the optimiser would be cut in two.
        DataError: what it says is of another program.
    """
    state = checkpoint.get("py4cast")
    counts: list[Any] = [state.get(k) if isinstance(state, dict) else None for k in ("batches_done", "validated_epoch")]
    if not isinstance(state, dict) or not all(type(count) is int and count >= 0 for count in counts):
        raise DataError("a checkpoint of another program; expected one that py4cast wrote")
    batches_done, validated = counts
    _set(epoch, state, checkpoint, shared, batches_done)
    return batches_done, validated


def _set(
    epoch: Epoch, state: dict[str, Any], checkpoint: dict[str, Any], shared: Shared | None, batches_done: int
) -> None:
    """Sets the epoch, and Lightning's count of its batches where they are shared anew."""
    if "epoch" not in state:  # of a version before ranks were counted together
        per_rank = 1 if shared is None else max(1, shared.per_rank)
        epoch.number, within = divmod(batches_done, per_rank)
        epoch.done = within * (1 if shared is None else shared.world_size)
        return
    epoch.load(state["epoch"], 0 if shared is None else shared.rank)
    job = state.get("job") or {}
    world = job.get("world_size")
    if type(world) is int and type(groups := job.get("model_ranks", 1)) is int and groups > 0:
        world //= groups
    if shared is None or world == shared.world_size:
        return
    done = shared.num_batches if epoch.is_complete else epoch.done
    left = min(max(0, shared.num_batches - done) // shared.world_size, shared.per_rank)
    if (shared.per_rank - left) % shared.accumulate and left:
        raise SettingsError(
            f"resuming on {shared.world_size} ranks a run of {world}: {left} batches of the epoch are left for each, which are no whole "
            f"steps of {shared.accumulate} batches; go on with {world} ranks to the end of the epoch"
        )
    if type(world) is int and world > 0:
        _reschedule(checkpoint, shared._replace(world_size=world), shared)
    progress = checkpoint.get("loops", {}).get("fit_loop", {}).get("epoch_loop.batch_progress", {}).get("current", {})
    # a state within an epoch is saved before Lightning counts its batch as completed
    shift = shared.per_rank - left - int(progress.get("ready", 0))
    progress.update({key: value + shift for key, value in progress.items() if type(value) is int})
    rest = 0 if shared.limit else max(0, shared.num_batches - done) % shared.world_size
    logger.info(
        "from %s to %d ranks: %d samples done; the rest of the epoch, %d batches each, is shared anew%s",
        world, shared.world_size, epoch.samples_done, left,
        f" ({rest} are left out, since each takes as many)" if rest else "",
    )  # fmt: skip


def _reschedule(checkpoint: dict[str, Any], before: Shared, now: Shared) -> None:
    """Sets the schedule of the learning rate to the same share of the training, which has another number of steps on other ranks.

    A warm-up counts steps, on any number of ranks.
    """
    warmup = min(now.warmup, now.num_steps // 2)
    for state in checkpoint.get("lr_schedulers", []):
        steps = int(state["last_epoch"])
        if steps > warmup:
            steps = max(warmup, round(steps * now.num_steps / before.num_steps))
        state["last_epoch"] = steps

"""What surrounds training: checkpoints that survive a kill, a stop on request, progress.

A checkpoint holds tensors, numbers and text only, is written beside its final name and renamed, and is read with
`weights_only=True`. Work goes on from it exactly: the order of batches and the random numbers of a step are
functions of (seed, step), and the number of batches done is in the checkpoint.
"""

import contextlib
import copy
import logging
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Callback, RichProgressBar
from pytorch_lightning.utilities.types import STEP_OUTPUT

from py4cast.atomic import sweep
from py4cast.checkpoint_io import AtomicCheckpointIO
from py4cast.epoch import epoch_values
from py4cast.errors import Py4castError
from py4cast.guards import Guard, watch_over
from py4cast.heartbeat import Heartbeat
from py4cast.ranks import agreed

__all__ = [
    "AtomicCheckpointIO",
    "CheckpointKeeper",
    "Guard",
    "Heart",
    "LastEpoch",
    "Preempted",
    "Preemption",
    "TrainingProgress",
    "stopped_at_once",
]

logger = logging.getLogger(__name__)


class Preempted(Py4castError):
    """Training was asked to stop and has saved its state: exit status 143."""

    status = 143


class _Stop(BaseException):
    """Raised where a signal comes in, outside of the loops that finish a batch first."""


@contextlib.contextmanager
def stopped_at_once(last: Path) -> Iterator[Callable[[], None]]:
    """Within, SIGTERM, SIGINT and SIGUSR1 end the work at once, tidily; while batches are trained `Preemption` answers them.

    It gives what takes the signals over again, where Lightning has set its own answer, which asks all ranks for an answer.

    Args:
        last: where the state lies, if there is one.

    Raises:
        Preempted: a signal came.
    """
    received: list[int] = []

    def receive(number: int, frame: FrameType | None) -> None:
        if received:
            os._exit(143)
        received.append(number)
        raise _Stop

    numbers = (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1)

    def take() -> None:
        for number in numbers:
            signal.signal(number, receive)

    if threading.current_thread() is not threading.main_thread():
        # signals come to the main thread only
        yield lambda: None
        return
    before = {number: signal.getsignal(number) for number in numbers}
    take()
    try:
        yield take
    except _Stop:
        name = signal.Signals(received[0]).name
        hint = f"the state is in {last}; go on with --resume" if last.exists() else "start it again"
        raise Preempted(f"stopped by {name} outside of training: {hint}") from None
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _is_between_updates(trainer: pl.Trainer, batch_idx: int) -> bool:
    """Whether no gradient is half accumulated after this batch; only then is a state whole."""
    accumulated = (batch_idx + 1) % trainer.accumulate_grad_batches == 0
    return accumulated and batch_idx + 1 < trainer.num_training_batches


class CheckpointKeeper(Callback):
    """Creates `last.ckpt` (every so often, and each epoch) and `best.ckpt` (lowest validation loss).

    Args:
        folder: where they go.
        every_n_steps: batches between two saves within an epoch.
        every_s: seconds between two saves within an epoch.
        monitor: the logged value that `best` minimises.
    """

    def __init__(
        self, folder: Path, every_n_steps: int = 1000, every_s: float = 600.0, monitor: str = "val_mean_loss"
    ) -> None:
        self.folder, self.monitor = folder, monitor
        self._every_n_steps, self._every_s = every_n_steps, every_s
        self._saved_at, self._since_save = time.monotonic(), 0
        self.best: float | None = None
        self.has_begun = False
        # what the ranks agree on beside a save, in the same reduction: the number of a signal that asks to stop, 0 for none
        self.stop_asked: Callable[[], int] = lambda: 0
        self.stop_agreed: int | None = None

    @property
    def last_path(self) -> Path:
        """Where the newest state lies."""
        return self.folder / "last.ckpt"

    @property
    def best_path(self) -> Path:
        """The state of the lowest validation loss."""
        return self.folder / "best.ckpt"

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint keeps of this callback."""
        return {"best": self.best}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Takes over a state: the inverse of `state_dict`."""
        self.best = state_dict["best"]

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Clears what killed runs left."""
        if trainer.is_global_zero and self.folder.exists():
            sweep(self.folder)

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Notes that all of a checkpoint was taken over."""
        self.has_begun = True

    def save_last(self, trainer: pl.Trainer) -> None:
        """Saves the state of this moment."""
        trainer.save_checkpoint(self.last_path)
        self._saved_at, self._since_save = time.monotonic(), 0

    def on_train_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: STEP_OUTPUT,
        batch: Any,
        batch_idx: int,
    ) -> None:
        """Saves within the epoch; its end has its own."""
        self._since_save += 1
        if not _is_between_updates(trainer, batch_idx):
            return
        is_due = self._since_save >= self._every_n_steps or time.monotonic() - self._saved_at > self._every_s
        # clocks differ: where one rank saved and another went on, both would wait for ever
        saves, self.stop_agreed = agreed(int(is_due), self.stop_asked())
        if saves or self.stop_agreed:
            # a step that was not finite is answered first: the state that is saved is one that the run goes on from
            watch_over(pl_module).settle()
        if saves and not self.stop_agreed:
            self.save_last(trainer)

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Saves the epoch, and the best one."""
        value = trainer.callback_metrics.get(self.monitor)
        if value is not None and trainer.current_epoch + 1 == getattr(pl_module, "validated_epoch", 0):
            loss = float(value)
            if self.best is None or loss < self.best:
                self.best = loss
                trainer.save_checkpoint(self.best_path)
        self.save_last(trainer)


def _begin_next_epoch(trainer: pl.Trainer) -> None:
    """What was saved at the end of an epoch goes on with the next one.

    Lightning does so but where a number of steps ends the training: there it would end the epoch once more, without batches.
    """
    loop = trainer.fit_loop
    if not loop.restarted_on_epoch_end:
        return
    loop.epoch_progress.increment_completed()
    epochs: Any = loop.epoch_progress.current
    epochs.completed = epochs.processed
    loop._restarting = loop.epoch_loop.restarting = False
    loop.reset_restart_stage()
    loop.epoch_loop.reset_restart_stage()


def _forget(progress: Any) -> None:
    """Sets the progress of a validation back to its first batch, in the way that Lightning takes for an unfinished one."""
    progress.reset()
    progress.total.ready = progress.total.started = 1


class Preemption(Callback):
    """Creates the answer to SIGTERM, SIGINT and SIGUSR1 while it trains: finish the batch, save, leave with status 143.

    A second signal leaves at once.

    Args:
        keeper: of the state.
        take_at_once: takes the signals over in a test, which is left at once.
    """

    def __init__(self, keeper: CheckpointKeeper, take_at_once: Callable[[], None] | None = None) -> None:
        self._keeper, self._take_at_once = keeper, take_at_once
        keeper.stop_asked = lambda: self._received or 0
        self._received: int | None = None
        self._before: dict[int, Any] = {}

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Takes over the signals; Lightning has set its own by now."""
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1):
            self._before[number] = signal.signal(number, self._receive)

    def on_test_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Gives the signals to what leaves at once."""
        if self._take_at_once is not None:
            self._take_at_once()

    def _receive(self, number: int, frame: FrameType | None) -> None:
        if self._received is not None:
            os._exit(143)
        self._received = number

    def _leave(self, trainer: pl.Trainer, save: bool) -> None:
        # a signal may have come to one rank alone, and comes to several at different batches
        number = self._keeper.stop_agreed
        if number is None:
            number = agreed(self._received or 0)[0]
        self._keeper.stop_agreed = None
        if not number:
            return
        if save:
            self._keeper.save_last(trainer)
        name = signal.Signals(number).name
        raise Preempted(
            f"stopped by {name} at step {trainer.global_step}; the state is in {self._keeper.last_path}; go on with --resume"
        )

    def on_train_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: STEP_OUTPUT,
        batch: Any,
        batch_idx: int,
    ) -> None:
        """Leaves after an update of the weights; after the last one of an epoch the end of the epoch saves."""
        if _is_between_updates(trainer, batch_idx):
            self._leave(trainer, save=True)

    def on_validation_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: STEP_OUTPUT,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Leaves within a validation, which begins anew when the run goes on: what it has summed is not saved.

        Several ranks, which may have different numbers of batches, leave at its end.
        """
        if self._received is not None and self._before and trainer.world_size == 1:
            _forget(trainer.fit_loop.epoch_loop.val_loop.batch_progress)
            self._leave(trainer, save=True)

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Leaves after an epoch, which the keeper has saved."""
        self._leave(trainer, save=False)

    def teardown(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Gives the signals back to whoever had them before."""
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before.clear()


class Heart(Callback):
    """Creates the callback that starts and ends a heartbeat with the training.

    Args:
        heartbeat: of this rank.
    """

    def __init__(self, heartbeat: Heartbeat) -> None:
        self._heartbeat = heartbeat

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Begins once the ranks have met; a second stage finds it begun."""
        if stage == "fit":
            self._heartbeat.start()


class LastEpoch(Callback):
    """Creates the callback by which the last epoch is validated, scored and kept, whatever the interval of validations.

    Where steps end within an epoch, a longer run goes on with the rest of it.

    Args:
        max_steps: steps of the optimiser, which may end within an epoch; None for whole epochs.
    """

    def __init__(self, max_steps: int | None) -> None:
        self._max_steps = max_steps
        self._loops_within: dict[str, Any] | None = None

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """What goes on goes on behind its last epoch, before other callbacks ask for its number; what was stopped early stays so."""
        _begin_next_epoch(trainer)
        if any(stopping.wait_count >= stopping.patience for stopping in trainer.early_stopping_callbacks):
            trainer.should_stop = True

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Asks for a validation at the end of the last epoch."""
        if trainer.max_epochs is not None and trainer.current_epoch + 1 >= trainer.max_epochs > 0:
            trainer.check_val_every_n_epoch = 1

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: STEP_OUTPUT, batch: Any, batch_idx: int
    ) -> None:
        """Before the module's own end of the batch, which then closes the epoch's loss."""
        if self._max_steps is not None and trainer.global_step >= self._max_steps:
            trainer.should_stop, trainer.check_val_every_n_epoch = True, 1
            if _is_between_updates(trainer, batch_idx):
                self._loops_within = copy.deepcopy(trainer.fit_loop.state_dict())

    def on_save_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """After the last step, what Lightning counts as the end of the epoch is kept as the batch that it is."""
        if self._loops_within is not None:
            checkpoint["loops"]["fit_loop"] = self._loops_within


class TrainingProgress(RichProgressBar):
    """Creates the progress bar: loss, samples per second, and the share of time spent waiting for data."""

    def __init__(self) -> None:
        super().__init__(refresh_rate=5, console_kwargs={"stderr": True})

    def get_metrics(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> dict[str, Any]:
        """What stands right of the bar."""
        items = super().get_metrics(trainer, pl_module)
        items.pop("v_num", None)
        speed, waiting = getattr(pl_module, "samples_per_s", 0.0), getattr(pl_module, "waiting_share", 0.0)
        loss = f"{watch_over(pl_module).shown(getattr(pl_module, 'last_loss', torch.zeros(()))):.4g}"
        return {**items, "loss": loss, "samples/s": f"{speed:.1f}", "waiting": f"{100 * waiting:.1f} %"}


class EpochLog(Callback):
    """Creates one line of the log per epoch, for output that is no terminal."""

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Logs the losses of the epoch in one line."""
        shown = ", ".join(
            f"{k} {v:.5g}" for k, v in epoch_values(trainer, pl_module, ("train_loss_epoch", "val_mean_loss")).items()
        )
        extra = f", {getattr(pl_module, 'samples_per_s', 0):.1f} samples/s, waiting {100 * getattr(pl_module, 'waiting_share', 0):.1f} %"
        logger.info("epoch %d of %s: %s%s", trainer.current_epoch + 1, trainer.max_epochs, shown, extra)

"""The Lightning trainer of a run, and what surrounds it."""

import logging
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import EarlyStopping
from pytorch_lightning.strategies import ModelParallelStrategy

from py4cast.averaging import WeightAverage
from py4cast.callbacks import (
    AtomicCheckpointIO,
    CheckpointKeeper,
    EpochLog,
    Heart,
    LastEpoch,
    Preemption,
    TrainingProgress,
)
from py4cast.errors import SettingsError
from py4cast.guards import Guard, GuardABC, RollingBackGuard, SkippingGuard
from py4cast.heartbeat import Heartbeat
from py4cast.job import Job
from py4cast.profiling import Profile
from py4cast.tracking import RunLog
from py4cast.workflows.config import RunConfig, TrainSettings
from py4cast.workflows.train.precision import auto_precision

__all__ = ["make_callbacks", "make_trainer"]

logger = logging.getLogger(__name__)


def _precision(asked: str, model: str = "", accelerator: str = "auto") -> Any:
    if asked == "auto":
        return auto_precision(model, accelerator)
    if asked == "16-mixed" and not torch.cuda.is_available():
        logger.warning("precision 16-mixed: no accelerator here; bf16-mixed is used")
        return "bf16-mixed"
    return asked


def _accelerator(asked: str) -> str:
    """The device to train on; Apple's has no float64, in which statistics and scores are kept."""
    if asked == "auto" and not torch.cuda.is_available() and torch.backends.mps.is_available():
        return "cpu"
    if asked == "gpu" and not torch.cuda.is_available():
        raise SettingsError("--accelerator gpu: no GPU here; expected auto or cpu")
    return asked


def _guard(t: TrainSettings, keeper: CheckpointKeeper) -> GuardABC:
    """What answers a gradient that is not finite."""
    guards: dict[str, Callable[[], GuardABC]] = {
        "stop": Guard,
        "skip": SkippingGuard,
        "rollback": lambda: RollingBackGuard(keeper.last_path),
    }
    return guards[t.on_nan]()


def make_callbacks(
    t: TrainSettings, folder: Path, keeper: CheckpointKeeper, heartbeat: Heartbeat, take_at_once: Callable[[], None]
) -> list[Any]:
    """What surrounds the training; the average first, since the others save what it is after a step."""
    return [
        *([] if t.ema is None else [WeightAverage(t.ema)]),
        Heart(heartbeat),
        *([Profile(folder / "profile")] if t.profile else []),
        # before the state is saved: rows of an epoch that is done again are dropped, those that lack are lost
        RunLog(folder / "metrics.csv"),
        keeper,
        _guard(t, keeper),
        # after what saves the epoch at whose end it leaves
        Preemption(keeper, take_at_once),
        TrainingProgress()
        if sys.stderr.isatty() and logging.getLogger("py4cast").level < logging.WARNING
        else EpochLog(),
        *([] if t.early_stopping is None else [_patience(t.early_stopping)]),
    ]


def _patience(count: int) -> EarlyStopping:
    """Stops after so many validations without a better one; it counts when they end, before the state of the epoch is saved."""
    return EarlyStopping("val_mean_loss", patience=count, check_on_train_epoch_end=False)


def make_trainer(
    config: RunConfig, folder: Path, callbacks: list[Any], loggers: list[Any], job: Job, accelerator: str,
    distributed: str = "ddp",
) -> pl.Trainer:  # fmt: skip
    """The trainer of a run, of as many ranks as its job has.

    Args:
        config: of the run.
        folder: of the run.
        callbacks: what surrounds the training.
        loggers: where values go beside the run's own table.
        job: that its ranks make.
        accelerator: that was asked for.
        distributed: how its ranks share the work.

    Raises:
        SettingsError: no such accelerator, or a trainer of another size than the job.
    """
    t = config.train
    trainer = pl.Trainer(
        accelerator=_accelerator(accelerator),
        strategy=ModelParallelStrategy(save_distributed_checkpoint=False) if distributed == "fsdp" else "auto",
        devices=job.num_devices or "auto",
        num_nodes=job.num_nodes,
        max_epochs=t.epochs,
        max_steps=-1 if t.max_steps is None else t.max_steps,
        precision=_precision(t.precision, config.model.name, accelerator),
        gradient_clip_val=t.gradient_clip,
        accumulate_grad_batches=t.accumulate_grad_batches,
        check_val_every_n_epoch=t.val_interval,
        limit_train_batches=t.limit_train_batches,
        limit_val_batches=t.limit_train_batches,
        limit_test_batches=t.limit_train_batches,
        deterministic=True if t.deterministic else None,
        profiler=None if t.profiler == "None" else t.profiler,
        logger=loggers or False,
        callbacks=[LastEpoch(t.max_steps), *callbacks],
        plugins=[AtomicCheckpointIO()],
        enable_checkpointing=False,
        enable_progress_bar=any(isinstance(callback, TrainingProgress) for callback in callbacks),
        enable_model_summary=False,
        num_sanity_val_steps=0,
        use_distributed_sampler=False,
        log_every_n_steps=1,
        default_root_dir=str(folder),
    )
    job.check(trainer.world_size, trainer.num_nodes)
    idle = torch.cuda.device_count() - trainer.num_devices
    if idle > 0 and job.launcher in ("slurm", "torchrun") and job.num_devices == 1 and accelerator != "cpu":
        logger.warning("%d GPUs of this node stay idle: %s started one process; start one per GPU", idle, job.launcher)
    return trainer

"""estimate: the verb. A few real batches are trained and forecast, and what a run will cost is told from them."""

import logging
import math
import tempfile
import time
import warnings
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import fmean, median, stdev
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Callback
from pytorch_lightning.utilities.types import STEP_OUTPUT

from py4cast.cost import step_flops
from py4cast.datasets import DatasetABC
from py4cast.datasets.loader import Loader, LoaderSettings
from py4cast.errors import SettingsError
from py4cast.job import Job, Placement
from py4cast.lightning import AutoRegressiveLightning
from py4cast.meter import forget_peak_memory, peak_memory_bytes
from py4cast.process import available_memory_bytes
from py4cast.rollout_length import RolloutLength
from py4cast.workflows.config import Decoded, RunConfig, TrainSettings
from py4cast.workflows.train.limits import out_of_memory, restored_determinism
from py4cast.workflows.train.run import _make, _quiet
from py4cast.workflows.train.trainer import make_trainer

__all__ = ["Estimate", "estimate"]

logger = logging.getLogger(__name__)
_WARM_UP, _LEAST_S, _MAX_BATCHES = 2, 6.0, 40
_ADAM_COPIES = 2


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a training will cost, from a few of its batches.

    Args:
        num_parameters: that are trained.
        weights_bytes: they take.
        optimiser_bytes: its moments take.
        batch_size: samples per step.
        step_s: seconds of a training step of the longest rollout, waiting for data included.
        step_error: share by which `step_s` may be wrong: twice the standard error of the steps that were timed.
        gflop_per_step: floating-point operations [10⁹].
        steps_per_epoch: of every rank.
        validation_s: seconds of a validation.
        epoch_s: seconds of an epoch, its validation included; the mean of those of a schedule.
        total_s: seconds of all epochs.
        forecast_s: seconds of one forecast of `num_pred_steps_val_test` steps.
        forecast_steps: its steps.
        memory_bytes: the most that the process holds while it trains.
        sample_bytes: what another sample in a batch adds.
        available_bytes: memory for it: of the GPU, else free on this machine; None where that is not known.
        largest_batch: that fits; None where that is not known.
    """

    num_parameters: int
    weights_bytes: int
    optimiser_bytes: int
    batch_size: int
    step_s: float
    step_error: float
    gflop_per_step: float
    steps_per_epoch: int
    validation_s: float
    epoch_s: float
    total_s: float
    forecast_s: float
    forecast_steps: int
    memory_bytes: int
    sample_bytes: int
    available_bytes: int | None
    largest_batch: int | None

    def to_dict(self) -> dict[str, Any]:
        """The numbers by name, as plain JSON values."""
        return asdict(self)


class _Stopwatch(Callback):
    """Creates the times between the ends of batches, in training and in validation."""

    def __init__(self) -> None:
        self.steps: list[float] = []
        self.validation: list[float] = []
        self._at = time.perf_counter()

    def _lap(self, pl_module: pl.LightningModule) -> float:
        if pl_module.device.type == "cuda":
            torch.cuda.synchronize(pl_module.device)
        before, self._at = self._at, time.perf_counter()
        return self._at - before

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Starts the clock of training."""
        self._lap(pl_module)

    def on_validation_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Starts the clock of a validation."""
        self._lap(pl_module)

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: STEP_OUTPUT, batch: Any, batch_idx: int
    ) -> None:
        """Notes a training step; there are enough when some seconds have passed."""
        self.steps.append(self._lap(pl_module))
        if len(self.steps) > _WARM_UP + 3 and sum(self.steps[_WARM_UP:]) > _LEAST_S:
            trainer.should_stop = True

    def on_validation_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: STEP_OUTPUT, batch: Any, batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:  # fmt: skip
        """Notes a batch of the validation."""
        self.validation.append(self._lap(pl_module))


def estimate(config: RunConfig, decoded: Decoded | None = None, placement: Placement | None = None) -> Estimate:
    """Trains and validates a few batches of a run as it would, keeps nothing, and tells what the whole will cost.

    Args:
        config: of the run.
        decoded: what `config.check()` gave, where it was called already.
        placement: devices and nodes.

    Raises:
        SettingsError, DataError: as of the training itself.
        SpaceError: not even these batches fit.
    """
    _quiet()
    job = Job.of(placement or Placement())
    if job.world_size > 1:
        raise SettingsError("estimate runs in one process; leave --devices and the launcher out")
    with tempfile.TemporaryDirectory(prefix="py4cast-estimate-") as name, restored_determinism():
        module, datasets = _make(config, Path(name), None, decoded)
        with out_of_memory(config.train):
            return _measured(config, Path(name), module, datasets, job, (placement or Placement()).accelerator)


def _measured(
    config: RunConfig, folder: Path, module: AutoRegressiveLightning, datasets: tuple[DatasetABC, ...], job: Job, accelerator: str
) -> Estimate:  # fmt: skip
    t, rollout = config.train, module.rollout
    # what a schedule or chance shortens is timed at its longest, and its shortest
    longest, shortest = (
        t.longest_rollout,
        math.ceil(min(rollout.expected(e, t.longest_rollout) for e in range(t.epochs))),
    )
    module.rollout = RolloutLength()
    size = min(t.batch_size, len(datasets[0]))
    # from the smallest batch to the largest: a process that has grown does not shrink
    sizes = sorted({max(1, size // 2), size, *([2] if size == 1 and len(datasets[0]) > 1 else [])})
    memory, watches = {}, {}
    before = _resident()
    for batch_size in sizes:
        forget_peak_memory()
        watches[batch_size] = watch = _Stopwatch()
        trainer = _trainer(config, folder, watch, job, accelerator)
        _fit(trainer, t, module, datasets[0], batch_size)
        memory[batch_size] = peak_memory_bytes()
    _validate(trainer, t, module, datasets[1])
    most = max(memory[size], peak_memory_bytes())
    steps = watches[size].steps[_WARM_UP:] or watches[size].steps
    step_s, error = fmean(steps), 2 * stdev(steps) / math.sqrt(len(steps)) / fmean(steps) if len(steps) > 1 else 1.0
    short_s = step_s if shortest == longest else _short_step(config, folder, module, datasets[0], size, shortest, job, accelerator)  # fmt: skip
    per_sample = max(0, (memory[sizes[-1]] - memory[sizes[0]]) // max(1, sizes[-1] - sizes[0]))
    available = _available(before)
    largest = None
    if available is not None and per_sample:
        largest = max(0, int((available - memory[size]) // per_sample) + size)
    flops, forecast_s = _flops(module, datasets[0], size), _forecast_seconds(module, datasets[1])
    # batches per rank and epoch
    per_epoch = min(-(-len(datasets[0]) // size), t.limit_train_batches or 10**9)
    valid = watches[sizes[-1]].validation
    validation_s = median(valid) * min(-(-len(datasets[1]) // min(t.batch_size, len(datasets[1]))), t.limit_train_batches or 10**9)  # fmt: skip
    epochs = t.epochs if t.max_steps is None else min(t.epochs, t.max_steps * t.accumulate_grad_batches / per_epoch)
    slope = (step_s - short_s) / max(1, longest - shortest)
    steps_s = [short_s + slope * (rollout.expected(e, longest) - shortest) for e in range(math.ceil(epochs))]
    # the last epoch may be a part of one; it is validated whatever the interval
    total_s = sum(min(1.0, epochs - e) * per_epoch * s for e, s in enumerate(steps_s))
    total_s += validation_s * math.ceil(math.ceil(epochs) / t.val_interval)
    parameters = [p for p in module.forecaster.parameters() if p.requires_grad]
    weights_bytes = sum(p.numel() * p.element_size() for p in parameters)
    return Estimate(
        num_parameters=sum(p.numel() for p in parameters), weights_bytes=weights_bytes,
        optimiser_bytes=_ADAM_COPIES * weights_bytes, batch_size=size, step_s=step_s, step_error=error,
        gflop_per_step=flops / 1e9, steps_per_epoch=per_epoch, validation_s=validation_s, epoch_s=total_s / epochs,
        total_s=total_s, forecast_s=forecast_s, forecast_steps=t.num_pred_steps_val_test,
        memory_bytes=most, sample_bytes=per_sample, available_bytes=available, largest_batch=largest,
    )  # fmt: skip


def _short_step(
    config: RunConfig, folder: Path, module: AutoRegressiveLightning, dataset: DatasetABC, batch_size: int, num_steps: int,
    job: Job, accelerator: str,
) -> float:  # fmt: skip
    """Seconds of a training step that unrolls so many steps."""
    watch = _Stopwatch()
    module.rollout = RolloutLength([(0, num_steps)])
    _fit(_trainer(config, folder, watch, job, accelerator), config.train, module, dataset, batch_size)
    module.rollout = RolloutLength()
    return fmean(watch.steps[_WARM_UP:] or watch.steps)


def _trainer(config: RunConfig, folder: Path, watch: _Stopwatch, job: Job, accelerator: str) -> pl.Trainer:
    """The trainer of the run, for some batches of its longest rollout."""
    t = config.train
    train = replace(
        t, epochs=1, max_steps=None, rollout_schedule=(), num_pred_steps_train=t.longest_rollout, profiler="None",
        limit_train_batches=min(_MAX_BATCHES, t.limit_train_batches or _MAX_BATCHES), accumulate_grad_batches=1,
    )  # fmt: skip
    return make_trainer(replace(config, train=train), folder, [watch], [], job, accelerator)


def _loader(t: TrainSettings, dataset: DatasetABC, batch_size: int, shuffle: bool) -> Loader:
    settings = LoaderSettings(
        batch_size=batch_size, shuffle=shuffle, seed=t.seed, pin_memory=torch.cuda.is_available(), num_threads=t.num_threads
    )  # fmt: skip
    return Loader(dataset, settings)


def _fit(
    trainer: pl.Trainer, t: TrainSettings, module: AutoRegressiveLightning, dataset: DatasetABC, batch_size: int
) -> None:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".*have no `val_dataloader`.*")
        trainer.fit(module, _loader(t, dataset, batch_size, True))


def _validate(trainer: pl.Trainer, t: TrainSettings, module: AutoRegressiveLightning, dataset: DatasetABC) -> None:
    trainer.limit_val_batches = min(4, t.limit_train_batches or 4)
    trainer.validate(module, _loader(t, dataset, min(t.batch_size, len(dataset)), False), verbose=False)


def _flops(module: AutoRegressiveLightning, dataset: DatasetABC, batch_size: int) -> int:
    batch = dataset.read_batch(range(batch_size)).to(module.device)
    return step_flops(module.forecaster, batch, module.training_objective)


def _forecast_seconds(module: AutoRegressiveLightning, dataset: DatasetABC) -> float:
    """Seconds of one forecast, the second of two."""
    forecaster = module.forecaster.eval()
    batch = dataset.read_batch([0]).to(module.device)
    seconds = 0.0
    for _ in range(2):
        began = time.perf_counter()
        forecaster.forecast(batch)
        if module.device.type == "cuda":
            torch.cuda.synchronize(module.device)
        seconds = time.perf_counter() - began
    return seconds


def _resident() -> int:
    forget_peak_memory()
    return peak_memory_bytes()


def _available(resident: int) -> int | None:
    """Memory that the process may have in all: of the GPU, else what is free and what it holds already."""
    if torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
        return int(torch.cuda.get_device_properties(0).total_memory)
    free = available_memory_bytes()
    return None if free is None else free + max(resident, _resident())


def told(costs: Mapping[str, Any]) -> list[str]:
    """What an estimate says, in lines for people."""
    e = Estimate(**costs)
    error = f"± {100 * max(0.01, e.step_error):.0f} %"
    lines = [
        f"parameters  {e.num_parameters:,} ({_mb(e.weights_bytes)}, {_mb(e.weights_bytes + e.optimiser_bytes)} with the optimiser's moments)",
        f"step        {_time(e.step_s)} {error}: {e.batch_size / e.step_s:.3g} samples/s, {e.gflop_per_step:.3g} GFLOP",
        f"epoch       {_time(e.epoch_s)}: {e.steps_per_epoch} steps of {e.batch_size} samples, validation {_time(e.validation_s)}",
        f"training    {_time(e.total_s)} {error} on this machine as busy as it is now; before it the data, after it the test",
        f"forecast    {_time(e.forecast_s)} for {e.forecast_steps} steps",
        f"memory      {_mb(e.memory_bytes)} at batch {e.batch_size}, {_mb(e.sample_bytes)} for each further sample",
    ]
    if e.available_bytes is not None:
        fits = "unknown: another sample adds nothing that shows" if e.largest_batch is None else f"{e.largest_batch}"
        lines.append(f"largest batch  {fits} (of {_mb(e.available_bytes)})")
    return lines


def _mb(count: int) -> str:
    return f"{count / 1e9:.2f} GB" if count >= 1e9 else f"{count / 1e6:.3g} MB"


def _time(seconds: float) -> str:
    if seconds < 1:
        return f"{1e3 * seconds:.3g} ms"
    if seconds < 60:
        return f"{seconds:.3g} s"
    minutes, hours = seconds / 60, seconds / 3600
    return f"{minutes:.1f} min" if minutes < 60 else f"{hours:.1f} h"

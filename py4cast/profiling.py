"""Profile: where the time of a training's steps goes, in five lines and in a trace."""

import logging
import os
import time
from collections import defaultdict
from pathlib import Path
from statistics import median
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Callback
from pytorch_lightning.utilities.types import STEP_OUTPUT
from torch import Tensor

from py4cast.atomic import atomic_path, write_text
from py4cast.cost import peak_flops_per_s, step_flops

__all__ = ["Profile"]

logger = logging.getLogger(__name__)
_WARM_UP, _TIMED, _TRACED = 2, 10, 2
_PARTS = ("waiting for data", "forward", "backward", "optimiser", "the rest")


class Profile(Callback):
    """Creates the profile of the first steps of a training, after two that warm up.

    Ten steps are timed as they are; two more are traced, which slows them. `profile/summary.txt` and
    `profile/trace.json.gz` (for ui.perfetto.dev or chrome://tracing) are in the run's folder.

    Args:
        folder: where they go.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._seen, self._flops = 0, 0
        self._times: dict[str, list[float]] = defaultdict(list)
        self._samples = 0
        self._last: dict[str, float] = {}
        self._trace: Any = None
        self._top = ""

    @staticmethod
    def _now(pl_module: pl.LightningModule) -> float:
        if pl_module.device.type == "cuda":
            torch.cuda.synchronize(pl_module.device)
        return time.perf_counter()

    @property
    def _is_timing(self) -> bool:
        return _WARM_UP <= self._seen < _WARM_UP + _TIMED

    def on_train_batch_start(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """Counts the operations of the first step; notes when one begins; starts the trace."""
        module: Any = pl_module
        if self._seen == 0 and not self._flops:
            self._flops = step_flops(module.forecaster, batch, module.training_objective)
        if self._seen == _WARM_UP + _TIMED and trainer.is_global_zero:
            self._begin_trace()
        if self._is_timing:
            now = self._now(pl_module)
            waited = getattr(trainer.train_dataloader, "waited_s", 0.0)
            if "end" in self._last:
                self._times["waiting for data"].append(waited - self._last["waited"])
                self._times["before"].append(now - self._last["end"] - (waited - self._last["waited"]))
            self._last = {"start": now, "waited": waited}

    def on_before_backward(self, trainer: pl.Trainer, pl_module: pl.LightningModule, loss: Tensor) -> None:
        """The forward pass is done."""
        self._mark("forward", pl_module)

    def on_after_backward(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """The backward pass is done."""
        self._mark("backward", pl_module)

    def _mark(self, part: str, pl_module: pl.LightningModule) -> None:
        if self._is_timing and "start" in self._last:
            now = self._now(pl_module)
            self._times[part].append(now - self._last.get("mark", self._last["start"]))
            self._last["mark"] = now

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: STEP_OUTPUT, batch: Any, batch_idx: int
    ) -> None:
        """The step of the optimiser is done; after the last one all is told."""
        if self._is_timing and "mark" in self._last:
            self._mark("optimiser", pl_module)
            self._samples = batch.batch_size
            self._times["step"].append(self._last["mark"] - self._last["start"])
            self._last["end"] = self._last["mark"]
        self._seen += 1
        if self._seen == _WARM_UP + _TIMED:
            self._tell(trainer, pl_module)
        if self._trace is not None and self._seen == _WARM_UP + _TIMED + _TRACED:
            self._end_trace()

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Tells what a training of fewer steps gave."""
        self._end_trace()
        if self._seen < _WARM_UP + _TIMED:
            self._tell(trainer, pl_module)

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """The validation between two epochs is no part of a step."""
        self._last = {}

    def _begin_trace(self) -> None:
        os.environ.setdefault("KINETO_LOG_LEVEL", "5")  # errors alone
        activities = [torch.profiler.ProfilerActivity.CPU]
        if torch.cuda.is_available():
            activities.append(torch.profiler.ProfilerActivity.CUDA)
        self._trace = torch.profiler.profile(activities=activities)
        self._trace.__enter__()

    def _end_trace(self) -> None:
        if self._trace is None:
            return
        trace, self._trace = self._trace, None
        trace.__exit__(None, None, None)
        self._folder.mkdir(parents=True, exist_ok=True)
        with atomic_path(self._folder / "trace.json.gz", suffix=".json.gz") as temporary:
            trace.export_chrome_trace(str(temporary))
        events = sorted(trace.key_averages(), key=_own_time, reverse=True)
        total = sum(map(_own_time, events)) or 1.0
        top = ", ".join(f"{e.key} {100 * _own_time(e) / total:.0f} %" for e in events[:4])
        told = f"most time in: {top}"
        logger.info("  %s; the trace is in %s", told, self._folder / "trace.json.gz")
        summary = self._folder / "summary.txt"
        write_text(summary, (summary.read_text() if summary.exists() else "") + told + "\n")

    def _tell(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Writes and logs what the timed steps gave."""
        if not self._times["step"] or not trainer.is_global_zero:
            return
        middle = {part: median(times) for part, times in self._times.items() if times}
        before = middle.pop("before", 0.0)
        step = middle.pop("step") + before + middle.get("waiting for data", 0.0)
        middle["the rest"] = max(0.0, step - sum(middle.values()))
        dtype = (
            torch.bfloat16 if "bf16" in str(trainer.precision) and pl_module.device.type == "cuda" else torch.float32
        )
        meter = getattr(pl_module, "meter", None)
        peak = peak_flops_per_s(pl_module.device, dtype)
        rate = self._flops / step
        lines = [
            f"profile of {len(self._times['step'])} steps of {self._samples} samples: {1e3 * step:.1f} ms a step, "
            f"{self._samples / step:.1f} samples/s; {self._flops / 1e9:.3g} GFLOP a step, {rate / 1e9:.3g} GFLOP/s, "
            f"{100 * rate / peak:.0f} % of a product of matrices here"
        ]
        lines += [
            f"{part:<16} {1e3 * middle.get(part, 0.0):8.1f} ms {100 * middle.get(part, 0.0) / step:4.0f} %" for part in _PARTS[:3]
        ]  # fmt: skip
        lines.append(
            ", ".join(f"{part} {1e3 * middle.get(part, 0.0):.1f} ms {100 * middle.get(part, 0.0) / step:.0f} %" for part in _PARTS[3:])
        )  # fmt: skip
        if meter is not None:
            meter.flops_per_s, meter.peak_flops_per_s = rate, peak
        for line in lines:
            logger.info("  %s", line)
        self._folder.mkdir(parents=True, exist_ok=True)
        write_text(self._folder / "summary.txt", "\n".join(lines) + "\n")


def _own_time(event: Any) -> float:
    """The time that an operation itself took: on the device where there is one."""
    on_device: float = getattr(event, "self_device_time_total", 0.0)
    return on_device or float(event.self_cpu_time_total)

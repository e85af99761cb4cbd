"""Guards: what happens where a gradient is not finite. Every rank sees the same summed gradient, so that all decide alike."""

import logging
from abc import abstractmethod
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Callback
from torch import Tensor

from py4cast.averaging import WeightAverage
from py4cast.checkpoint_io import AtomicCheckpointIO
from py4cast.errors import NumericalError
from py4cast.late import AtOnce, WatchABC
from py4cast.meter import Meter
from py4cast.shards import whole_norm

__all__ = ["Guard", "GuardABC", "RollingBackGuard", "SkippingGuard", "watch_over"]

logger = logging.getLogger(__name__)
_MAX_SKIPPED, _MAX_ROLLED_BACK = 10, 3


class GuardABC(Callback):
    """Abstract check of the gradient before every optimiser step; mixed precision in float16 has a check of its own."""

    def on_before_optimizer_step(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, optimizer: torch.optim.Optimizer
    ) -> None:
        """Measures the norm of the gradient, and answers where it is not finite."""
        if trainer.precision == "16-mixed":
            return
        gradients = [p.grad for p in pl_module.parameters() if p.grad is not None]
        norm = whole_norm(torch.nn.utils.get_total_norm(gradients)) if gradients else torch.zeros(())
        is_bad, watch, step = ~torch.isfinite(norm), watch_over(pl_module), trainer.global_step
        if watch.is_late:
            # the fused optimiser leaves a step out by itself where this is 1, moments, decay and all
            optimizer.found_inf = is_bad.float()  # type: ignore[attr-defined]
            self._leave_out(is_bad)

        def answer(is_bad: bool) -> None:
            if not is_bad:
                self._pass(pl_module, norm)
            elif watch.is_late:
                self._tell(trainer, pl_module, optimizer, step)
            else:
                self._refuse(trainer, pl_module, optimizer)

        watch.look(is_bad, answer)

    def _leave_out(self, is_bad: Tensor) -> None:
        """Takes back what the step has changed already where its gradient is not finite."""

    def _refuse(self, trainer: pl.Trainer, pl_module: pl.LightningModule, optimizer: torch.optim.Optimizer) -> None:
        """Answers a gradient that is not finite, before its step is done."""
        self._tell(trainer, pl_module, optimizer, trainer.global_step)
        _drop_gradient(pl_module)

    def _pass(self, pl_module: pl.LightningModule, norm: Tensor) -> None:
        """Notes a gradient that is finite."""
        if (meter := _meter(pl_module)) is not None:
            meter.see_gradient(norm)

    @abstractmethod
    def _tell(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, optimizer: torch.optim.Optimizer, step: int
    ) -> None:
        """Answers a step whose gradient was not finite and that is left out; weights are as before it."""


class Guard(GuardABC):
    """Creates the guard that ends the run, with weights as they were before the step."""

    def _tell(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, optimizer: torch.optim.Optimizer, step: int
    ) -> None:
        raise NumericalError(f"the gradient is not finite at step {step}; weights are as before it; lower --lr")


class SkippingGuard(GuardABC):
    """Creates the guard that leaves a step out: weights, the optimiser's moments and what norms have counted stay as before it.

    Ten steps in a row that are not finite end the run: then it is not the batch.
    """

    def __init__(self) -> None:
        self._kept: list[tuple[Tensor, Tensor]] = []
        self._in_a_row = 0

    def on_train_batch_start(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """Keeps what the forward pass of the batches of one step changes: the running statistics of norms."""
        if batch_idx % trainer.accumulate_grad_batches == 0:
            self._kept = [(buffer, buffer.detach().clone()) for buffer in _statistics(pl_module)]

    def _pass(self, pl_module: pl.LightningModule, norm: Tensor) -> None:
        super()._pass(pl_module, norm)
        self._in_a_row = 0

    def _leave_out(self, is_bad: Tensor) -> None:
        with torch.no_grad():
            for buffer, before in self._kept:
                buffer.copy_(torch.where(is_bad, before, buffer))

    def _refuse(self, trainer: pl.Trainer, pl_module: pl.LightningModule, optimizer: torch.optim.Optimizer) -> None:
        super()._refuse(trainer, pl_module, optimizer)
        self._leave_out(torch.ones((), dtype=torch.bool, device=pl_module.device))

    def _tell(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, optimizer: torch.optim.Optimizer, step: int
    ) -> None:
        self._in_a_row += 1
        if self._in_a_row > _MAX_SKIPPED:
            raise NumericalError(
                f"{self._in_a_row} gradients in a row are not finite, the last at step {step}; weights are as before them; "
                "lower --lr"
            )
        if (meter := _meter(pl_module)) is not None:
            meter.num_skipped += 1
        if trainer.is_global_zero:
            logger.warning("the gradient is not finite at step %d: left out (--on_nan skip)", step)


class RollingBackGuard(GuardABC):
    """Creates the guard that goes back to the last saved state, or to the beginning, and on with the samples that follow.

    Three times back to one state end the run.

    Args:
        last: where the newest state lies.
    """

    def __init__(self, last: Path) -> None:
        self._last = last
        self._begin: dict[str, Tensor] = {}
        self._of, self._times = -1.0, 0

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Keeps the weights of the beginning where no state is saved yet."""
        if self._last.exists():
            return
        self._begin = {name: value.detach().cpu().clone() for name, value in pl_module.state_dict().items()}

    def _tell(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, optimizer: torch.optim.Optimizer, step: int
    ) -> None:
        written = self._last.stat().st_mtime if self._last.exists() else 0.0
        self._times = self._times + 1 if written == self._of else 1
        self._of = written
        if self._times > _MAX_ROLLED_BACK:
            raise NumericalError(
                f"the gradient is not finite at step {step}, after {_MAX_ROLLED_BACK} times back to one state; lower --lr"
            )
        rates = [group["lr"] for group in optimizer.param_groups]
        if written:
            state = AtomicCheckpointIO().load_checkpoint(self._last)
            pl_module.load_state_dict(state["state_dict"])
            optimizer.load_state_dict(state["optimizer_states"][0])
            self._roll_average_back(trainer, pl_module, state)
        else:
            pl_module.load_state_dict(self._begin)
            optimizer.state.clear()
        for group, rate in zip(optimizer.param_groups, rates, strict=True):
            group["lr"] = rate  # the schedule goes on
        _drop_gradient(pl_module)  # where the next step is queued already, it is of weights that are no more
        if (meter := _meter(pl_module)) is not None:
            meter.num_rolled_back += 1
        if trainer.is_global_zero:
            logger.warning(
                "the gradient is not finite at step %d: back to %s, on with the next samples (--on_nan rollback)",
                step, self._last if written else "the beginning",
            )  # fmt: skip

    @staticmethod
    def _roll_average_back(trainer: pl.Trainer, pl_module: pl.LightningModule, state: dict[str, Any]) -> None:
        kept = (state.get("callbacks") or {}).get(WeightAverage.__name__)
        averages: list[Any] = [c for c in getattr(trainer, "callbacks", ()) if type(c) is WeightAverage]
        for average in averages if kept else ():
            average.load_state_dict(kept)
            average.on_train_start(trainer, pl_module)


def watch_over(pl_module: pl.LightningModule) -> WatchABC:
    """The watch of a training; a module that has none is looked at at once."""
    watch: Any = getattr(pl_module, "watch", None)
    return watch if isinstance(watch, WatchABC) else AtOnce()


def _meter(pl_module: pl.LightningModule) -> Meter | None:
    meter: Any = getattr(pl_module, "meter", None)
    return meter if type(meter) is Meter else None


def _drop_gradient(pl_module: pl.LightningModule) -> None:
    """Leaves the optimiser nothing to do, not even to decay weights."""
    for parameter in pl_module.parameters():
        parameter.grad = None


def _statistics(pl_module: pl.LightningModule) -> list[Tensor]:
    """What a forward pass changes: buffers of norms that track statistics."""
    return [
        buffer
        for module in pl_module.modules()
        if getattr(module, "track_running_stats", False)
        for buffer in module.buffers(recurse=False)
    ]

"""WeightAverage: a moving average of the weights, which is validated, tested and saved."""

from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Callback
from pytorch_lightning.utilities.types import STEP_OUTPUT
from torch import Tensor

__all__ = ["WeightAverage", "average_of", "put_weights"]


class WeightAverage(Callback):
    """Creates the average w̄ ← d·w̄ + (1 − d)·w after every optimiser step, d = min(decay, (1 + n)/(10 + n)) at the n-th.

    Validation and test see w̄; training goes on from w. Checkpoints hold both, so that a resumed run is the same run.

    Args:
        decay: of the average, below 1.

    Reference: B. T. Polyak and A. B. Juditsky (1992), Acceleration of stochastic approximation by averaging, doi 10.1137/0330046.
    """

    def __init__(self, decay: float) -> None:
        self._decay = decay
        self._average: dict[str, Tensor] = {}
        self._trained: dict[str, Tensor] = {}  # while the average stands in their place
        self._count = 0

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint keeps of the average."""
        return {"average": {k: v.cpu() for k, v in self._average.items()}, "count": self._count}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Takes over a state: the inverse of `state_dict`."""
        self._average, self._count = dict(state_dict["average"]), int(state_dict["count"])

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Begins with the weights as they are."""
        for name, weight in pl_module.named_parameters():
            known = self._average.get(name)
            self._average[name] = weight.detach().clone() if known is None else known.to(weight.device)

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: STEP_OUTPUT, batch: Any, batch_idx: int
    ) -> None:
        """Takes the weights of an optimiser step in."""
        if trainer.global_step == self._count:
            return  # gradients are being accumulated
        self._count = trainer.global_step
        decay = min(self._decay, (1 + self._count) / (10 + self._count))
        with torch.no_grad():
            for name, weight in pl_module.named_parameters():
                self._average[name].lerp_(weight, 1 - decay)

    def on_validation_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Puts the average in the place of the weights."""
        if self._average and not self._trained:
            self._trained = {name: weight.detach().clone() for name, weight in pl_module.named_parameters()}
            put_weights(pl_module, self._average)

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Puts the weights that are trained back."""
        if self._trained:
            put_weights(pl_module, self._trained)
            self._trained = {}

    def on_save_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """A checkpoint that is written within a validation holds the weights all the same."""
        checkpoint["state_dict"].update(self._trained)


def put_weights(module: torch.nn.Module, weights: dict[str, Tensor]) -> None:
    """Copies weights by name into a module; names that are not among them keep theirs."""
    with torch.no_grad():
        for name, weight in module.named_parameters():
            if name in weights:
                weight.copy_(weights[name])


def average_of(checkpoint: dict[str, Any]) -> dict[str, Tensor]:
    """The averaged weights that a checkpoint holds; empty for a run without."""
    callbacks = checkpoint.get("callbacks") or {}
    state: dict[str, Any] = callbacks.get(WeightAverage.__name__) or {}
    average: dict[str, Tensor] = state.get("average", {})
    return average

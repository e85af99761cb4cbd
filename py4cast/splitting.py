"""Splitting: the ranks of a group compute each sample together while a training, a validation or a test runs."""

from typing import Any

import pytorch_lightning as pl

from py4cast.models.split.batches import BatchParts
from py4cast.models.split.group import ModelGroup

__all__ = ["Splitting"]


class Splitting(pl.Callback):
    """Creates the callback that cuts the network when ranks have met, and makes it whole when they part.

    Args:
        model_ranks: ranks that compute a sample together.
        parts: of the batches that the loaders read.
    """

    def __init__(self, model_ranks: int, parts: BatchParts) -> None:
        self._model_ranks, self._parts = model_ranks, parts
        self._group: ModelGroup | None = None

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Cuts the network; SettingsError where it cannot be."""
        if self._group is None:
            self._group = ModelGroup.of_world(self._model_ranks)
        self._parts.group = self._group
        module: Any = pl_module
        module.forecaster.network.split(self._group)
        module.whole_batch = self._parts.joined

    def teardown(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Makes the network whole again."""
        module: Any = pl_module
        module.forecaster.network.unsplit()

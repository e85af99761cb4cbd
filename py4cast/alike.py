"""Alike: whether the ranks of a training have the same version, data and network, before the first step."""

import hashlib
import json
from typing import Any

import numpy as np
import pytorch_lightning as pl

from py4cast.batch import ItemBatch
from py4cast.errors import SettingsError
from py4cast.ranks import gathered, is_shared
from py4cast.version import __version__

__all__ = ["Alike", "check_alike", "marks_of"]


def marks_of(module: Any, first: ItemBatch, num_samples: int) -> dict[str, str]:
    """What must be the same on all ranks, by what it is called in a message.

    Args:
        module: that is trained.
        first: the first sample.
        num_samples: of the training period.
    """
    weights = hashlib.sha256()
    for name, value in sorted(module.forecaster.network.state_dict().items()):
        weights.update(name.encode() + value.detach().cpu().contiguous().numpy().tobytes())
    sample = hashlib.sha256()
    for key, field in sorted(first.fields.items()):
        sample.update(key.encode() + np.ascontiguousarray(field.tensor.cpu().numpy()).tobytes())
    header = json.dumps(module.forecaster.header(), sort_keys=True, default=str)
    return {
        "version of py4cast": __version__,
        "settings, variables or statistics": hashlib.sha256(header.encode()).hexdigest()[:12],
        "number of samples": str(num_samples),
        "first sample": sample.hexdigest()[:12],
        "weights to begin from": weights.hexdigest()[:12],
    }


def check_alike(marks: list[dict[str, str]]) -> None:
    """Refuses ranks that differ from the first one; SettingsError names one and in what."""
    for rank, mark in enumerate(marks):
        for what, value in marks[0].items():
            if mark.get(what) != value:
                raise SettingsError(
                    f"rank {rank} has another {what} ({mark.get(what)}) than rank 0 ({value}); expected the same files, version and "
                    "settings on every node"
                )


class Alike(pl.Callback):
    """Creates the callback that compares the ranks once they have met.

    Args:
        dataset: of the training period.
    """

    def __init__(self, dataset: Any) -> None:
        self._dataset = dataset

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Compares; SettingsError where ranks differ."""
        if stage == "fit" and is_shared():
            marks = marks_of(pl_module, self._dataset.read_batch([0]), len(self._dataset))
            check_alike(gathered(marks))

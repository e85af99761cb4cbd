"""Alike: whether the ranks of a training have the same version, data and network, before the first step."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

import pytorch_lightning as pl

from py4cast.batch import ItemBatch
from py4cast.checksums import checksums_of
from py4cast.errors import SharedError
from py4cast.ranks import gathered, is_shared
from py4cast.settings import digest
from py4cast.version import __version__

__all__ = ["Alike", "check_alike", "marks_of"]


def marks_of(module: Any, first: ItemBatch, num_samples: int, settings: Mapping[str, Any]) -> dict[str, str]:
    """What must be the same on all ranks, by what it is called in a message.

    Args:
        module: that is trained.
        first: the first sample.
        num_samples: of the training period.
        settings: of the run, as plain JSON values.
    """
    sample = {key: field.tensor for key, field in first.fields.items()}
    return {
        "version of py4cast": __version__,
        **{f"setting {place}": value for place, value in _flat(settings)},
        "settings, variables or statistics": digest(module.forecaster.header())[:12],
        "number of samples": str(num_samples),
        "first sample": digest(checksums_of(sample))[:12],
        "weights to begin from": digest(checksums_of(module.forecaster.network.state_dict()))[:12],
    }


def _flat(settings: Any, place: str = "") -> Iterator[tuple[str, str]]:
    """Settings by their dotted places."""
    if isinstance(settings, Mapping):
        for key, value in settings.items():
            yield from _flat(value, f"{place}.{key}" if place else str(key))
    else:
        yield place, json.dumps(settings, sort_keys=True)


def check_alike(marks: list[dict[str, str]]) -> None:
    """Refuses ranks that differ from the first one; SharedError names one and in what."""
    for rank, mark in enumerate(marks):
        for what, value in marks[0].items():
            if mark.get(what) != value:
                raise SharedError(
                    f"rank {rank} has another {what} ({mark.get(what)}) than rank 0 ({value}); expected the same files, version and "
                    "settings on every node"
                )


class Alike(pl.Callback):
    """Creates the callback that compares the ranks once they have met.

    Args:
        dataset: of the training period.
        settings: of the run, as plain JSON values.
    """

    def __init__(self, dataset: Any, settings: Mapping[str, Any]) -> None:
        self._dataset, self._settings = dataset, settings

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Compares; SharedError where ranks differ."""
        if stage == "fit" and is_shared():
            marks = marks_of(pl_module, self._dataset.read_batch([0]), len(self._dataset), self._settings)
            check_alike(gathered(marks))

"""Instants that a training learns from and that are scored after it: such scores are not those of unseen data."""

import logging
from collections.abc import Sequence

import numpy as np
import torch

from py4cast.datasets.base import DatasetABC
from py4cast.errors import DataError

__all__ = ["check_splits", "tell_overlap"]

logger = logging.getLogger(__name__)


def check_splits(datasets: Sequence[DatasetABC]) -> None:
    """Refuses a split without samples or without values to learn from or to score, and warns of instants that are learned from and scored.

    Args:
        datasets: of training, validation and test.

    Raises:
        DataError: a split holds no sample, or no value of what is predicted.
    """
    for split, dataset in zip(("train", "valid", "test"), datasets, strict=True):
        if len(dataset) == 0:
            raise DataError(f"dataset {datasets[0].info.name!r}: the split {split} holds no sample")
        _check_values(split, dataset)
    tell_overlap(datasets)


def _check_values(split: str, dataset: DatasetABC) -> None:
    """Refuses a split whose samples lack all that is predicted; the first sample that has a value ends the search."""
    info = dataset.info
    counts = info.statics.cell_weights.squeeze(-1) > 0
    for index in range(len(dataset)):
        outputs = dataset[index].outputs
        # rows and columns of the tensor are dimensions 1 and 2 of `(timestep, lat, lon, features)`
        if outputs is None or bool(torch.isfinite(outputs[info.predicted].tensor[:, counts]).any()):
            return
    raise DataError(
        f"dataset {info.name!r}: the split {split} holds no value of {', '.join(info.predicted)} in its {len(dataset)} samples"
    )


def tell_overlap(datasets: Sequence[DatasetABC]) -> None:
    """Warns of instants of the validation or the test that are among those of the training, where these are known.

    Args:
        datasets: of training, validation and test.
    """
    # datasets of other packages need not know
    learned = getattr(datasets[0], "instants", None)
    for split, dataset in zip(("valid", "test"), datasets[1:], strict=True):
        scored = getattr(dataset, "instants", None)
        if learned is None or scored is None:
            continue
        both = np.intersect1d(learned, scored)
        if both.size:
            logger.warning(
                "period %s: %d of its %d instants are learned from, %s to %s: its scores are not those of unseen data",
                split, both.size, scored.size, both[0], both[-1],
            )  # fmt: skip

"""What is said when a training is no longer finite."""

import logging

import torch

from py4cast.batch import ItemBatch
from py4cast.errors import DataError, NumericalError
from py4cast.forecaster import Forecaster
from py4cast.shards import lies_in_pieces

__all__ = ["answer_loss", "explanation"]

logger = logging.getLogger(__name__)


def explanation(forecaster: Forecaster, batch: ItemBatch, step: int) -> str:
    """Which variable of which forecast is not finite.

    Args:
        forecaster: that is trained.
        batch: on which the loss was not finite.
        step: of the optimiser.
    """
    when = ", ".join(str(t) for t in (batch.init_time if batch.init_time is not None else []))
    fields = [(key, name, f[name]) for key, f in batch.fields.items() for name in f.feature_names]
    bad = [f"{key} {name}" for key, name, values in fields if bool(torch.isinf(values).any())]
    if not bad and lies_in_pieces(forecaster.network):
        # a pass gathers weights from all ranks, which may have found nothing
        bad = ["of which variable no rank can tell alone"]
    reasons = bad or [_unrolled(forecaster, batch)]
    return (
        f"the loss is not finite at step {step}, forecasts from {when}: {'; '.join(reasons)}; weights are as before it"
    )


def _unrolled(forecaster: Forecaster, batch: ItemBatch) -> str:
    """What a forecast of the batch says; norms count what passes, and what this one adds is taken back."""
    counted = [(buffer, buffer.clone()) for buffer in forecaster.network.buffers()]
    try:
        with torch.no_grad():
            list(forecaster.rollout(batch))
        told = "none of the fields alone"
    except (NumericalError, DataError) as error:
        told = str(error)
    for buffer, before in counted:
        buffer.data.copy_(before)  # a backward pass may be still to come
    return told


def answer_loss(forecaster: Forecaster, batch: ItemBatch, step: int, stops: bool, is_bad: bool) -> None:
    """Says why the loss of a batch was not finite, where it was not.

    Args:
        forecaster: that is trained, with the weights of that step.
        batch: on which the loss was not finite.
        step: of the optimiser.
        stops: whether that ends the run.
        is_bad: whether it was not.

    Raises:
        NumericalError: it ends the run.
    """
    if not is_bad:
        return
    told = explanation(forecaster, batch, step)
    if stops:
        raise NumericalError(told)
    logger.warning("%s", told)

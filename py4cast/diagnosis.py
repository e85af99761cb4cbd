"""What is said when a training is no longer finite."""

import torch

from py4cast.batch import ItemBatch
from py4cast.errors import DataError, NumericalError
from py4cast.forecaster import Forecaster

__all__ = ["explanation"]


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
    if not bad:
        try:
            with torch.no_grad():
                list(forecaster.rollout(batch))
            bad = ["none of the fields alone"]
        except (NumericalError, DataError) as error:
            bad = [str(error)]
    return f"the loss is not finite at step {step}, forecasts from {when}: {'; '.join(bad)}; weights are as before it"

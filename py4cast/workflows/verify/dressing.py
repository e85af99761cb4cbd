"""The reference `gaussian` of an ensemble: which forecast is dressed, and with which errors."""

import logging
import os
from collections.abc import Callable

from torch import Tensor

from py4cast.batch import ItemBatch
from py4cast.errors import DataError, SettingsError
from py4cast.forecaster import Forecaster
from py4cast.metrics.dressed import Dressed

__all__ = ["dressing"]

logger = logging.getLogger(__name__)


def dressing(
    model: Forecaster, gaussian: str | os.PathLike[str] | None, num_steps: int, num_members: int
) -> tuple[Dressed | None, Callable[[ItemBatch], Tensor] | None]:
    """What dresses a forecast, and what makes the forecast; None for the mean of the model's members.

    Args:
        model: that is verified.
        gaussian: another Forecaster to dress; None for the model's own mean.
        num_steps: lead times.
        num_members: of the model; a single forecast has no such reference.

    Raises:
        SettingsError: another Forecaster for a model without members.
        DataError: it is of other data, or its errors are not known to the last lead time.
    """
    if num_members < 2:
        if gaussian is not None:
            raise SettingsError(f"--gaussian {gaussian}: a reference for ensembles; this Forecaster makes one forecast")
        return None, None
    features = model.info.predicted
    if gaussian is None:
        dressed = Dressed.of(_errors(model), features, num_steps)
        if dressed is None:
            logger.info("no reference gaussian: the Forecaster knows no validation errors of %d steps", num_steps)
        return dressed, None
    other = Forecaster.load(gaussian).to(model.device)
    other.info.check_same(model.info)
    for what, ours, theirs in (
        ("num_input_steps", model.num_input_steps, other.num_input_steps),
        ("predicted variables", features, other.info.predicted),
    ):
        if ours != theirs:
            raise DataError(f"--gaussian {gaussian}: its {what} are {theirs}, those of the Forecaster {ours}")
    dressed = Dressed.of(_errors(other), features, num_steps)
    if dressed is None:
        raise DataError(
            f"--gaussian {gaussian}: it knows no validation errors of {num_steps} steps; train it with --num_pred_steps_val_test {num_steps}"
        )

    def forecast(batch: ItemBatch) -> Tensor:
        values: Tensor = other.forecast(batch, num_steps).tensor
        return values.mean(1) if values.ndim == 6 else values

    return dressed, forecast


def _errors(model: Forecaster) -> object:
    """The root mean square errors of its forecasts on the validation split, as it makes them: calibrated or not."""
    calibration = model.calibration
    return model.lineage.get("validation_rmse") if calibration is None else calibration.source.get("rmse")

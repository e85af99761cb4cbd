"""Entry: where physical values become standardised ones, once, on their way into a Forecaster."""

import logging
from collections.abc import Mapping, Sequence
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn

from py4cast.batch import ItemBatch
from py4cast.calibration import Calibration, hours_of
from py4cast.constraint import bounded_array
from py4cast.dataset_info import DatasetInfo
from py4cast.errors import DataError, NumericalError
from py4cast.given import Given, Samples
from py4cast.learned import learned_info, transforms_of
from py4cast.limits import bounded
from py4cast.namedtensor import NamedTensor
from py4cast.normalizer import Normalizer
from py4cast.timeline import later
from py4cast.variables import bounds_of

__all__ = ["Entry", "calibrated", "check_finite", "random_state", "tell_own_noise"]

logger = logging.getLogger(__name__)


class Entry(nn.Module):
    """Creates the entry of a Forecaster.

    Args:
        info: of the data.
        further: keys of the inputs that its model asks for.

    Attributes:
        states: of the prognostic features.
        predictions: of the predicted ones.
        forcings: of the forcings.
        inputs: of the further inputs, by key.
        learned: the data as they are learned.
        bounds: of the predicted features, by name.
    """

    def __init__(self, info: DatasetInfo, further: Sequence[str], tells_gaps: bool = False) -> None:
        super().__init__()
        self._tells_gaps = tells_gaps
        self.info = info
        stats, transforms = info.stats | info.learned_stats, transforms_of(info.variables)
        self.states = Normalizer(info.prognostic, stats, transforms)
        self.predictions = Normalizer(info.predicted, stats, transforms)
        self.forcings = Normalizer(info.forcing, stats, transforms)
        self.learned, self.bounds = learned_info(info), bounds_of(info.variables)
        self.inputs = nn.ModuleDict(
            {key: Normalizer(info.inputs[key].names, info.inputs[key].stats) for key in further}
        )

    def physical(self, prediction: Tensor) -> Tensor:
        """A standardised prediction `(..., learned)` as it is in the data, `(..., features)`, within its bounds."""
        values = self.predictions.physical(prediction.float())
        return bounded(values, self.info.predicted, self.bounds) if self.bounds else values

    def _further(self) -> dict[str, Normalizer]:
        return {key: n for key, n in self.inputs.items() if isinstance(n, Normalizer)}

    def _heard(self, normalizer: Normalizer, values: Tensor) -> Tensor:
        """A further input, standardised; behind it where it is known, for a network that takes that."""
        standardised = normalizer.standardise(values)
        if not self._tells_gaps:
            return standardised
        return torch.cat([standardised, (~torch.isnan(standardised)).to(standardised.dtype)], dim=-1)

    def given(self, step: Given[Tensor]) -> Given[Tensor]:
        """What is given of a step, standardised; its border has all predicted features."""
        forcing = None if step.forcing is None or not self.info.forcing else self.forcings.standardise(step.forcing)
        border = None
        if step.border is not None:
            is_whole = step.border.shape[-1] == len(self.info.predicted)
            border = (
                self.predictions.standardise(step.border)
                if is_whole
                else self._widened(self.states.standardise(step.border))
            )
        further = {key: self._heard(n, step.inputs[key]) for key, n in self._further().items()}
        return Given(forcing, border, further, step.noise)

    def _widened(self, states: Tensor) -> Tensor:
        """Prognostic features with NaN for the diagnostic ones, which have no border: they are never fed back."""
        lacking = len(self.predictions.learned) - states.shape[-1]
        return nn.functional.pad(states, (0, lacking), value=torch.nan) if lacking else states

    def samples(self, batch: ItemBatch, num_input_steps: int, force_border: bool) -> Samples:
        """A batch, standardised, features in the Forecaster's order; without outputs its truth is None.

        Args:
            batch: physical.
            num_input_steps: past states that the Forecaster takes.
            force_border: whether a driving model's fields are imposed where the batch has them.

        Raises:
            DataError: features, past states or inputs that the batch lacks.
        """
        info = self.info
        states = self.states.standardise(_ordered(batch.inputs, info.prognostic))
        if batch.num_input_steps != num_input_steps:
            raise DataError(f"{batch.num_input_steps} past states given; this Forecaster takes {num_input_steps}")
        if info.forcing and batch.forcing is None:
            raise DataError(f"no forcing given; this Forecaster needs {', '.join(info.forcing)}")
        forcing, outputs = batch.forcing, batch.outputs
        given = (
            self.forcings.standardise(_ordered(forcing, info.forcing)) if info.forcing and forcing is not None else None
        )
        truth = None if outputs is None else self.predictions.standardise(_ordered(outputs, info.predicted))
        border = truth
        if "boundary" in batch and force_border:
            border = self._widened(self.states.standardise(_ordered(batch["boundary"], info.prognostic)))
        further = {}
        for key, normalizer in self._further().items():
            if key not in batch:
                raise DataError(f"no input {key!r} given; this Forecaster needs {', '.join(self.inputs)}")
            further[key] = self._heard(normalizer, _ordered(batch[key], info.inputs[key].names))
        return Samples(states, given, truth, border, further, batch.init_time)  # type: ignore[arg-type]


def _ordered(values: NamedTensor, names: list[str]) -> Tensor:
    """The features `names` in this order; DataError names what lacks."""
    if values.feature_names == names:
        return values.tensor
    lacking = [n for n in names if n not in values.feature_names]
    if lacking:
        raise DataError(f"features {lacking} are missing; given {values.feature_names}")
    return cast(Tensor, values[names].tensor)


def check_finite(prediction: Tensor, info: DatasetInfo, step: int) -> None:
    """Refuses a forecast `(batch, (member,) lat, lon, features)`, standardised, that is no longer finite.

    Raises:
        NumericalError: names the variables, the lead time and the first place.
    """
    finite = torch.isfinite(prediction.flatten(0, -4))
    if bool(finite.all()):
        return
    bad = [n for i, n in enumerate(info.predicted) if not bool(finite[..., i].all())]
    lead = (step + 1) * info.step_duration
    _, row, column, _ = (int(i) for i in torch.nonzero(~finite)[0])
    place = f"{info.grid.latitude_2d()[row, column]:.2f} N {info.grid.longitude_2d()[row, column]:.2f} E"
    raise NumericalError(
        f"the forecast of {', '.join(bad)} is not finite at lead time {lead}, first at row {row}, column {column} ({place})"
    )


def random_state(device: torch.device) -> Tensor:
    """The state of the generators that a step on a device could draw from, as bytes."""
    states = [torch.get_rng_state()]
    if device.type == "cuda":
        states.append(torch.cuda.get_rng_state(device))
    return torch.cat(states)


def tell_own_noise(names: Mapping[str, str]) -> None:
    """Says that a strategy or a network draws random numbers itself, so that a forecast cannot be made again."""
    logger.warning(
        "strategy %r or model %r draws random numbers of its own: two forecasts differ, and this is one random member; "
        "set noise and num_noise of the strategy, and it is given them",
        names["strategy"],
        names["model"],
    )


def calibrated(
    values: Tensor, batch: ItemBatch, step: int, info: DatasetInfo, calibration: Calibration, is_imposed: bool
) -> Tensor:
    """Predictions `(batch, (member,) lat, lon, features)` of a step, physical, put right; but for a border that is imposed.

    Raises:
        DataError: the batch does not say when its forecasts start.
    """
    if batch.init_time is None:
        raise DataError("a batch without init_time: a calibration depends on the hour of the day")
    times = later(np.asarray(batch.init_time, dtype="datetime64[s]"), step + 1, info.step_duration)
    members = values.shape[1] if values.ndim > 4 else 1
    first = batch.inputs[info.prognostic].tensor[:, -1].repeat_interleave(members, 0).cpu().numpy()
    flat = values.flatten(0, 1) if values.ndim > 4 else values
    border = info.statics.border_mask.bool().squeeze(-1).cpu().numpy() if is_imposed else None
    right = calibration.apply(flat.cpu().numpy(), first, step, hours_of(times), members, border)
    within = bounded_array(right, info.predicted, bounds_of(info.variables))
    return torch.from_numpy(within).to(values).reshape(values.shape)

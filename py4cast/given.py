"""Given: what is given of one step to predict. Samples: a batch to learn from.

A `Given` is of arrays or of tensors, in physical or in standardised units, as who takes it says.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, TypeVar

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["Given", "Samples"]

T = TypeVar("T")


class Given(NamedTuple, Generic[T]):
    """What is given of one step to predict.

    Args:
        forcing: `(batch, lat, lon, features)`; None where there is none.
        border: predicted (or prognostic alone) features that are imposed in the border where the strategy does so,
            `(batch, lat, lon, features)`, NaN where they are not known.
        inputs: further inputs by key, on grids of their own, `(batch, lat, lon, features)` each.
        noise: standard normal numbers for a strategy that asks for them, `(batch, noise)` for a vector or
            `(batch, lat, lon, noise)` for cells; behind `batch` a dimension `member` where there are several.
    """

    forcing: T | None = None
    border: T | None = None
    inputs: Mapping[str, T] = MappingProxyType({})
    noise: T | None = None


class Samples(NamedTuple):
    """A batch to learn from, standardised.

    Args:
        states: past states, `(batch, timestep, lat, lon, features)`, prognostic features.
        forcing: of every step to predict, `(batch, timestep, lat, lon, features)`; None where there is none.
        truth: predicted features of every step, `(batch, timestep, lat, lon, features)`; NaN where they are missing.
        border: what is imposed in the border where it is not the truth, of the truth's shape.
        inputs: further inputs by key, `(batch, timestep, lat, lon, features)` each.
        init_time: time of the last past state of every sample, `datetime64`.
        noise: for a strategy that asks for it, `(batch, timestep, …)` as in `Given`, with a dimension `member` behind
            `batch` where there are several.
    """

    states: "Tensor"
    forcing: "Tensor | None"
    truth: "Tensor"
    border: "Tensor | None" = None
    inputs: "Mapping[str, Tensor]" = MappingProxyType({})
    init_time: Any = None
    noise: "Tensor | None" = None

    @property
    def num_steps(self) -> int:
        """Number of steps to predict."""
        return self.truth.shape[1]

    def first(self, num_steps: int) -> "Samples":
        """The same samples with fewer steps to predict; the noise is drawn for them later."""
        if num_steps >= self.num_steps:
            return self
        forcing, border = (None if x is None else x[:, :num_steps] for x in (self.forcing, self.border))
        inputs = {key: values[:, :num_steps] for key, values in self.inputs.items()}
        return self._replace(forcing=forcing, truth=self.truth[:, :num_steps], border=border, inputs=inputs)

    def forcing_of(self, step: int) -> "Tensor | None":
        """The forcing of one step, `(batch, lat, lon, features)`."""
        return None if self.forcing is None else self.forcing[:, step]

    def border_of(self, step: int) -> "Tensor":
        """What is imposed in the border at one step, `(batch, lat, lon, features)`."""
        return (self.truth if self.border is None else self.border)[:, step]

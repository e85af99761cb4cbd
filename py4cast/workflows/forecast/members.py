"""Members of a forecast: those of the input, and those that a strategy makes of each by noise."""

from collections.abc import Iterator, Sequence

import numpy as np

from py4cast.errors import SettingsError
from py4cast.given import Given
from py4cast.steppers import Array, StepInfo

__all__ = ["Members"]


class Members:
    """Creates the members of one forecast; in a step they stand one behind the other along `batch`.

    Args:
        info: of the Forecaster.
        init_time: start of the forecast.
        of_input: numbers of the members that the input has; empty for a single state.
        num_members: that are made of each state by noise; None for as many as the Forecaster was trained on.
        seed: of the noise.
        is_perturbed: whether members of a Forecaster without noise differ by their starts.

    Raises:
        SettingsError: several members of a Forecaster without noise.
    """

    def __init__(
        self,
        info: StepInfo,
        init_time: np.datetime64,
        of_input: Sequence[int] = (),
        num_members: int | None = None,
        seed: int = 0,
        is_perturbed: bool = False,
    ) -> None:
        asked = info.num_members if num_members is None else num_members
        if asked < 1:
            raise SettingsError(f"--num_members {asked}: expected at least 1")
        if asked > 1 and not info.noise and not is_perturbed:
            raise SettingsError(
                f"--num_members {asked}: {info.title} takes no noise, so that all members would be the same; members come from a "
                f"strategy with noise, from an ensemble of analyses by --input, or from perturbed starts by --perturb"
            )
        self._info, self._init_time, self._seed, self._each = info, init_time, seed, asked
        count = max(1, len(of_input)) * asked
        self.numbers: tuple[int, ...] = tuple(of_input) if asked == 1 else tuple(range(count))
        self._rows = list(self.numbers) or [0]

    @property
    def rows(self) -> list[int]:
        """Numbers of all members, as they stand in a step."""
        return self._rows

    def states(self, states: Array) -> Array:
        """Past states of every member, `(member, timestep, lat, lon, features)`, of those of the input."""
        return states if self._each == 1 else states.repeat(self._each, axis=0)

    def given(self, given: Iterator[Given[Array]]) -> Iterator[Given[Array]]:
        """What is given of each step to every member, of what is given to those of the input."""
        for number, step in enumerate(given):
            forcing, border = (None if values is None else self._wide(values) for values in (step.forcing, step.border))
            inputs = {key: self._wide(values) for key, values in step.inputs.items()}
            yield Given(forcing, border, inputs, self._noise(number))

    def _wide(self, values: Array) -> Array:
        return values if self._each == 1 else values.repeat(self._each, axis=0)

    def _noise(self, step: int) -> Array | None:
        if not self._info.noise:
            return None
        (noise,) = self._info.noise.draw(self._seed, self._init_time, self._rows, step, self._info.grid.shape)
        return np.asarray(noise)

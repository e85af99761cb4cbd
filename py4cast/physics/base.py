"""The contract of physics: what is known of how a state changes, beside which a network learns the rest.

    ∂ₜ state = tendency(state, forcing) + source

Values are gridded and in physical units, `(batch, lat, lon, features)`. A physics of one's own says its `tendency`;
whatever steps better than the classical Runge–Kutta scheme says so in `advance`.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

from torch import Tensor, nn

from py4cast.errors import SettingsError, nearest

__all__ = ["PhysicsABC"]


class PhysicsABC(nn.Module, ABC):
    """Abstract physics; the constructor takes `(settings, grid)`.

    Attributes:
        settings_kls: its settings.
        prognostic: the features of the state that it steps, in order, with their units.
        forcing: features of the forcing that it uses where the data have them, in order, with their units.
        derived: fields that it can make of a state, with their units.
        terms: terms of the tendency that a network can replace.
        conserves_mean: whether its tendency has no mean over the cells, which are of one size, so that what is added to it
            should have none.
    """

    settings_kls: ClassVar[Any]
    reference: ClassVar[str] = ""
    prognostic: ClassVar[Mapping[str, str]]
    forcing: ClassVar[Mapping[str, str]] = {}
    derived: ClassVar[Mapping[str, str]] = {}
    terms: ClassVar[tuple[str, ...]] = ()
    conserves_mean: ClassVar[bool] = False

    @abstractmethod
    def tendency(self, state: Tensor, forcing: Tensor | None = None) -> Tensor:
        """∂ₜ state of the `prognostic` features, [units s-1].

        Args:
            state: `(batch, lat, lon, features)`.
            forcing: those of `forcing` that the data have, `(batch, lat, lon, features)`.
        """

    def advance(
        self, state: Tensor, step: float, num_steps: int, forcing: Tensor | None = None, source: Tensor | None = None
    ) -> Tensor:
        """The state after some steps; by the classical Runge–Kutta scheme of order 4.

        Args:
            state: `(batch, lat, lon, features)`.
            step: of one of them [s].
            num_steps: how many.
            forcing: held over the steps.
            source: added to the tendency and held over the steps, [units s-1].
        """

        def rate(values: Tensor) -> Tensor:
            change = self.tendency(values, forcing)
            return change if source is None else change + source

        for _ in range(num_steps):
            first = rate(state)
            second = rate(state + step / 2 * first)
            third = rate(state + step / 2 * second)
            fourth = rate(state + step * third)
            state = state + step / 6 * (first + 2 * (second + third) + fourth)
        return state

    def learned(self) -> Mapping[str, float]:
        """Parameters that are learned, by name, as they are now."""
        return {}

    def closure_tendency(self, state: Tensor) -> Tensor | None:
        """The part of the tendency that a closure of a formula makes, [units s-1]; None where there is none."""
        return None

    def derive(self, state: Tensor, names: tuple[str, ...]) -> Tensor:
        """Fields of `derived` by name, `(batch, lat, lon, features)`."""
        raise SettingsError(
            f"physics {type(self).__name__}: no derived field {names[0]!r}{nearest(names[0], self.derived)}"
        )

    def largest_step(self, state: Tensor) -> float:
        """The largest stable step of a state [s]; infinite where there is no limit."""
        return float("inf")

    def leave_out(self, term: str) -> None:
        """Drops a term of the tendency, which a network then stands for; SettingsError for one that it has not."""
        raise SettingsError(f"physics {type(self).__name__}: no term {term!r}{nearest(term, self.terms)}")

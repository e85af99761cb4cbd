"""How a network's output acts beside the physics. A new way is one class and one line here."""

from abc import ABC, abstractmethod

from torch import Tensor

from py4cast.errors import SettingsError
from py4cast.physics import PhysicsABC

__all__ = ["COUPLINGS", "CouplingABC"]


class CouplingABC(ABC):
    """Abstract coupling of a network's rate and the physics.

    Args:
        physics: what is known.
        term: of the physics, where the coupling replaces one.
    """

    def __init__(self, physics: PhysicsABC, term: str | None) -> None:
        self.physics = physics
        if term is not None:
            raise SettingsError(f"term {term!r}: only coupling=replacement replaces a term")

    @abstractmethod
    def advance(self, state: Tensor, rate: Tensor, step: float, num_substeps: int, forcing: Tensor | None) -> Tensor:
        """The state after `num_substeps` steps of the physics, `(batch, lat, lon, features)`.

        Args:
            state: physical units.
            rate: the network's, [units s-1], held over the sub-steps.
            step: of one sub-step [s].
            num_substeps: how many.
            forcing: of the physics.
        """


class Tendency(CouplingABC):
    """Creates ∂ₜx = physics(x) + rate: the two act together at every instant."""

    def advance(self, state: Tensor, rate: Tensor, step: float, num_substeps: int, forcing: Tensor | None) -> Tensor:
        return self.physics.advance(state, step, num_substeps, forcing, rate)


class Correction(CouplingABC):
    """Creates x⁺ = physics(x) + Δt·rate: the network corrects what the physics has made of the step."""

    def advance(self, state: Tensor, rate: Tensor, step: float, num_substeps: int, forcing: Tensor | None) -> Tensor:
        return self.physics.advance(state, step, num_substeps, forcing) + step * num_substeps * rate


class Replacement(Tendency):
    """Creates the tendency with one term of the physics left out, for which the network stands."""

    def __init__(self, physics: PhysicsABC, term: str | None) -> None:
        super().__init__(physics, None)
        if term is None:
            raise SettingsError(
                f"coupling=replacement: set the term that the network replaces; {', '.join(physics.terms)}"
            )
        physics.leave_out(term)


COUPLINGS: dict[str, type[CouplingABC]] = {
    "tendency": Tendency,
    "correction": Correction,
    "replacement": Replacement,
}

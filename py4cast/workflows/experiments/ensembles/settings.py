"""Settings of an experiment with ensembles."""

from dataclasses import dataclass
from typing import Any

from py4cast.errors import SettingsError
from py4cast.settings import Settings, setting

__all__ = ["EnsembleExperiment"]

_PARTS = ("model", "strategy", "train", "optim", "loss")


@dataclass(frozen=True, slots=True, kw_only=True)
class EnsembleExperiment(Settings):
    """An experiment: random systems, and the strategies that forecast them."""

    systems: dict[str, dict[str, Any]] = setting(factory=dict, help="name -> settings of the dataset stochastic")
    methods: dict[str, dict[str, Any]] = setting(
        factory=dict,
        help="name -> model (name, settings), strategy (name, settings), loss, train and optim of a run; under systems, by name of a system, those that are others there",
    )
    seeds: tuple[int, ...] = setting((0, 1, 2), "of the weights and the order of samples")
    num_members: int = setting(10, "members that are judged")
    num_starts: int = setting(60, "forecasts that are judged, even over the test split")
    lead_steps: tuple[int, ...] = setting((1, 5, 10, 20), "lead times that are told [steps]")

    def __post_init__(self) -> None:
        for name, document in self.methods.items():
            others = document.get("systems", {})
            if unknown := set(others) - set(self.systems):
                raise SettingsError(
                    f"methods.{name}.systems: no system {', '.join(sorted(unknown))}; expected of {', '.join(self.systems)}"
                )
            for place, parts in ((name, document), *((f"{name}.systems.{system}", o) for system, o in others.items())):
                if unknown := set(parts) - set(_PARTS) - ({"systems"} if parts is document else set()):
                    raise SettingsError(
                        f"methods.{place}: unknown {', '.join(sorted(unknown))}; expected {', '.join(_PARTS)}"
                    )
        if not self.systems or not self.methods or not self.seeds:
            raise ValueError("systems, methods and seeds must be given")
        if self.num_members < 2 or self.num_starts < 2:
            raise ValueError("num_members and num_starts must be at least 2")
        if not self.lead_steps or min(self.lead_steps) < 1:
            raise ValueError("lead_steps: expected numbers of at least 1")

    def method_on(self, method: str, system: str) -> dict[str, Any]:
        """The model, strategy and training of a method on a system."""
        parts = {name: value for name, value in self.methods[method].items() if name != "systems"}
        others: dict[str, Any] = self.methods[method].get("systems", {}).get(system, {})
        return parts | others

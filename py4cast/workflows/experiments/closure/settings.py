"""Settings of an experiment with closures."""

from dataclasses import dataclass
from typing import Any

from py4cast.errors import SettingsError
from py4cast.settings import Settings, setting
from py4cast.workflows.config import Named

__all__ = ["ClosureExperiment", "Evaluation"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation(Settings):
    """How closures are compared, on the flow of the test split."""

    num_test: int = setting(3200, "instants of the test")
    num_starts: int = setting(16, "forecasts that are followed until they depart from the truth")
    num_steps: int = setting(250, "steps of these")
    num_free_runs: int = setting(3, "long runs, for spectra and stability")
    num_free_steps: int = setting(3000, "steps of these; the first half is spin-up")
    every: int = setting(10, "steps between two states of a long run that are looked at")
    departure: float = setting(0.9, "correlation with the truth below which a forecast has departed")

    def __post_init__(self) -> None:
        counts = (self.num_starts, self.num_steps, self.num_free_runs, self.num_free_steps, self.every)
        if min(counts) < 1 or self.num_free_steps < 2 * self.every:
            raise ValueError(
                "num_starts, num_steps, num_free_runs and every must be at least 1, num_free_steps 2·every"
            )
        if self.num_test < max(self.num_steps, self.num_free_steps) + max(self.num_starts, self.num_free_runs) + 1:
            raise ValueError("num_test is too short for the steps that are asked for")
        if not 0 < self.departure < 1:
            raise ValueError("departure must lie between 0 and 1")


@dataclass(frozen=True, slots=True, kw_only=True)
class ClosureExperiment(Settings):
    """An experiment: data, a network, ways to train it, formulas beside it, seeds."""

    dataset: dict[str, Any] = setting(factory=dict, help="settings of qg")
    physics: dict[str, Any] = setting(
        factory=dict, help="settings of the physics that are not those of the data, for all closures: a model error"
    )
    model: Named = setting(factory=lambda: Named(name="cnn"), help="the network")
    seeds: tuple[int, ...] = setting((0, 1, 2), "of the data, of the weights and of the order of samples")
    formulas: tuple[str, ...] = setting(
        ("smagorinsky", "dynamic_smagorinsky", "dynamic_leith", "backscatter"), "closures of a formula, by name"
    )
    trainings: dict[str, dict[str, Any]] = setting(
        factory=dict, help="name -> strategy, train and optim of a run; such as offline and online"
    )
    evaluation: Evaluation = setting(factory=Evaluation, help="how they are compared")

    def __post_init__(self) -> None:
        if not self.seeds or len(set(self.seeds)) != len(self.seeds):
            raise ValueError("seeds must be given, each once")
        for name, document in self.trainings.items():
            unknown = set(document) - {"strategy", "train", "optim"}
            if unknown:
                raise SettingsError(
                    f"trainings.{name}: unknown {', '.join(sorted(unknown))}; expected strategy, train, optim"
                )
            if name in ("none", *self.formulas):
                raise SettingsError(f"trainings.{name}: the name is a formula's")

    @property
    def closures(self) -> list[str]:
        """All that are compared, none first."""
        return ["none", *self.formulas, *self.trainings]

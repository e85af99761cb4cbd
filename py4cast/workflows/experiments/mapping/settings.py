"""Settings of a mapping experiment."""

from dataclasses import dataclass
from typing import Any

from py4cast.errors import SettingsError
from py4cast.settings import Settings, setting

__all__ = ["MappingExperiment"]


@dataclass(frozen=True, slots=True, kw_only=True)
class MappingExperiment(Settings):
    """An experiment: data, and the networks that map them beside optimal interpolation."""

    dataset: dict[str, Any] = setting(factory=dict, help="settings of tracks")
    methods: dict[str, dict[str, Any]] = setting(
        factory=dict, help="name -> model (name, settings), strategy, train and optim of a run"
    )
    seeds: tuple[int, ...] = setting((0,), "of the weights and the order of samples; a row of the leaderboard each")
    num_tuning: int = setting(8, "instants of the training split on which the scales of the interpolation are chosen")

    def __post_init__(self) -> None:
        for name, document in self.methods.items():
            unknown = set(document) - {"model", "strategy", "train", "optim"}
            if unknown:
                raise SettingsError(
                    f"methods.{name}: unknown {', '.join(sorted(unknown))}; expected model, strategy, train, optim"
                )
        if self.num_tuning < 1 or not self.seeds:
            raise ValueError("num_tuning must be at least 1, seeds be given")

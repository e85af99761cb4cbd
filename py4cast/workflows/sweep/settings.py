"""Settings of a sweep: the run that all trials share, the space, how it is searched and what is best."""

from dataclasses import dataclass
from typing import Any, Literal

from py4cast.errors import SettingsError
from py4cast.settings import Settings, read_json, setting
from py4cast.workflows.config import find_config
from py4cast.workflows.sweep.axes import AxisABC, axis_of

__all__ = ["SweepSettings"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepSettings(Settings):
    """A search for good settings of a training."""

    space: dict[str, Any] = setting(
        help='dotted place -> a list of values, or a range {"low", "high", "log", "whole"}, such as "optim.lr": [1e-3, 3e-3]'
    )
    base: dict[str, Any] = setting(factory=dict, help="what all trials share, as in the config.json of a run")
    config: str | None = setting(None, "a run's folder or config.json instead of base")
    search: Literal["grid", "each", "random", "optuna"] = setting(
        "grid", "all combinations; the first values with each other value in its place; some at random; or those that Optuna finds promising"
    )  # fmt: skip
    num_trials: int | None = setting(None, "combinations that are tried; of a grid by default all")
    seeds: tuple[int, ...] = setting((42,), "every combination is trained with each, and judged by the mean")
    objective: str = setting(
        "val_mean_loss", "a name of metrics.csv of a validation, such as val_rmse/t2m_6h, at the epoch of the lowest val_mean_loss"
    )  # fmt: skip
    direction: Literal["lowest", "highest"] = setting("lowest", "which objective is best")
    sampling_seed: int = setting(0, "of what random and optuna draw")

    def __post_init__(self) -> None:
        if not self.space:
            raise ValueError("space is empty; expected a setting to vary, such as optim.lr")
        if self.base and self.config:
            raise ValueError("base and config both say what trials share; give one of them")
        if not self.seeds or len(set(self.seeds)) < len(self.seeds):
            raise ValueError(f"seeds {list(self.seeds)}: expected numbers that differ")
        if self.search in ("random", "optuna") and self.num_trials is None:
            raise ValueError(f"search {self.search} has no end; expected num_trials")
        if self.num_trials is not None and self.num_trials < 1:
            raise ValueError(f"num_trials {self.num_trials}: expected at least 1")
        if not self.objective.startswith("val_"):
            raise ValueError(
                f"objective {self.objective!r}: expected a score of the validation, which begins with val_"
            )
        varied = [place for place in self.space if place == "train.loss" or place.split(".")[0] == "loss"]
        if varied and self.objective == "val_mean_loss":
            raise ValueError(
                f"space.{varied[0]}: trials with other losses cannot be compared by val_mean_loss; give an objective such as val_rmse/t2m_6h"
            )
        if "train.seed" in self.space:
            raise ValueError("space.train.seed: give seeds instead, over which trials are averaged")

    def axes(self) -> list[AxisABC]:
        """The axes of the space; SettingsError names one that is wrong."""
        return [axis_of(place, asked) for place, asked in self.space.items()]

    def document(self) -> dict[str, Any]:
        """What all trials share, as the document of a run."""
        document = read_json(find_config(self.config)) if self.config else self.base
        if not isinstance(document, dict):
            raise SettingsError("base: expected the document of a run's configuration")
        return document

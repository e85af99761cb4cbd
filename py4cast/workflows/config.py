"""The configuration of a run: everything that decides its result, in one JSON that runs it again."""

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass, fields
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from py4cast.areas import AreaSettings
from py4cast.constraint import Constraint
from py4cast.datasets import registry as datasets
from py4cast.errors import SettingsError, nearest
from py4cast.losses import registry as losses
from py4cast.losses.sum import Term
from py4cast.metrics import ScoreSettings
from py4cast.models import registry as models
from py4cast.optim import OptimSettings
from py4cast.settings import Settings, apply_overrides, decode, read_json, setting, settings_of
from py4cast.strategies import registry as strategies

if TYPE_CHECKING:
    from py4cast.forecaster import Forecaster

__all__ = [
    "LossAreas",
    "Named",
    "RunConfig",
    "TrainSettings",
    "build_config",
    "data_of",
    "default_model",
    "find_config",
    "named_from",
]

_NAMED = ("dataset", "model", "strategy")
_PLACES = (*_NAMED, "train", "optim", "scores")


@dataclass(frozen=True, slots=True, kw_only=True)
class Named(Settings):
    """An implementation by name, and its settings."""

    name: str = setting(help="as registered")
    settings: dict[str, Any] = setting(factory=dict, help="its settings, as plain JSON")


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainSettings(Settings):
    """How a run trains: its loss, its length, its steps."""

    loss: str = setting("mse", "by name, such as mse, mae, sum; where none is named, that of the strategy")
    epochs: int = setting(20, "passes over the training period")
    batch_size: int = setting(4, "samples per step")
    val_interval: int = setting(1, "epochs between two validations; the last one is always validated")
    precision: Literal["32", "bf16-mixed", "16-mixed", "auto"] = setting(
        "auto", "arithmetic of the network: bf16-mixed on a GPU that has it, where the network keeps its skill, else 32"
    )
    num_input_steps: int = setting(2, "past states that the network sees")
    num_pred_steps_train: int = setting(1, "steps unrolled in training")
    num_pred_steps_val_test: int = setting(5, "steps unrolled in validation and test")
    rollout_schedule: tuple[tuple[int, int], ...] = setting(
        (), "[epoch, steps] from which on so many steps are unrolled in training, such as [[0, 1], [10, 4]]"
    )
    random_rollout: bool = setting(
        False, "draw the steps of every batch from 1 to those of num_pred_steps_train or the schedule"
    )
    push_forward: bool = setting(
        False, "learn each step from what the steps before give, without gradients through them"
    )
    ema: float | None = setting(
        None, "decay of a moving average of the weights, which is validated and saved, such as 0.999"
    )
    gradient_clip: float | None = setting(None, "largest norm of the gradient")
    limit_train_batches: int | None = setting(None, "batches per epoch at most, in validation and test too")
    accumulate_grad_batches: int = setting(1, "batches per optimiser step")
    max_steps: int | None = setting(None, "optimiser steps at most")
    early_stopping: int | None = setting(None, "validations without a better one after which to stop")
    freeze: tuple[str, ...] = setting((), "names of weights that stay as they are, patterns such as encoder.*")
    on_nan: Literal["stop", "skip", "rollback"] = setting(
        "stop", "where a gradient is not finite: stop, leave the step out, or go back to the last saved state and on"
    )
    deterministic: bool = setting(
        False,
        "the same weights, bit by bit, from the same configuration on a GPU too, where some steps are then slower",
    )
    silent_s: float = setting(60.0, "seconds of silence after which a rank of several counts as lost, and the job ends")
    num_threads: int = setting(1, "threads that read batches ahead; 0 reads when asked")
    use_checkpoint: bool = setting(False, "compute activations again in the backward pass to save memory")
    compile: bool = setting(False, "compile the network by torch.compile; the first step of each shape takes long")
    seed: int = setting(42, "what weights and the order of samples are drawn from")
    save_every_n_steps: int = setting(1000, "batches between two saves within an epoch")
    profile: bool = setting(False, "time the first steps part by part, and trace two: profile/ in the run's folder")
    profiler: Literal["None", "simple", "advanced", "pytorch"] = setting("None", "where the time goes")
    no_log: bool = setting(False, "neither TensorBoard nor pictures")
    plots: tuple[str, ...] = setting(
        ("prediction", "error", "state_error", "spatial_error", "spectra", "spread"),
        "observers by name, of the test and, as far as they cost less than 3 % of the time, of validations",
    )
    mlflow: str | None = setting(None, "MLflow tracking address, such as file:mlruns or sqlite:///mlflow.db")

    def __post_init__(self) -> None:
        positive = (
            "epochs",
            "batch_size",
            "val_interval",
            "num_input_steps",
            "num_pred_steps_train",
            "num_pred_steps_val_test",
        )
        for name in (*positive, "accumulate_grad_batches", "save_every_n_steps"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, found {getattr(self, name)}")
        _check_schedule(self.rollout_schedule, self.num_pred_steps_train)
        if self.ema is not None and not 0 < self.ema < 1:
            raise ValueError(f"ema {self.ema:g}: expected a decay between 0 and 1")
        if self.gradient_clip is not None and not 0 < self.gradient_clip < float("inf"):
            raise ValueError(f"gradient_clip {self.gradient_clip:g}: expected more than 0")
        for name in ("limit_train_batches", "max_steps", "early_stopping"):
            number = getattr(self, name)
            if number is not None and number < 1:
                raise ValueError(f"{name} must be at least 1, found {number}")
        if self.early_stopping is not None and self.epochs < self.val_interval:
            raise ValueError(
                f"early_stopping {self.early_stopping}: {self.epochs} epochs have but one validation with a val_interval of {self.val_interval}"
            )
        if self.on_nan != "stop" and self.precision == "16-mixed":
            raise ValueError(f"on_nan {self.on_nan}: 16-mixed leaves out such steps by itself; expected stop")
        if not 0 <= self.seed < 2**32:
            raise ValueError(f"seed {self.seed}: expected 0 to {2**32 - 1}")
        if not 10 <= self.silent_s < float("inf"):
            raise ValueError(f"silent_s {self.silent_s:g}: expected at least 10 s")
        if self.num_threads < 0:
            raise ValueError(f"num_threads must be at least 0, found {self.num_threads}")

    @property
    def longest_rollout(self) -> int:
        """The most steps that are unrolled in training."""
        return max(self.num_pred_steps_train, *(steps for _, steps in self.rollout_schedule), 1)


def _check_schedule(schedule: tuple[tuple[int, int], ...], num_steps: int) -> None:
    """ValueError for a schedule that does not begin at epoch 0, or in which epochs or steps fall."""
    if not schedule:
        return
    epochs, steps = zip(*schedule, strict=True)
    told = f"rollout_schedule {[list(entry) for entry in schedule]}"
    if epochs[0] != 0 or any(a >= b for a, b in pairwise(epochs)):
        raise ValueError(f"{told}: expected epochs that grow from 0")
    if steps[0] < 1 or any(a > b for a, b in pairwise(steps)):
        raise ValueError(f"{told}: expected steps of at least 1 that never fall")
    if num_steps not in (1, steps[-1]):
        raise ValueError(
            f"{told} unrolls up to {steps[-1]} steps, num_pred_steps_train says {num_steps}; give one of them"
        )


class Decoded(NamedTuple):
    """Settings objects of what a run is made of.

    Args:
        dataset: of `settings_kls` of the dataset.
        model: of the model.
        strategy: of the strategy.
    """

    dataset: Any
    model: Any
    strategy: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class LossAreas(Settings):
    """Settings of the training objective, and where it is taken."""

    settings: dict[str, Any] = setting(factory=dict, help="of the loss that train.loss names")
    sum: tuple[Term, ...] | None = setting(
        None, "losses to add up, each by name with weight and settings; for train.loss sum"
    )
    variables: dict[str, float] = setting(factory=dict, help="name -> factor of its weight in the loss (default: 1)")
    lead_weights: tuple[float, ...] = setting((), "of the lead times in training; those beyond have the last one's")

    areas: dict[str, AreaSettings] = setting(
        factory=dict, help="name -> a box, a polygon or a part of a stretched grid; by default all cells by their areas"
    )
    shares: dict[str, float] = setting(factory=dict, help="name -> share of the weight that an area has (default: 1)")

    def __post_init__(self) -> None:
        for name, share in self.shares.items():
            if name not in self.areas:
                raise ValueError(f"shares: no area {name!r}{nearest(name, self.areas)}")
            if not 0 < share < float("inf"):
                raise ValueError(f"shares: {name} {share:g}; expected more than 0")
        for name, factor in self.variables.items():
            if not 0 <= factor < float("inf"):
                raise ValueError(f"variables: {name} {factor:g}; expected 0 or more")
        if any(not 0 <= weight < float("inf") for weight in self.lead_weights) or (
            self.lead_weights and not any(self.lead_weights)
        ):
            raise ValueError(f"lead_weights {list(self.lead_weights)}: expected numbers of 0 or more, not all 0")
        if self.sum is not None and "terms" in self.settings:
            raise ValueError("sum and settings.terms say the same; give one of them")

    def of_loss(self) -> dict[str, Any]:
        """The settings of the loss."""
        terms = {} if self.sum is None else {"terms": [term.to_dict() for term in self.sum]}
        return {**self.settings, **terms}


@dataclass(frozen=True, slots=True, kw_only=True)
class RunConfig(Settings):
    """The configuration of a run, as in its `config.json`."""

    dataset: Named = setting(factory=lambda: Named(name="dummy"), help="what is learned from")
    model: Named = setting(factory=lambda: Named(name="halfunet"), help="the network")
    strategy: Named = setting(factory=lambda: Named(name="diff_ar"), help="how it becomes a next state")
    train: TrainSettings = setting(factory=TrainSettings, help="how it is trained")
    loss: LossAreas = setting(factory=LossAreas, help="where the training objective is taken")
    optim: OptimSettings = setting(factory=OptimSettings, help="optimiser and schedule")
    scores: ScoreSettings = setting(factory=ScoreSettings, help="what validation and test score, and how")
    variables: dict[str, Constraint] = setting(
        factory=dict,
        help="name -> how it is learned and what its forecasts keep to: transform, bounds, at_most, conserve",
    )

    def check(self) -> "Decoded":
        """The settings objects of dataset, model and strategy, decoded once, before any work.

        Raises:
            SettingsError: unknown names and wrong settings.
        """
        loss, asked = losses.get(self.train.loss), self.loss.of_loss()
        if self.loss.sum is not None and self.train.loss != "sum":
            raise SettingsError(f"loss.sum: the loss is {self.train.loss!r}; ask for --loss sum, or leave the sum out")
        if asked:
            settings_of(loss, asked, "loss")
        model, strategy = (
            settings_of(registry.get(named.name), named.settings, what)
            for registry, named, what in ((models, self.model, "model"), (strategies, self.strategy, "strategy"))
        )
        return Decoded(datasets.get(self.dataset.name).decode_settings(self.dataset.settings), model, strategy)


def named_from(name: str, path: str | os.PathLike[str] | None) -> dict[str, Any]:
    """The document of a name with the settings of a JSON file."""
    return {"name": name, "settings": read_json(path) if path else {}}


def default_model(strategy: Any) -> str:
    """The network of a strategy where none is named, from the strategy's document."""
    name = strategy.get("name") if isinstance(strategy, dict) else None
    return strategies.get(name).default_model if isinstance(name, str) else "halfunet"


def build_config(document: dict[str, Any], overrides: Sequence[str]) -> RunConfig:
    """The configuration of a document with dotted overrides such as `model.num_filters=64`, or another implementation, `strategy=scaled_ar`.

    Raises:
        SettingsError: an override of an unknown part, or settings that are wrong.
    """
    moved, implementations = [], []
    for override in overrides:
        place, equals, text = override.partition("=")
        part, _, rest = place.strip().partition(".")
        if part in _NAMED and not rest and equals:
            implementations.append(_implementation(part, text))
            continue
        if part not in (*_PLACES, "loss", "variables") or not rest:
            raise SettingsError(
                f"--set {override!r}: expected one of {', '.join(_PLACES)} first (or loss, for its areas; or variables), such as model.num_filters=64"
            )
        inside = override.strip()[len(part) + 1 :]
        moved.append(f"{part}.settings.{inside}" if part in _NAMED else f"{part}.{inside}")
    defaults, document = RunConfig().to_dict(), apply_overrides(document, implementations)
    whole = {**document, **{key: document.get(key, defaults[key]) for key in ("dataset", "strategy")}}
    whole.setdefault("model", {"name": default_model(whole["strategy"]), "settings": {}})
    return decode(RunConfig, _with_defaults_of_strategy(apply_overrides(whole, moved)))


def _implementation(part: str, text: str) -> str:
    """The override that puts another implementation in its place, by name or as `{"name", "settings"}`."""
    text = text.strip().strip('"')
    if not text:
        raise SettingsError(f'--set {part}=: expected a name, or {{"name": ..., "settings": {{...}}}}')
    return f"{part}={text}" if text.startswith("{") else f"{part}={json.dumps({'name': text, 'settings': {}})}"


def _with_defaults_of_strategy(document: dict[str, Any]) -> dict[str, Any]:
    """The document with the loss, and the settings of the network, that the strategy wishes where none are given."""
    named, model = document["strategy"], document["model"]
    if not all(isinstance(part, dict) and isinstance(part.get("name"), str) for part in (named, model)):
        return document
    strategy, network = strategies.get(named["name"]), models.get(model["name"])
    known = {field.name for field in fields(network.settings_kls)}
    wished = {key: value for key, value in strategy.model_defaults.items() if key in known}
    train = document.get("train") or {}
    return {
        **document,
        "model": {**model, "settings": {**wished, **(model.get("settings") or {})}},
        "train": {"loss": strategy.default_loss, **train} if isinstance(train, dict) else train,
    }


def find_config(path: str | os.PathLike[str]) -> Path:
    """The `config.json` that a path means: itself, or the one in a run's folder."""
    file = Path(path)
    return file / "config.json" if file.is_dir() else file


def data_of(
    forecaster: "Forecaster", dataset: str | None, path: str | os.PathLike[str] | None
) -> tuple[str, list[str]]:
    """The dataset's registered name, and the settings that the Forecaster was trained on when no file is given."""
    trained: dict[str, Any] = forecaster.lineage.get("config", {}).get("dataset", {})
    name = dataset or trained.get("name") or "gridded"
    if path is not None or name != trained.get("name"):
        return name, []
    return name, [f"{key}={json.dumps(value)}" for key, value in trained.get("settings", {}).items()]

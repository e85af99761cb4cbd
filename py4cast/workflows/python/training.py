"""Forecaster.train: a training in one call, with the settings of the command line."""

import datetime
import os
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from py4cast.errors import SettingsError, nearest
from py4cast.forecaster import Forecaster
from py4cast.optim import OptimSettings
from py4cast.settings import read_json
from py4cast.workflows.config import TrainSettings, build_config, default_model
from py4cast.workflows.train.run import train

__all__ = ["train_forecaster"]

_PARTS = ("train", "optim", "loss", "scores", "variables")


def train_forecaster(
    dataset: str | os.PathLike[str] | Mapping[str, Any] = "dummy",
    model: str | Mapping[str, Any] | None = None,
    strategy: str | Mapping[str, Any] = "diff_ar",
    *,
    run_name: str | None = None,
    campaign_name: str = "default",
    resume: bool = False,
    init_from: str | os.PathLike[str] | None = None,
    **settings: Any,
) -> Forecaster:
    """Trains, tests and saves a Forecaster as `py4cast train` does, and returns it; the run's folder is in `forecaster.lineage["run"]`.

    Args:
        dataset: a registered name, a JSON file of `gridded`, or `{"name": ..., "settings": {...}}`.
        model: a registered name, or `{"name": ..., "settings": {...}}`; by default the strategy's own.
        strategy: the same of the strategy.
        run_name: of the run; by default date and time.
        campaign_name: that groups runs.
        resume: whether to go on with a run of this name.
        init_from: a Forecaster to begin from.
        settings: those of the training by name (`epochs=3`, `batch_size=8`, `num_pred_steps_val_test=12`) and of the optimiser
            (`lr=0.003`), or whole parts as dicts: `train`, `optim`, `loss`, `scores`, `variables`.

    Raises:
        SettingsError, DataError, NumericalError: as of the command.
    """
    strategy_document = _named(strategy, "strategy")
    document: dict[str, Any] = {
        "dataset": _dataset(dataset),
        "strategy": strategy_document,
        "model": _named(model or default_model(strategy_document), "model"),
    }
    document |= {part: dict(settings.pop(part)) for part in _PARTS if part in settings}
    by_part = {"train": {f.name for f in fields(TrainSettings)}, "optim": {f.name for f in fields(OptimSettings)}}
    for name, value in settings.items():
        part = next((part for part, names in by_part.items() if name in names), None)
        if part is None:
            known = [*_PARTS, *(n for names in by_part.values() for n in names)]
            raise SettingsError(f"Forecaster.train: unknown setting {name!r}{nearest(name, known)}")
        document.setdefault(part, {})[name] = value
    config = build_config(document, ())
    if resume and run_name is None:
        raise SettingsError("resume needs the run_name of the run to go on with")
    name = run_name or datetime.datetime.now(datetime.UTC).strftime("%Y%m%dT%H%M%S%f")
    further: dict[str, Any] = {} if init_from is None else {"init_from": init_from}
    folder = train(config, campaign_name, name, resume, None, config.check(), **further)
    forecaster = Forecaster.load(folder / "forecaster.safetensors")
    forecaster.lineage["run"] = str(folder)
    return forecaster


def _dataset(asked: Any) -> dict[str, Any]:
    """The document of a dataset."""
    if isinstance(asked, str | os.PathLike) and str(asked).endswith(".json"):
        return {"name": "gridded", "settings": read_json(asked)}
    return _named(asked, "dataset")


def _named(asked: Any, what: str) -> dict[str, Any]:
    """`{"name", "settings"}` of a name, or of such a document."""
    if isinstance(asked, str):
        return {"name": asked, "settings": {}}
    if not isinstance(asked, Mapping) or not isinstance(asked.get("name"), str) or set(asked) - {"name", "settings"}:
        raise SettingsError(f'{what}: found {asked!r}; expected a name, or {{"name": ..., "settings": {{...}}}}')
    return {"name": asked["name"], "settings": dict(asked.get("settings") or {})}

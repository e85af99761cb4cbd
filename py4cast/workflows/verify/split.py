"""verify: a Forecaster on a split of a dataset, beside persistence and climatology."""

import json
import logging
import os
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from py4cast.batch import ItemBatch
from py4cast.cubes.files import open_fields
from py4cast.cubes.forecasts import Forecasts
from py4cast.cubes.views.aligned import AlignedCube, match_variables
from py4cast.dataset_info import DatasetInfo
from py4cast.datasets import DatasetABC, get_datasets
from py4cast.datasets.loader import Loader, LoaderSettings
from py4cast.errors import DataError, Py4castError, SettingsError, nearest
from py4cast.forecaster import Forecaster
from py4cast.grid import Grid
from py4cast.metrics import ScoreSettings
from py4cast.metrics.batches import BatchVerification, FurtherForecast
from py4cast.metrics.climatology import Climatology, ClimatologyKind
from py4cast.metrics.layout import Layout
from py4cast.metrics.score_set import ScoreSet
from py4cast.namedtensor import NamedTensor
from py4cast.regrid import Method
from py4cast.settings import apply_overrides, decode
from py4cast.workflows.config import data_of
from py4cast.workflows.terminal import Bar
from py4cast.workflows.verify.climatology import carried_climatology, climatology_of
from py4cast.workflows.verify.dressing import dressing

__all__ = ["SplitCase", "document_of", "score_settings", "verify"]

logger = logging.getLogger(__name__)
_STEPS = 5
_CLIMATOLOGIES = ("auto", "day_of_year", "hour", "none")


def score_settings(overrides: Sequence[str]) -> ScoreSettings:
    """The settings of scores from `PLACE=VALUE` texts; SettingsError names what is wrong."""
    return decode(ScoreSettings, apply_overrides({}, overrides), where="scores")


class Samples(Protocol):
    """Samples with their truth, by number."""

    @property
    def init_times(self) -> NDArray[np.datetime64]:
        """The start of every sample."""

    def read_batch(self, indices: Sequence[int]) -> ItemBatch:
        """The batch of some of them."""


class SplitCase:
    """Creates what a verification of a Forecaster reads: the split, and any of its forecasts again.

    Args:
        model: the Forecaster.
        data: the split.
        num_steps: lead times.
        num_members: of each forecast; by default as many as the Forecaster was trained on.
        seed: of the members' noise.
    """

    def __init__(
        self, model: Forecaster, data: Samples, num_steps: int, num_members: int | None = None, seed: int = 0
    ) -> None:
        self._model, self._data, self._num_steps = model, data, num_steps
        self._num_members, self._seed = num_members, seed
        self._layout = Layout.of(model.info)
        self.grid: Grid | None = model.info.grid
        # cells of the border where the strategy imposes truth, `(lat, lon)`
        imposed = model.info.statics.border_mask[..., 0].cpu().numpy() > 0
        self.border: NDArray[np.bool_] | None = imposed if model.strategy.force_border and imposed.any() else None
        self.features: Sequence[str] = model.info.predicted
        self.lead_times: Sequence[np.timedelta64] = [model.info.step_duration * (i + 1) for i in range(num_steps)]

    @classmethod
    def again(cls, document: Mapping[str, Any]) -> "SplitCase":
        """The case that a verification described.

        Raises:
            DataError: the Forecaster or its data are no longer there.
        """
        asked = document["asked"]
        model, _, data = _opened(
            document["forecaster"],
            asked["dataset"],
            asked["path"],
            asked["split"],
            asked["num_steps"],
            asked["overrides"],
        )
        return cls(model, data, asked["num_steps"], asked.get("num_members"), asked.get("seed", 0))

    def fields(self, init_time: np.datetime64) -> tuple[Tensor, Tensor]:
        """Forecast (the mean of members) and truth from a start, `(timestep, lat, lon, features)` each."""
        members, truth = self.members(init_time)
        return self._layout.beside(members, truth).mean(0), truth

    def members(self, init_time: np.datetime64) -> tuple[Tensor, Tensor]:
        """The members `(member, timestep, lat, lon, features)` from a start, one without noise, and the truth."""
        index = int(np.flatnonzero(self._data.init_times == init_time)[0])
        batch = self._data.read_batch([index]).to(self._model.device)
        outputs = batch.outputs
        assert outputs is not None, "it was scored with them"
        forecast = self._model.forecast(batch, self._num_steps, self._num_members, self._seed).tensor[0]
        members = forecast if forecast.ndim == 5 else forecast[None]
        return members.cpu(), outputs[self._model.info.predicted].tensor[0].cpu()

    def close(self) -> None:
        """Does nothing: a split has no files of its own open."""


def _steps_of(forecaster: str | os.PathLike[str], no_calibration: bool, num_steps: int | None) -> int:
    """The lead times that are asked for; else as many as the Forecaster knows its errors of, 5 at most."""
    if num_steps is not None:
        if num_steps < 1:
            raise SettingsError(f"--num_steps {num_steps}: expected at least 1")
        return num_steps
    model = Forecaster.load(forecaster)
    known = [len(errors) for errors in model.lineage.get("validation_rmse", {}).values()]
    if model.calibration is not None and not no_calibration:
        known.append(model.calibration.num_steps)
    return min([_STEPS, *known])


def verify(
    forecaster: str | os.PathLike[str],
    dataset: str | None = None,
    path: str | os.PathLike[str] | None = None,
    split: Literal["train", "valid", "test"] = "test",
    num_steps: int | None = None,
    batch_size: int = 4,
    overrides: Sequence[str] = (),
    scores: ScoreSettings | None = None,
    climatology: ClimatologyKind | Literal["none"] = "auto",
    has_maps: bool = True,
    references: Mapping[str, Sequence[str]] | None = None,
    regrid: Method | None = None,
    num_members: int | None = None,
    seed: int = 0,
    no_calibration: bool = False,
    gaussian: str | os.PathLike[str] | None = None,
) -> tuple[ScoreSet, SplitCase]:
    """The scores of a saved Forecaster, and what its forecasts can be read from again.

    Args:
        forecaster: a saved Forecaster.
        dataset: registered name of the dataset; by default the one of the training.
        path: its JSON file; by default the settings of the training.
        split: which period.
        num_steps: lead times; by default 5, or fewer where the Forecaster was validated or calibrated on fewer.
        batch_size: forecasts at once.
        overrides: dotted settings of the dataset.
        scores: what is scored, and how.
        climatology: of the training period: by day of the year, by hour, whichever it covers, or none.
        has_maps: whether maps of the error are made.
        references: files of further forecasts, by name; forecasts that one of them lacks are left out.
        regrid: how they come to the dataset's grid, None where the grids must be the same.
        num_members: of each forecast, for a strategy with noise; by default `num_members_val` of its training.
        seed: of the members' noise.
        no_calibration: whether forecasts are scored as the network makes them.
        gaussian: a Forecaster to dress with its errors as a reference for an ensemble; by default the members' mean.

    Raises:
        SettingsError, DataError: wrong settings; data that do not fit it.
    """
    _check(batch_size, climatology)
    num_steps = _steps_of(forecaster, no_calibration, num_steps)
    model, splits, data = _opened(forecaster, dataset, path, split, num_steps, overrides)
    model.calibration = None if no_calibration else model.calibration
    settings = scores or ScoreSettings()
    normal = _told(_climatology(model, splits[0], climatology, settings.dry_limit), data)
    further = _references(model.info, references or {}, regrid)
    count = model.members_for(num_members)
    dressed, forecast_of = dressing(model, gaussian, num_steps, count)
    verification = BatchVerification(
        model.info, normal, settings, is_compared=True, has_maps=has_maps, further=further,
        has_driver=data.has_boundary, num_members=count, dressed=dressed, dressed_forecast=forecast_of,
    )  # fmt: skip
    forecast = partial(model.forecast, num_steps=num_steps, num_members=count, seed=seed)
    _score(verification, data.torch_dataloader(LoaderSettings(batch_size=batch_size)), forecast, model.device)
    if verification.num_forecasts == 0:
        raise DataError(f"no forecast of the split {split} is in all of {', '.join(references or {})}")
    told = document_of(model, forecaster, dataset, path, split, num_steps, overrides, count, seed)
    return verification.scores(told), SplitCase(model, data, num_steps, count, seed)


def _check(batch_size: int, climatology: str) -> None:
    if batch_size < 1:
        raise SettingsError(f"--batch_size {batch_size}: expected at least 1")
    if climatology not in _CLIMATOLOGIES:
        raise SettingsError(f"--climatology {climatology!r}{nearest(climatology, _CLIMATOLOGIES)}")


def _told(normal: Climatology | None, data: DatasetABC) -> Climatology | None:
    """The climatology, with a warning where it was made of the times that are verified."""
    if normal is not None and normal.covers(data.init_times):
        logger.warning("the climatology (%s) overlaps the verified forecasts, which flatters it", normal.description)
    return normal


def _text(lineage: Mapping[str, Any]) -> str:
    return json.dumps(lineage, sort_keys=True, default=str)


def _climatology(
    model: Forecaster, train: DatasetABC, asked: ClimatologyKind | Literal["none"], dry_limit: float
) -> Climatology | None:
    """That of the Forecaster's own training, wherever the verified data come from; told where it cannot be had."""
    if asked == "none":
        return None
    carried = carried_climatology(model)
    if carried is not None and asked == "auto" and carried.dry_limit == dry_limit:
        return carried
    if _text(train.info.lineage) != _text(model.info.lineage):
        try:
            name, trained = data_of(model, None, None)
            its_own = get_datasets(name, model.num_input_steps, 1, 1, None, trained)[0]
            if _text(its_own.info.lineage) != _text(model.info.lineage):
                raise DataError("what its settings name holds other data now")
            train = its_own
        except (Py4castError, OSError) as error:
            logger.warning(
                "the climatology is of the training period of the given data; that of the Forecaster's own cannot be had: %s",
                error,
            )
    if not len(train):
        logger.warning("no climatology: neither the Forecaster nor the given data have a training period")
        return None
    return climatology_of(train, asked, dry_limit=dry_limit)


def _score(
    verification: BatchVerification, loader: Loader, forecast: Callable[[ItemBatch], NamedTensor], device: torch.device
) -> None:
    """Scores the forecasts of all batches, with a progress bar."""
    with Bar() as bar:
        bar.start("verifying", len(loader))
        for batch in loader:
            moved = batch.to(device)
            verification.update(moved, forecast(moved).tensor)
            bar.step()


def _references(
    info: DatasetInfo, files: Mapping[str, Sequence[str]], regrid: Method | None
) -> dict[str, FurtherForecast]:
    """Further forecasts, in the words, units and places of the data; NaN for what they lack."""
    forecasts: dict[str, FurtherForecast] = {}
    for name, patterns in files.items():
        if name in ("model", "persistence", "climatology", "driver", "gaussian"):
            raise SettingsError(f"--reference {name}: the name is taken; choose another")
        cube, predicted = open_fields(patterns), [info.variable(n) for n in info.predicted]
        matched = match_variables(cube.variables, predicted)
        source = Forecasts(AlignedCube(cube, matched, info.grid, regrid), f"--reference {name}")
        held = [m.variable.name for m in matched]
        forecasts[name] = partial(_read_reference, source, [held.index(n) if n in held else -1 for n in info.predicted])
    return forecasts


def _read_reference(
    source: Forecasts, places: Sequence[int], init_time: np.datetime64, lead_times: NDArray[np.timedelta64]
) -> Tensor | None:
    """The forecast from a start in the order of the features (the mean of members); None where it lacks lead times."""
    leads = np.asarray(lead_times, dtype="timedelta64[s]")
    if not source.has(init_time) or not np.isin(leads, source.lead_times).all():
        return None
    read = source.read(init_time, leads)
    read = read if read.dim() == 4 else read.mean(0)
    nothing = torch.full_like(read[..., 0], torch.nan)
    return torch.stack([read[..., p] if p >= 0 else nothing for p in places], -1)


def _opened(
    forecaster: str | os.PathLike[str], dataset: str | None, path: str | os.PathLike[str] | None, split: str,
    num_steps: int, overrides: Sequence[str],
) -> tuple[Forecaster, tuple[DatasetABC, ...], DatasetABC]:  # fmt: skip
    """The Forecaster on its device, all splits, and the one that is verified."""
    model = Forecaster.load(forecaster)
    name, trained = data_of(model, dataset, path)
    # each split is asked for as many steps as it is scored on, the others for the fewest
    asked = (num_steps, 1) if split == "train" else (1, num_steps)
    splits = get_datasets(name, model.num_input_steps, *asked, path, [*trained, *overrides])
    data = splits[("train", "valid", "test").index(split)]
    model.info.check_same(data.info)
    return model.to("cuda" if torch.cuda.is_available() else "cpu"), splits, data


def document_of(
    model: Forecaster, file: str | os.PathLike[str], dataset: str | None, path: str | os.PathLike[str] | None,
    split: str, num_steps: int, overrides: Sequence[str] = (), num_members: int | None = None, seed: int = 0,
) -> dict[str, Any]:  # fmt: skip
    """What was verified, as plain JSON values: the Forecaster of a file, and what opens the same data again."""
    info = model.info
    asked = {
        "dataset": dataset, "path": None if path is None else os.fspath(path), "split": split, "num_steps": num_steps,
        "overrides": list(overrides), "num_members": num_members, "seed": seed,
    }  # fmt: skip
    return {
        "model": model.names["model"],
        "strategy": model.names["strategy"],
        "dataset": info.name,
        "variables": [info.variable(n).to_dict() for n in info.predicted],
        "num_members": model.strategy.num_forecast_members if num_members is None else num_members,
        "grid": info.grid.describe(),
        "lineage": {k: v for k, v in model.lineage.items() if k != "scores"},
        "forecaster": str(Path(file).absolute()),
        "split": split,
        "asked": asked,
    }

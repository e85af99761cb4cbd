"""mapping: the verb. Networks are trained by name, optimal interpolation is tuned, both map the test split."""

import datetime
import hashlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from py4cast.atomic import check_name, write_json
from py4cast.datasets.base import WindowDataset
from py4cast.datasets.tracks import MAPPED, Tracks, TracksSettings
from py4cast.errors import NumericalError
from py4cast.forecaster import Forecaster
from py4cast.progress import Preparation, Progress
from py4cast.settings import encode
from py4cast.version import __version__
from py4cast.workflows.config import RunConfig
from py4cast.workflows.experiments.campaign import Campaign, digest_of
from py4cast.workflows.experiments.mapping.board import add_rows, map_scores
from py4cast.workflows.experiments.mapping.interpolation import OptimalInterpolation
from py4cast.workflows.experiments.mapping.settings import MappingExperiment

__all__ = ["mapping"]


class Method(NamedTuple):
    """A way to map, and what it made.

    Args:
        name: on the leaderboard.
        maps: of the test split, `(time, lat, lon)`.
        notes: what was chosen.
        reference: where it comes from.
        settings: digest of all that decides the maps.
        version: of py4cast that made it.
    """

    name: str
    maps: Tensor
    notes: str
    reference: str
    settings: str
    version: str


def mapping(
    experiment: str | os.PathLike[str],
    output: Path,
    overrides: Sequence[str] = (),
    progress: Progress | None = None,
) -> list[dict[str, Any]]:
    """Maps the test split by every method, and returns the rows of the leaderboard.

    Writes `leaderboard.json`, `leaderboard.md` and `mapping.png` into `output`, and the Forecasters.

    Args:
        experiment: its JSON file.
        output: folder; rows are added to the leaderboard that it holds.
        overrides: dotted settings.
        progress: told of the simulation.

    Raises:
        SettingsError: wrong settings.
        NumericalError: a map that is not finite.
    """
    asked = MappingExperiment.from_json(experiment, overrides)
    campaign, data = Campaign("mapping", asked), TracksSettings.from_dict(asked.dataset, where="dataset")
    for name in asked.methods:
        check_name(name, "methods")
        _config(asked, name, asked.seeds[0])
    if progress is not None:
        Tracks.make(data, Preparation(progress))
    train, _, test = Tracks.splits(data, 1, 1, 1)
    truth, observed = _series(test)
    methods = _baselines(asked, train, truth, observed)
    for name in asked.methods:
        for seed in asked.seeds:
            # the folder may hold those of other experiments, whose rows stay on the board
            digest = digest_of(asked.dataset, asked.methods[name])
            path = output / "forecasters" / check_name(f"{name}-{seed}-{digest}.safetensors", "methods")
            if not path.exists():
                campaign.train(_config(asked, name, seed), f"{name}-{seed}", path)
            forecaster = Forecaster.load(path)
            reference = type(forecaster.network.model).reference  # type: ignore[attr-defined]
            model, version = forecaster.names["model"], forecaster.lineage["version"]
            methods.append(Method(f"{name}, seed {seed}", _mapped(forecaster, test), model, reference, digest, version))
    rows = [_row(method, test, truth) for method in methods]
    from py4cast.observers.mapping import draw_maps

    middle = len(truth) // 2
    draw_maps(observed[middle], truth[middle], {m.name: m.maps[middle] for m in methods}, output / "mapping.png")
    write_json(output / f"experiment-{campaign.digest}.json", encode(asked))
    return add_rows(output, rows)


def _baselines(asked: MappingExperiment, train: WindowDataset, truth: Tensor, observed: Tensor) -> list[Method]:
    mean, settings = train.info.stats[MAPPED]["mean"], digest_of(asked.dataset, asked.num_tuning)
    interpolation = _tuned(asked, train)
    maps = torch.stack([interpolation(o) for o in observed])
    notes = f"L = {interpolation.length:.1f} cells, L_t = {interpolation.duration:.1f} instants"
    reference = "Bretherton et al. (1976), doi 10.1016/0011-7471(76)90001-2"
    return [
        Method("climatology", torch.full_like(truth, mean), "", "mean of the training split", settings, __version__),
        Method("optimal interpolation", maps, notes, reference, settings, __version__),
    ]


def _series(data: WindowDataset) -> tuple[Tensor, Tensor]:
    """Truth `(time, lat, lon)` and observations `(time, instant, lat, lon)` of all samples of a split."""
    truth, observed = [], []
    for first in range(0, len(data), 32):
        batch = data.read_batch(range(first, min(first + 32, len(data))))
        assert batch.outputs is not None and batch.forcing is not None, "read with both"
        truth.append(batch.outputs.tensor[:, 0, ..., 0])
        observed.append(batch.forcing.tensor[:, 0].movedim(-1, 1))
    return torch.cat(truth), torch.cat(observed)


def _tuned(asked: MappingExperiment, train: WindowDataset) -> OptimalInterpolation:
    of_field = train.info.stats[MAPPED]
    chosen = np.unique(np.linspace(0, len(train) - 1, asked.num_tuning).astype(int)).tolist()
    batch = train.read_batch(chosen)
    assert batch.outputs is not None and batch.forcing is not None, "read with both"
    observed = list(batch.forcing.tensor[:, 0].movedim(-1, 1))
    truth = list(batch.outputs.tensor[:, 0, ..., 0])
    noise = float(train.info.lineage["settings"]["noise"])
    return OptimalInterpolation.tuned(observed, truth, of_field["mean"], of_field["std"], noise)


def _mapped(forecaster: Forecaster, test: WindowDataset) -> Tensor:
    parts = [
        forecaster.forecast(test.read_batch(range(first, min(first + 32, len(test)))), 1)[MAPPED][:, 0, ..., 0]
        for first in range(0, len(test), 32)
    ]
    return torch.cat(parts)


def _row(method: Method, test: WindowDataset, truth: Tensor) -> dict[str, Any]:
    if not bool(torch.isfinite(method.maps).all()):
        raise NumericalError(f"method {method.name!r}: a map is not finite")
    info = test.info
    days = float(info.step_duration / np.timedelta64(1, "D"))
    scores = map_scores(method.maps, truth, days, info.grid.spacing()[1] / 1000)
    return {
        "method": method.name,
        **scores,
        "notes": method.notes,
        "reference": method.reference,
        "num_maps": len(truth),
        "data": hashlib.sha256(str(info.lineage["store"]).encode() + truth.numpy().tobytes()).hexdigest()[:8],
        "version": method.version,
        "date": datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d"),
        "settings": method.settings,
    }


def _config(asked: MappingExperiment, name: str, seed: int) -> RunConfig:
    document = asked.methods[name]
    return Campaign.config(
        {"name": "tracks", "settings": asked.dataset},
        document.get("model", {"name": "halfunet"}),
        {"name": "mapping", "settings": document.get("strategy", {})},
        document,
        seed,
    )

"""verify: a Forecaster on a split of a dataset, beside persistence and climatology."""

import csv
import io
import logging
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import torch

from py4cast.atomic import write_json, write_text
from py4cast.datasets import get_datasets
from py4cast.datasets.loader import LoaderSettings
from py4cast.errors import SettingsError
from py4cast.forecaster import Forecaster
from py4cast.metrics.verification import Verification
from py4cast.workflows.climatology import climatology_of
from py4cast.workflows.forecast import data_of
from py4cast.workflows.report import Bar

__all__ = ["scores_csv", "verify"]

logger = logging.getLogger(__name__)


def scores_csv(scores: Mapping[str, Any]) -> str:
    """The scores as CSV: a row per system, variable, metric and lead time."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(["system", "variable", "units", "metric", "lead_time_h", "value"])
    for system in ("model", "persistence", "climatology"):
        for variable, metrics in scores.get(system, {}).items():
            for metric, values in metrics.items():
                for hours, value in zip(scores["lead_times_h"], values, strict=True):
                    writer.writerow(
                        [
                            system,
                            variable,
                            scores["units"][variable],
                            metric,
                            hours,
                            "" if value is None else repr(value),
                        ]
                    )
    return stream.getvalue()


def verify(
    forecaster: str | os.PathLike[str],
    dataset: str | None = None,
    path: str | os.PathLike[str] | None = None,
    split: Literal["train", "valid", "test"] = "test",
    num_steps: int = 5,
    batch_size: int = 4,
    output: str | os.PathLike[str] | None = None,
    overrides: Sequence[str] = (),
) -> dict[str, Any]:
    """The scores of a saved Forecaster, and `scores.json` and `scores.csv` in the folder `output`.

    Args:
        forecaster: a saved Forecaster.
        dataset: registered name of the dataset; by default the one of the training.
        path: its JSON file; by default the settings of the training.
        split: which period.
        num_steps: lead times.
        batch_size: forecasts at once.
        output: where to write; None writes nothing.
        overrides: dotted settings of the dataset.

    Raises:
        SettingsError: wrong settings.
        DataError: the data do not fit the Forecaster.
    """
    if num_steps < 1 or batch_size < 1:
        raise SettingsError(f"--num_steps {num_steps}, --batch_size {batch_size}: expected at least 1")
    model = Forecaster.load(forecaster)
    name, trained = data_of(model, dataset, path)
    # each split is asked for as many steps as it is scored on, the others for the fewest
    asked = (num_steps, 1) if split == "train" else (1, num_steps)
    splits = get_datasets(name, model.num_input_steps, *asked, path, [*trained, *overrides])
    data = splits[("train", "valid", "test").index(split)]
    model.info.check_same(data.info)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    model = model.to(device)
    verification = Verification(model.info, climatology_of(splits[0]))
    loader = data.torch_dataloader(LoaderSettings(batch_size=batch_size))
    with Bar() as bar:
        bar.start(f"verifying {split}", len(loader))
        for batch in loader:
            moved = batch.to(device)
            verification.update(moved, model.forecast(moved, num_steps).tensor)
            bar.step()
    scores = verification.scores()
    if output is not None:
        folder = Path(output)
        write_json(folder / "scores.json", scores)
        write_text(folder / "scores.csv", scores_csv(scores))
        logger.info("scores in %s", folder)
    return scores

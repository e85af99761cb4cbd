"""Trial: one training of a sweep, and what it was worth on the validation period."""

import csv
import json
import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from py4cast.atomic import check_name, write_json
from py4cast.errors import DataError, NumericalError, SettingsError, SpaceError, nearest
from py4cast.settings import read_json
from py4cast.workflows.config import RunConfig, build_config
from py4cast.workflows.experiments.campaign import digest_of, trained

__all__ = ["Trial", "objective_of"]


class UnknownObjective(SettingsError):
    """Raised where trainings log nothing of the name of the objective."""


@dataclass(frozen=True, slots=True)
class Trial:
    """Creates one training of a sweep.

    Args:
        values: by dotted place.
        seed: of weights and order.
        config: of the run.
    """

    values: Mapping[str, Any]
    seed: int
    config: RunConfig

    @classmethod
    def of(cls, document: Mapping[str, Any], values: Mapping[str, Any], seed: int) -> "Trial":
        """The trial of some values; SettingsError where they are no configuration."""
        overrides = [f"{place}={json.dumps(value)}" for place, value in {**values, "train.seed": seed}.items()]
        return cls(dict(values), seed, build_config(json.loads(json.dumps(dict(document))), overrides))

    @property
    def name(self) -> str:
        """Of its run, by all that decides it."""
        return digest_of(self.config.to_dict())

    def row(self, output: Path) -> dict[str, Any] | None:
        """What it was worth, where it has been made."""
        path = self._path(output)
        row: dict[str, Any] | None = read_json(path) if path.exists() else None
        return row

    def _path(self, output: Path) -> Path:
        return output / "trials" / check_name(f"{self.name}.json", "the trial")

    def make(self, output: Path, campaign: str, objective: str, callbacks: Sequence[Any] = ()) -> dict[str, Any]:
        """Trains it, or goes on where it was killed, and keeps what it was worth; a trial that cannot be trained is a row too.

        Raises:
            BusyError: another process is at it.
            Preempted: asked to stop.
        """
        from py4cast.workflows.train.run import run_folder

        # what diverged does so again; data and disks may have changed
        row = self.row(output)
        if row is not None and (row.get("state") != "failed" or row.get("status") == NumericalError.status):
            return self._of_objective(row, output, objective)
        folder = run_folder(self.config, campaign, self.name)
        began = time.perf_counter()
        result: dict[str, Any] = {"values": dict(self.values), "seed": self.seed, "run": str(folder), "of": objective}
        try:
            with trained(self.config, campaign, self.name, callbacks):
                worth = objective_of(folder / "metrics.csv", objective)
            result |= {"state": "done", **worth}
        except UnknownObjective:
            raise  # of every trial: none need be trained for it
        except (SettingsError, DataError, NumericalError, SpaceError) as error:
            result |= {"state": "failed", "status": error.status, "error": " ".join(str(error).split())}
        result["seconds"] = time.perf_counter() - began
        self.keep(output, result)
        return result

    def _of_objective(self, row: dict[str, Any], output: Path, objective: str) -> dict[str, Any]:
        """A row that was made before, judged by what is asked for now."""
        if row.get("state") != "done" or row.get("of", objective) == objective:
            return row
        row = {**row, "of": objective, **objective_of(Path(row["run"]) / "metrics.csv", objective)}
        self.keep(output, row)
        return row

    def keep(self, output: Path, row: Mapping[str, Any]) -> None:
        """Writes what it was worth."""
        path = self._path(output)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_json(path, row)


def objective_of(metrics: Path, objective: str) -> dict[str, Any]:
    """The objective at the epoch of the lowest mean validation loss, and that epoch (from 0).

    Raises:
        UnknownObjective: nothing of this name was logged.
    """
    by_epoch: dict[int, dict[str, float]] = {}
    with metrics.open(newline="") as stream:
        for row in csv.DictReader(stream):
            by_epoch.setdefault(int(row["epoch"]), {})[row["name"]] = float(row["value"])
    names = sorted({name for values in by_epoch.values() for name in values if name.startswith("val_")})
    if objective not in names:
        raise UnknownObjective(f"objective {objective!r} was not logged{nearest(objective, names)}")
    losses = {e: v["val_mean_loss"] for e, v in by_epoch.items() if math.isfinite(v.get("val_mean_loss", math.nan))}
    scored = {e: loss for e, loss in losses.items() if objective in by_epoch[e]}
    if not scored:
        raise NumericalError("no validation gave a finite loss")
    best = min(scored, key=scored.__getitem__)
    return {"objective": by_epoch[best][objective], "epoch": best}

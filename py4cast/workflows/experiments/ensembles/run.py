"""ensembles: the verb. Strategies that make members are trained on systems whose law is known, and judged by it."""

import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from py4cast.atomic import check_name, write_json
from py4cast.datasets.stochastic.dataset import Stochastic, StochasticSettings
from py4cast.errors import SettingsError
from py4cast.forecaster import Forecaster
from py4cast.progress import Progress
from py4cast.settings import read_json
from py4cast.workflows.config import RunConfig
from py4cast.workflows.experiments.campaign import Campaign, digest_of
from py4cast.workflows.experiments.ensembles.board import write_board
from py4cast.workflows.experiments.ensembles.judge import Judge
from py4cast.workflows.experiments.ensembles.settings import EnsembleExperiment

__all__ = ["ensembles"]


def ensembles(
    experiment: str | os.PathLike[str],
    output: Path,
    overrides: Sequence[str] = (),
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Trains every method on every system with every seed, judges its members, and returns the table.

    Writes `ensembles.json`, `ensembles.md`, `ensembles.png` and the Forecasters into `output`. Trainings and rows that stand
    there are not made again.

    Args:
        experiment: its JSON file.
        output: a folder.
        overrides: dotted settings.
        progress: told of the rows.

    Raises:
        SettingsError: wrong settings, or a method that makes no members.
    """
    asked = EnsembleExperiment.from_json(experiment, overrides)
    campaign = Campaign("ensembles", asked)
    runs = [(system, method, seed) for system in asked.systems for method in asked.methods for seed in asked.seeds]
    configs = {run: _config(asked, *run) for run in runs}
    if progress is not None:
        progress.start("trainings and forecasts", len(runs))
    rows, judges = [], {}
    for run in runs:
        system, method, seed = run
        if system not in judges:
            judges[system] = _judge(asked, system)
        rows.append(
            {
                "system": system,
                "method": method,
                "seed": seed,
                **_row(asked, campaign, run, configs[run], judges[system], output),
            }
        )
        if progress is not None:
            progress.step()
    document = {"lead_steps": list(asked.lead_steps), "num_members": asked.num_members, "rows": rows}
    write_board(output, document)
    from py4cast.observers.ensembles import draw_ensembles

    draw_ensembles(document, output / "ensembles.png")
    return document


def _row(
    asked: EnsembleExperiment,
    campaign: Campaign,
    run: tuple[str, str, int],
    config: RunConfig,
    judge: Judge,
    output: Path,
) -> Mapping[str, Any]:
    """What a training is worth; read again where it has been judged."""
    system, method, seed = run
    digest = digest_of(
        asked.systems[system], asked.method_on(method, system), asked.num_members, asked.num_starts, asked.lead_steps
    )
    name = check_name(f"{system}-{method}-{seed}-{digest}", "methods")
    row_file = output / "rows" / check_name(f"{name}.json", "methods")
    saved = output / "forecasters" / check_name(f"{name}.safetensors", "methods")
    if row_file.exists():
        row: dict[str, Any] = read_json(row_file)
        return row
    began = time.perf_counter()
    if not saved.exists():
        campaign.train(config, name, saved)
    forecaster, seconds = Forecaster.load(saved), time.perf_counter() - began
    longest = max(asked.lead_steps)
    row = judge.row(lambda batch: forecaster.forecast(batch, longest, asked.num_members, seed).tensor)
    row["seconds"] = seconds
    row_file.parent.mkdir(parents=True, exist_ok=True)
    write_json(row_file, row)
    return row


def _judge(asked: EnsembleExperiment, system: str) -> Judge:
    settings = StochasticSettings.from_dict(asked.systems[system], where=f"systems.{system}")
    longest = max(asked.lead_steps)
    _, _, test = Stochastic.splits(settings, 1, 1, longest)
    if len(test) < 2:
        raise SettingsError(
            f"systems.{system}: num_test leaves {len(test)} forecasts of {longest} steps; expected at least 2"
        )
    return Judge(settings.make(), test, asked.num_members, asked.num_starts, asked.lead_steps)


def _config(asked: EnsembleExperiment, system: str, method: str, seed: int) -> RunConfig:
    document = asked.method_on(method, system)
    return Campaign.config(
        {"name": "stochastic", "settings": asked.systems[system]},
        document.get("model", {"name": "cnn"}),
        document.get("strategy", {"name": "ensemble"}),
        document,
        seed,
    )

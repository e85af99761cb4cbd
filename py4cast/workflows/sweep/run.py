"""sweep: the verb. Many trainings over a space of settings, in processes or a SLURM array, resumable."""

import itertools
import logging
import multiprocessing
import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from typing import Any

import numpy as np

from py4cast.errors import BusyError, SettingsError
from py4cast.process import end_with_parent
from py4cast.progress import Progress
from py4cast.settings import read_json
from py4cast.workflows.experiments.campaign import Campaign
from py4cast.workflows.sweep.axes import AxisABC
from py4cast.workflows.sweep.board import write_sweep
from py4cast.workflows.sweep.settings import SweepSettings
from py4cast.workflows.sweep.trial import Trial

__all__ = ["share_of", "sweep"]

logger = logging.getLogger(__name__)


def share_of(text: str | None, environment: Mapping[str, str] | None = None) -> tuple[int, int]:
    """Which share of the trials this process makes: (place, of how many), of `I/N` or of a SLURM array.

    Raises:
        SettingsError: a text of another form.
    """
    env = os.environ if environment is None else environment
    if text is None and "SLURM_ARRAY_TASK_ID" in env:
        first, count = (int(env.get(f"SLURM_ARRAY_TASK_{n}", d)) for n, d in (("MIN", "0"), ("COUNT", "1")))
        step = int(env.get("SLURM_ARRAY_TASK_STEP", "1"))
        return (int(env["SLURM_ARRAY_TASK_ID"]) - first) // max(1, step), count
    place, slash, count_text = (text or "0/1").partition("/")
    if not (slash and place.isdigit() and count_text.isdigit() and int(place) < int(count_text)):
        raise SettingsError(f"--task {text!r}: expected I/N with I from 0 to N - 1, such as 0/4")
    return int(place), int(count_text)


def sweep(
    path: str | os.PathLike[str],
    output: Path,
    overrides: Sequence[str] = (),
    num_workers: int = 1,
    share: tuple[int, int] = (0, 1),
    progress: Progress | None = None,
) -> list[dict[str, Any]]:
    """Trains every combination with every seed, and returns them best first.

    Writes `sweep.json`, `sweep.csv`, `sweep.md`, `sweep.html` into `output`, after every trial. What has been made is not
    made again, what was killed goes on.

    Args:
        path: JSON file of the sweep.
        output: a folder.
        overrides: dotted settings of the sweep.
        num_workers: processes, each with its share of the cores.
        share: place of this process among several that share the folder, and their number.
        progress: told of the trials.

    Raises:
        SettingsError: wrong settings, of the sweep or of any of its trials.
    """
    asked = SweepSettings.from_json(path, overrides)
    if num_workers < 1:
        raise SettingsError(f"--num_workers {num_workers}: expected at least 1")
    campaign = Campaign("sweep", asked)
    if asked.search == "optuna":
        return _led(asked, output, campaign.name, num_workers, share, progress)
    trials = _trials(asked)
    mine = trials[share[0] :: share[1]]
    if progress is not None:
        progress.start("trials", len(mine))
    jobs = [(asked, output, campaign.name, trial) for trial in mine]
    for _ in _spread(_make, jobs, num_workers):
        _write(asked, output, trials)
        if progress is not None:
            progress.step()
    return _write(asked, output, trials)


def _trials(asked: SweepSettings) -> list[Trial]:
    """All trials of a sweep; each is checked before the first is trained."""
    axes, document = asked.axes(), asked.document()
    trials = []
    for values in _combinations(asked, axes):
        by_place = {axis.place: value for axis, value in zip(axes, values, strict=True)}
        for seed in asked.seeds:
            try:
                trial = Trial.of(document, by_place, seed)
                trial.config.check()
            except SettingsError as error:
                raise SettingsError(f"trial {by_place}: {error}") from None
            trials.append(trial)
    # a draw that comes twice is one trial
    return list({trial.name: trial for trial in trials}.values())


def _combinations(asked: SweepSettings, axes: Sequence[AxisABC]) -> list[tuple[Any, ...]]:
    """Values of all axes: every combination, one axis at a time from the first values, or as many as are asked for at random."""
    if asked.search == "random":
        rng = np.random.default_rng(asked.sampling_seed)
        return [tuple(axis.sample(rng) for axis in axes) for _ in range(asked.num_trials or 0)]
    values = [axis.values() for axis in axes]
    if asked.search == "each":
        first = tuple(v[0] for v in values)
        others = [(*first[:i], value, *first[i + 1 :]) for i, v in enumerate(values) for value in v[1:]]
        combinations, what = [first, *others], "one setting at a time there are"
    else:
        combinations, what = list(itertools.product(*values)), "the grid has"
    if asked.num_trials is not None and asked.num_trials < len(combinations):
        raise SettingsError(f"num_trials {asked.num_trials}: {what} {len(combinations)} combinations; search random, or give fewer values")  # fmt: skip
    return combinations


def _spread(function: Any, jobs: Sequence[tuple[Any, ...]], num_workers: int) -> Any:
    """Does jobs one after another, or in processes; gives each as it is done."""
    if num_workers == 1 or len(jobs) < 2:
        for job in jobs:
            yield function(*job)
        return
    context = multiprocessing.get_context("spawn")
    threads = max(1, len(os.sched_getaffinity(0)) // num_workers)
    with ProcessPoolExecutor(
        num_workers, mp_context=context, initializer=_begin_worker, initargs=(threads,)
    ) as executor:
        for future in as_completed([executor.submit(function, *job) for job in jobs]):
            yield future.result()


def _begin_worker(num_threads: int) -> None:
    end_with_parent()
    import torch

    torch.set_num_threads(num_threads)


def _make(asked: SweepSettings, output: Path, campaign: str, trial: Trial) -> None:
    try:
        trial.make(output, campaign, asked.objective)
    except BusyError:
        logger.warning("trial %s: another process is at it", dict(trial.values))


def _write(asked: SweepSettings, output: Path, trials: Sequence[Trial]) -> list[dict[str, Any]]:
    rows = [row for row in (trial.row(output) for trial in trials) if row is not None and _is_of(row, asked)]
    return write_sweep(output, rows, asked.objective, len(trials), asked.direction == "lowest")


def _is_of(row: dict[str, Any], asked: SweepSettings) -> bool:
    """Whether a row is judged by the objective of the sweep, which may have been another one before."""
    return bool(row.get("of", asked.objective) == asked.objective)


def _led(
    asked: SweepSettings,
    output: Path,
    campaign: str,
    num_workers: int,
    share: tuple[int, int],
    progress: Progress | None,
) -> list[dict[str, Any]]:
    """A sweep that Optuna leads; several tasks share its study."""
    from py4cast.workflows.sweep.study import Study

    study = Study(asked, output, campaign)
    if share[1] == 1:  # of several tasks, one cannot tell what another is at from what was killed
        study.retry_killed()
    made = study.num_made()
    left = max(0, (asked.num_trials or 0) - made)
    if progress is not None:
        progress.start("trials", left)
    for _ in _spread(
        _lead, [(asked, output, campaign, made + n * share[1] + share[0]) for n in range(left)], num_workers
    ):
        _write_led(asked, output)
        if progress is not None:
            progress.step()
    return _write_led(asked, output)


def _lead(asked: SweepSettings, output: Path, campaign: str, number: int) -> None:
    from py4cast.workflows.sweep.study import Study

    study = Study(asked, output, campaign, number)
    if study.num_made() < (asked.num_trials or 0):
        study.make_next()


def _write_led(asked: SweepSettings, output: Path) -> list[dict[str, Any]]:
    rows = [row for path in sorted((output / "trials").glob("*.json")) if _is_of(row := read_json(path), asked)]
    return write_sweep(output, rows, asked.objective, 0, asked.direction == "lowest")

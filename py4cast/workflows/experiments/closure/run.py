"""closure: the verb. Every training and every judgement is a job of its own, kept when done; a killed run goes on."""

import json
import logging
import multiprocessing
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from py4cast.atomic import check_name, without_nan, write_json, write_text
from py4cast.datasets.base import SPLITS
from py4cast.datasets.qg import Qg
from py4cast.datasets.qg.settings import QgSettings
from py4cast.errors import SettingsError
from py4cast.forecaster import Forecaster
from py4cast.physics.barotropic import Barotropic, BarotropicSettings
from py4cast.process import end_with_parent
from py4cast.progress import Progress
from py4cast.settings import encode, read_json
from py4cast.workflows.config import RunConfig
from py4cast.workflows.experiments.campaign import Campaign
from py4cast.workflows.experiments.closure.evaluation import Judge
from py4cast.workflows.experiments.closure.settings import ClosureExperiment
from py4cast.workflows.experiments.closure.summary import markdown, scalars, summary

__all__ = ["closure"]

logger = logging.getLogger(__name__)
_NUM_TEST_IN_TRAINING = 24  # the run's own test; the judge has a longer one
Job = Callable[..., None]


def closure(
    experiment: str | os.PathLike[str],
    output: Path,
    overrides: Sequence[str] = (),
    num_workers: int | None = None,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Runs an experiment, or what lacks of it, and returns its summary.

    Writes `closure.json` (every number and curve), `table.md` and `closure.png` into `output`, and the Forecaster of
    every training and seed.

    Args:
        experiment: its JSON file.
        output: folder; one that holds a part of the same experiment is gone on with.
        overrides: dotted settings.
        num_workers: processes; by default one per core.
        progress: told of every job.

    Raises:
        SettingsError: wrong settings, or a folder with another experiment.
    """
    asked = ClosureExperiment.from_json(experiment, overrides)
    _check(asked)
    _claim(output, asked)
    count = num_workers or len(os.sched_getaffinity(0))
    stages: list[list[tuple[Job, tuple[Any, ...], Path]]] = [
        [
            (_simulate, (asked, seed, split), _done(output, "data", split, seed))
            for seed in asked.seeds
            for split in SPLITS
        ],
        [
            (_train, (asked, name, seed), _saved(output, name, seed))
            for name in sorted(asked.trainings, reverse=True)
            for seed in asked.seeds
        ],
        [
            (_judge, (asked, name, seed, output), _found(output, name, seed))
            for name in asked.closures[::-1]
            for seed in asked.seeds
        ],
    ]
    todo = [[job for job in stage if not job[2].exists()] for stage in stages]
    if progress is not None:
        progress.start("closures", sum(map(len, todo)))
    for stage in todo:
        _run_all(stage, count, progress)
    return _report(asked, output)


def _check(asked: ClosureExperiment) -> None:
    """Finds mistakes before hours of work."""
    for name, where in (("seed", "seeds"), ("num_test", "evaluation.num_test")):
        if name in asked.dataset:
            raise SettingsError(f"dataset.{name}: set {where} instead")
    data = _data(asked, asked.seeds[0], asked.evaluation.num_test)
    if "subgrid_tendency" not in data.diagnostics:
        raise SettingsError("dataset.diagnostics: closures are judged by subgrid_tendency, which must be one of them")
    for closure in asked.formulas:
        BarotropicSettings.from_dict({**asked.physics, "closure": closure}, where="physics")
    for name in asked.trainings:
        check_name(name, "trainings")
        _check_training(name, _config(asked, name, asked.seeds[0]))


def _check_training(name: str, config: RunConfig) -> None:
    strategy, train, where = config.strategy.settings, config.train, f"trainings.{name}"
    if strategy.get("physics", "barotropic") != "barotropic":
        raise SettingsError(f"{where}.strategy.physics: closures are of barotropic, found {strategy['physics']!r}")
    BarotropicSettings.from_dict(strategy["physics_settings"], where=f"{where}.strategy.physics_settings")
    if train.num_input_steps != 1:
        raise SettingsError(f"{where}.train.num_input_steps: closures are judged from one state; expected 1")
    if train.num_pred_steps_val_test >= _NUM_TEST_IN_TRAINING:
        raise SettingsError(
            f"{where}.train.num_pred_steps_val_test {train.num_pred_steps_val_test}: expected less than {_NUM_TEST_IN_TRAINING}"
        )
    longest = max((steps for _, steps in strategy.get("horizons", ())), default=1)
    if longest > train.num_pred_steps_train:
        raise SettingsError(
            f"{where}.strategy.horizons: {longest} steps, the samples hold {train.num_pred_steps_train}; set num_pred_steps_train"
        )


def _claim(output: Path, asked: ClosureExperiment) -> None:
    file = output / "experiment.json"
    document = encode(asked)
    if file.exists() and read_json(file) != json.loads(json.dumps(document)):
        raise SettingsError(f"{output}: holds another experiment; give another --output, or remove it")
    write_json(file, document)


def _done(output: Path, what: str, name: str, seed: int) -> Path:
    return output / "done" / check_name(f"{what}-{name}-{seed}", "trainings")


def _found(output: Path, name: str, seed: int) -> Path:
    return output / "judged" / check_name(f"{name}-{seed}.json", "trainings")


def _run_all(jobs: Sequence[tuple[Job, tuple[Any, ...], Path]], count: int, progress: Progress | None) -> None:
    """Runs jobs of one stage, some at a time, one thread each."""
    if not jobs:
        return
    # forked from a server that has loaded what the jobs need: each would spend seconds on it
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    with ProcessPoolExecutor(min(count, len(jobs)), mp_context=context, initializer=_begin_worker) as executor:
        running = [executor.submit(job, *arguments, marker) for job, arguments, marker in jobs]
        try:
            for finished in as_completed(running):
                finished.result()
                if progress is not None:
                    progress.step()
        finally:
            for future in running:
                future.cancel()


def _begin_worker() -> None:
    end_with_parent()
    torch.set_num_threads(1)
    logging.getLogger("py4cast").setLevel(logging.WARNING)


# Jobs --------------------------------------------------------------------------------------------------


def _data(asked: ClosureExperiment, seed: int, num_test: int) -> QgSettings:
    return QgSettings.from_dict({**asked.dataset, "seed": seed, "num_test": num_test}, where="dataset")


def _simulate(asked: ClosureExperiment, seed: int, split: str, marker: Path) -> None:
    # the trainings run side by side and would wait for their short test
    counts = {"test": [asked.evaluation.num_test, _NUM_TEST_IN_TRAINING]}.get(split, [_NUM_TEST_IN_TRAINING])
    for num_test in counts:
        Qg.make_split(_data(asked, seed, num_test), split)
    write_text(marker, "")


def _config(asked: ClosureExperiment, name: str, seed: int) -> RunConfig:
    document = asked.trainings[name]
    strategy_document = document.get("strategy", {})
    strategy = {
        **strategy_document,
        "physics_settings": {**asked.physics, **strategy_document.get("physics_settings", {})},
    }
    data = {**asked.dataset, "seed": seed, "num_test": _NUM_TEST_IN_TRAINING}
    return Campaign.config(
        {"name": "qg", "settings": data},
        encode(asked.model),
        {"name": "hybrid", "settings": strategy},
        document,
        seed,
    )


def _train(asked: ClosureExperiment, name: str, seed: int, saved: Path) -> None:
    Campaign("closure", asked).train(_config(asked, name, seed), f"{name}-{seed}", saved)


def _saved(output: Path, name: str, seed: int) -> Path:
    return output / "forecasters" / check_name(f"{name}-{seed}.safetensors", "trainings")


def _judge(asked: ClosureExperiment, name: str, seed: int, output: Path, marker: Path) -> None:
    test = Qg.splits(_data(asked, seed, asked.evaluation.num_test), 1, 1, 1)[2]
    if name in asked.trainings:
        forecaster = Forecaster.load(_saved(output, name, seed))
    else:
        chosen = {"physics_settings": asked.physics | ({} if name == "none" else {"closure": name})}
        # without diagnostics, for which the formula would be evaluated once more in every step
        info = replace(test.info, variables=[v for v in test.info.variables if v.role != "diagnostic"])
        forecaster = Forecaster.build(info, "zero", "hybrid", 1, {}, chosen)
    judge = Judge(test, asked.evaluation)
    judged = judge.judge(forecaster.eval())
    physics: Any = forecaster.strategy.physics
    assert isinstance(physics, Barotropic), "the judge looked"
    # the climate of the truth is the same for all; kept with each so that a file stands alone
    write_json(marker, without_nan({"found": judged, "truth": judge.reference(physics)}))


def _report(asked: ClosureExperiment, output: Path) -> dict[str, Any]:
    from py4cast.observers.turbulence import draw_closures

    every = {n: [read_json(_found(output, n, s), None) for s in asked.seeds] for n in asked.closures}
    numbers = {
        name: [
            scalars(of_seed["found"], bare["found"], of_seed["truth"])
            for of_seed, bare in zip(numbers_of, every["none"], strict=True)
        ]
        for name, numbers_of in every.items()
    }
    numbers_of = summary(numbers)
    write_json(output / "closure.json", without_nan({"summary": numbers_of, "seeds": numbers, "closures": every}))
    write_text(output / "table.md", markdown(numbers_of, len(asked.seeds)))
    draw_closures(every, asked.evaluation.every, output / "closure.png")
    return numbers_of

"""closure: the verb. Every training and every judgement is a job of its own, kept when done; a killed run goes on."""

import hashlib
import json
import logging
import math
import multiprocessing
import os
import shutil
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from typing import Any

import torch

from py4cast.atomic import write_json, write_text
from py4cast.datasets import registry as datasets
from py4cast.datasets.base import as_window_dataset
from py4cast.datasets.builder import Progress
from py4cast.datasets.qg import Qg
from py4cast.errors import SettingsError
from py4cast.forecaster import Forecaster
from py4cast.physics.barotropic import Barotropic
from py4cast.process import end_with_parent
from py4cast.settings import encode, read_json
from py4cast.workflows.closure.evaluation import Judge
from py4cast.workflows.closure.settings import ClosureExperiment
from py4cast.workflows.closure.summary import markdown, scalars, summary
from py4cast.workflows.config import build_config

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
            for split in Qg.SPLITS
        ],
        [
            (_train, (asked, name, seed, output), _done(output, "trained", name, seed))
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
    Qg.read_settings(None, _of_data(asked, asked.seeds[0], asked.evaluation.num_test))
    for name, document in asked.trainings.items():
        _config(asked, name, asked.seeds[0])
        strategy = document.get("strategy", {})
        if strategy.get("training", "online") not in ("online", "offline", "increments"):
            raise SettingsError(f"trainings.{name}.strategy.training: expected online, offline or increments")


def _claim(output: Path, asked: ClosureExperiment) -> None:
    file = output / "experiment.json"
    document = encode(asked)
    if file.exists() and read_json(file) != json.loads(json.dumps(document)):
        raise SettingsError(f"{output}: holds another experiment; give another --output, or remove it")
    write_json(file, document)


def _done(output: Path, what: str, name: str, seed: int) -> Path:
    return output / "done" / f"{what}-{name}-{seed}"


def _found(output: Path, name: str, seed: int) -> Path:
    return output / "judged" / f"{name}-{seed}.json"


def _run_all(jobs: Sequence[tuple[Job, tuple[Any, ...], Path]], count: int, progress: Progress | None) -> None:
    """Runs jobs of one stage, some at a time, one thread each."""
    if not jobs:
        return
    context = multiprocessing.get_context("spawn")
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


def _of_data(asked: ClosureExperiment, seed: int, num_test: int) -> list[str]:
    settings = {**asked.dataset, "seed": seed, "num_test": num_test}
    return [f"{name}={json.dumps(value)}" for name, value in settings.items()]


def _simulate(asked: ClosureExperiment, seed: int, split: str, marker: Path) -> None:
    num_test = asked.evaluation.num_test if split == "test" else _NUM_TEST_IN_TRAINING
    Qg.make_split(Qg.read_settings(None, _of_data(asked, seed, num_test)), split)
    if split == "valid":  # the short test of the trainings, which run side by side and would wait for it
        Qg.make_split(Qg.read_settings(None, _of_data(asked, seed, num_test)), "test")
    write_text(marker, "")


def _config(asked: ClosureExperiment, name: str, seed: int) -> Any:
    document = asked.trainings[name]
    strategy = dict(document.get("strategy", {}))
    strategy["physics_settings"] = {**asked.physics, **strategy.get("physics_settings", {})}
    train = {"num_input_steps": 1, "no_log": True, **document.get("train", {}), "seed": seed}
    whole = {
        "dataset": {"name": "qg", "settings": {**asked.dataset, "seed": seed, "num_test": _NUM_TEST_IN_TRAINING}},
        "model": encode(asked.model),
        "strategy": {"name": "hybrid", "settings": strategy},
        "train": train,
        "optim": document.get("optim", {}),
        "scores": {"metrics": ["rmse"], "num_samples": 0},
    }
    return build_config(whole, ())


def _train(asked: ClosureExperiment, name: str, seed: int, output: Path, marker: Path) -> None:
    from py4cast.workflows.train import run_folder, train

    # runs are named by the experiment, so that two of them never meet
    campaign = f"closure-{hashlib.sha256(json.dumps(encode(asked), sort_keys=True).encode()).hexdigest()[:12]}"
    config = _config(asked, name, seed)
    folder = run_folder(config, campaign, f"{name}-{seed}")
    is_begun = (folder / "checkpoints" / "last.ckpt").exists()
    if folder.exists() and not is_begun:
        shutil.rmtree(folder)
    train(config, campaign, f"{name}-{seed}", resume=is_begun)
    _saved(output, name, seed).parent.mkdir(exist_ok=True)
    shutil.copyfile(folder / "forecaster.safetensors", _saved(output, name, seed))
    write_text(marker, str(folder))


def _saved(output: Path, name: str, seed: int) -> Path:
    return output / "forecasters" / f"{name}-{seed}.safetensors"


def _judge(asked: ClosureExperiment, name: str, seed: int, output: Path, marker: Path) -> None:
    overrides = _of_data(asked, seed, asked.evaluation.num_test)
    test = as_window_dataset(datasets.get("qg").from_json(None, 1, 1, 1, overrides)[2])
    if name in asked.trainings:
        forecaster = Forecaster.load(_saved(output, name, seed))
    else:
        chosen = {"physics_settings": asked.physics | ({} if name == "none" else {"closure": name})}
        forecaster = Forecaster.build(test.info, "zero", "hybrid", 1, {}, chosen)
    judge = Judge(test, asked.evaluation)
    found = judge.judge(forecaster.eval())
    physics: Any = forecaster.strategy.physics
    assert isinstance(physics, Barotropic), "the judge looked"
    # the climate of the truth is the same for all; kept with each so that a file stands alone
    write_json(marker, _plain({"found": found, "truth": judge.reference(physics)}))


def _plain(value: Any) -> Any:
    """With null for what is not a number: JSON has none."""
    if isinstance(value, dict):
        return {k: _plain(v) for k, v in value.items()}
    if isinstance(value, list):
        return [_plain(v) for v in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _report(asked: ClosureExperiment, output: Path) -> dict[str, Any]:
    from py4cast.observers.turbulence import draw_closures

    every = {n: [read_json(_found(output, n, s), None) for s in asked.seeds] for n in asked.closures}
    numbers = {
        name: [
            scalars(own["found"], bare["found"], own["truth"]) for own, bare in zip(found, every["none"], strict=True)
        ]
        for name, found in every.items()
    }
    found = summary(numbers)
    write_json(output / "closure.json", _plain({"summary": found, "seeds": numbers, "closures": every}))
    write_text(output / "table.md", markdown(found, len(asked.seeds)))
    draw_closures(every, asked.evaluation.every, output / "closure.png")
    return found

"""The folder of a run: where it is, what it begins with, and that nothing is left of a run that was refused."""

import json
import logging
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from py4cast.atomic import check_name, write_json
from py4cast.callbacks import CheckpointKeeper
from py4cast.errors import SettingsError
from py4cast.settings import read_json, root_dir
from py4cast.workflows.config import RunConfig

__all__ = ["begin", "free_name", "last_checkpoint", "run_folder", "without_empty_folder"]

logger = logging.getLogger(__name__)


def run_folder(config: RunConfig, campaign: str, run_name: str) -> Path:
    """The folder of a run: `$PY4CAST_ROOTDIR/logs/<campaign>/<dataset>/<model>/<run>`."""
    dataset = str(config.dataset.settings.get("name") or config.dataset.name)
    parts = (
        ("--campaign_name", campaign),
        ("dataset name", dataset),
        ("model name", config.model.name),
        ("--run_name", run_name),
    )
    folder = root_dir() / "logs"
    for what, part in parts:
        folder = folder / check_name(part, what)
    return folder


def begin(folder: Path, config: RunConfig, resume: bool) -> Path | None:
    """Makes the folder and its config.json; returns the checkpoint to go on from, if any."""
    config_file = folder / "config.json"
    if not resume:
        if config_file.exists():
            raise SettingsError(
                f"{folder}: a run of this name exists; choose another --run_name, or go on with --resume"
            )
        write_json(config_file, config.to_dict())
        return None
    if not config_file.exists():
        raise SettingsError(f"{folder}: no run to resume here")
    # settings that came after the run began have their defaults
    before = RunConfig.from_dict(read_json(config_file), source=str(config_file)).to_dict()
    now = config.to_dict()
    if before != now and before == _as_long_as(now, before):
        write_json(config_file, now)
    elif before != now:
        changed = _differing(before, now)
        raise SettingsError(
            f"{folder}: --resume goes on with the run's own settings; these differ: {', '.join(changed)}; see {config_file}"
        )
    return last_checkpoint(folder, resume)


def _as_long_as(now: Mapping[str, Any], before: Mapping[str, Any]) -> dict[str, Any]:
    """The configuration with the length that the run had before, where it is longer now."""
    train = dict(now["train"])
    if train["epochs"] >= before["train"]["epochs"]:
        train["epochs"] = before["train"]["epochs"]
    steps, asked = before["train"]["max_steps"], train["max_steps"]
    if steps is not None and (asked is None or asked >= steps):
        train["max_steps"] = steps
    return {**now, "train": train}


def _differing(before: Any, now: Any, place: str = "") -> list[str]:
    """Where two documents differ, `train.epochs (60, now 70)`."""
    if isinstance(before, Mapping) and isinstance(now, Mapping):
        keys = [k for k in dict.fromkeys((*before, *now)) if place or k not in ("run_name", "resume")]
        return [
            text
            for k in keys
            for text in _differing(before.get(k), now.get(k), f"{place}.{k}".lstrip("."))
            if before.get(k) != now.get(k)
        ]
    return [f"{place} ({json.dumps(before)}, now {json.dumps(now)})"]


def last_checkpoint(folder: Path, resume: bool) -> Path | None:
    """The checkpoint that a run goes on from, if there is one: the last, or the best where that is gone."""
    if not resume:
        return None
    last, best = (folder / "checkpoints" / name for name in ("last.ckpt", "best.ckpt"))
    if not last.exists() and best.exists():
        logger.warning("%s is not there: the run goes on from %s", last, best.name)
        return best
    return last if last.exists() else None


@contextmanager
def without_empty_folder(folder: Path) -> Iterator[None]:
    """Makes the folder of a run; where the run is refused, the folders go that were made for it and hold nothing.

    Raises:
        SettingsError: it cannot be made.
    """
    made = [f for f in (folder, *folder.parents) if not os.path.lexists(f)]
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SettingsError(
            f"{folder}: the folder of the run cannot be made: {error.strerror}; set PY4CAST_ROOTDIR to a folder that can be written in"
        ) from None
    try:
        yield
    except BaseException:
        if folder in made and {p.name for p in folder.iterdir()} <= {".lock"}:
            (folder / ".lock").unlink(missing_ok=True)
            with suppress(OSError):
                for place in made:
                    place.rmdir()
        raise


@contextmanager
def free_name(folder: Path, keeper: CheckpointKeeper) -> Iterator[None]:
    """Within, a run that ends before its first step leaves its name free."""
    try:
        yield
    except BaseException:
        if not keeper.has_begun and not keeper.folder.exists():
            for name in ("config.json", "dataset.json"):
                (folder / name).unlink(missing_ok=True)
        raise

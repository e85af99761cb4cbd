"""Campaign: the trainings of an experiment. Their runs are named by what it asks for, so that two experiments never meet."""

import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from py4cast.atomic import atomic_path, lock
from py4cast.settings import Settings, digest, encode
from py4cast.workflows.config import RunConfig, build_config

__all__ = ["Campaign", "digest_of", "trained"]


def digest_of(*documents: Any) -> str:
    """Of what is asked for: plain JSON values."""
    return digest(documents)[:12]


class Campaign:
    """Creates the trainings of an experiment.

    Args:
        kind: of experiment, the beginning of its name.
        asked: its settings.

    Attributes:
        digest: of all that is asked for.
    """

    def __init__(self, kind: str, asked: Settings) -> None:
        self.digest = digest_of(encode(asked))
        self.name = f"{kind}-{self.digest}"

    @staticmethod
    def config(
        dataset: Mapping[str, Any],
        model: Mapping[str, Any],
        strategy: Mapping[str, Any],
        document: Mapping[str, Any],
        seed: int,
    ) -> RunConfig:
        """The configuration of one training.

        Args:
            dataset: name and settings.
            model: name and settings.
            strategy: name and settings.
            document: `train`, `optim` and `loss`, as far as they differ from the defaults.
            seed: of the weights and of the order of samples.

        Raises:
            SettingsError: any of them is wrong; so is found before hours of work.
        """
        train = {"num_input_steps": 1, "num_pred_steps_val_test": 1, "no_log": True, **document.get("train", {})}
        whole = {
            "dataset": dataset,
            "model": model,
            "strategy": strategy,
            "train": {**train, "seed": seed},
            "optim": document.get("optim", {}),
            "loss": document.get("loss", {}),
            "scores": {"metrics": ["rmse"], "num_samples": 0},
        }
        config = build_config(whole, ())
        config.check()
        return config

    def train(self, config: RunConfig, run: str, saved: Path) -> None:
        """Trains, or goes on with a training that was killed, and puts its Forecaster at `saved`."""
        with trained(config, self.name, run) as folder:
            saved.parent.mkdir(parents=True, exist_ok=True)
            with atomic_path(saved) as temporary:
                shutil.copyfile(folder / "forecaster.safetensors", temporary)


@contextmanager
def trained(config: RunConfig, campaign: str, run: str, callbacks: Sequence[Any] = ()) -> Iterator[Path]:
    """The folder of a run that is trained, or gone on with where it was killed; locked within.

    Args:
        config: of the run.
        campaign: that groups runs.
        run: its name.
        callbacks: of Lightning, beside py4cast's own.

    Raises:
        BusyError: another process is at it.
    """
    from py4cast.workflows.train.run import run_folder, train

    folder = run_folder(config, campaign, run)
    # beside the folder, which another process with the same experiment must not remove
    with lock(folder.with_name(f".{run}.lock")):
        is_begun = (folder / "checkpoints" / "last.ckpt").exists()
        if folder.exists() and not is_begun:
            shutil.rmtree(folder)
        further: dict[str, Any] = {"callbacks": callbacks} if callbacks else {}
        train(config, campaign, run, resume=is_begun, **further)
        yield folder

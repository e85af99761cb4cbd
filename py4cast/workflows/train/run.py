"""train: from a configuration to a run folder with a Forecaster, its scores, logs and pictures."""

import copy
import json
import logging
import os
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch

from py4cast.atomic import disk_errors, lock, write_json
from py4cast.averaging import average_of, put_weights
from py4cast.callbacks import (
    AtomicCheckpointIO,
    CheckpointKeeper,
    stopped_at_once,
)
from py4cast.children import watched_children
from py4cast.dataset_info import DatasetInfo
from py4cast.datasets import DatasetABC, registry
from py4cast.datasets.loader import Loader, LoaderSettings
from py4cast.epoch import Shared
from py4cast.errors import DataError, Py4castError, SettingsError
from py4cast.forecaster import Forecaster
from py4cast.heartbeat import Heartbeat, lost_ranks
from py4cast.job import Job, Placement
from py4cast.learned import learned_info
from py4cast.lightning import AutoRegressiveLightning
from py4cast.losses import registry as losses
from py4cast.losses.on_areas import on_areas, weighted
from py4cast.metrics import Layout
from py4cast.metrics.climatology import Climatology
from py4cast.metrics.score_set import ScoreSet
from py4cast.models.synchronised import synchronise
from py4cast.observers import ErrorObserver
from py4cast.observers import registry as observers
from py4cast.process import process_rank
from py4cast.progress import Preparation
from py4cast.rollout_length import RolloutLength
from py4cast.settings import settings_of
from py4cast.shards import put_whole_state, shard
from py4cast.strategies.untied import check_untied
from py4cast.tracking import loggers_of, track_result
from py4cast.workflows.config import Decoded, RunConfig, TrainSettings
from py4cast.workflows.page.score_page import write_page
from py4cast.workflows.terminal import Bar
from py4cast.workflows.train.constrained import constrained
from py4cast.workflows.train.folder import begin, free_name, last_checkpoint, run_folder, without_empty_folder
from py4cast.workflows.train.limits import check_shards, out_of_memory, restored_determinism, set_device_defaults
from py4cast.workflows.train.lineage import git_state
from py4cast.workflows.train.overlap import check_splits
from py4cast.workflows.train.sharing import compare_ranks, share_samples, sharing_of, window_of
from py4cast.workflows.train.trainer import make_callbacks, make_trainer
from py4cast.workflows.train.transfer import freeze, transfer
from py4cast.workflows.verify.climatology import carry, climatology_of
from py4cast.workflows.verify.score_files import write_scores
from py4cast.workflows.verify.split import SplitCase, document_of

__all__ = ["process_rank", "run_folder", "train"]

logger = logging.getLogger(__name__)


def _load_data(config: RunConfig, settings: Any, folder: Path) -> tuple[DatasetABC, DatasetABC, DatasetABC]:
    """The splits of decoded settings, made first where that takes long."""
    # datasets that make their own fields have none
    known = getattr(getattr(settings, "periods", None), "known", None)
    for split in ("train", "valid"):
        if known is not None and split not in known:
            raise SettingsError(f"dataset.periods.{split}: missing; expected object; training needs it")
    path, kind, t = folder / "dataset.json", registry.get(config.dataset.name), config.train
    write_json(path, config.dataset.settings)
    if process_rank() == 0:
        with Bar() as bar:
            kind.make(settings, Preparation(bar))
    return kind.from_settings(settings, path, t.num_input_steps, t.longest_rollout, t.num_pred_steps_val_test)


def _loaders(
    datasets: tuple[DatasetABC, ...], t: TrainSettings, module: AutoRegressiveLightning, trainer: pl.Trainer
) -> list[Loader]:
    pin = torch.cuda.is_available()
    sharing = sharing_of(module)
    rank, size = sharing.rank(trainer.global_rank), sharing.size(trainer.world_size)
    window = window_of(module, trainer)
    learning = LoaderSettings(
        batch_size=t.batch_size, shuffle=True, seed=t.seed, pin_memory=pin, num_threads=t.num_threads
    )
    train = Loader(datasets[0], learning, rank, size, position=lambda: module.epoch.position, window=window)
    if train.num_batches() < size:
        raise SettingsError(
            f"split train holds {len(datasets[0])} samples, {train.num_batches()} whole batches of {t.batch_size}, for {size} ranks; "
            f"expected a batch for each: lower --batch_size, or start fewer"
        )
    module.learning = Shared(
        train.num_batches(), size, rank, t.limit_train_batches, t.accumulate_grad_batches, t.epochs, t.max_steps,
        module.optim.num_warmup_steps,
    )  # fmt: skip
    if t.accumulate_grad_batches > module.learning.per_rank:
        raise SettingsError(
            f"--accumulate {t.accumulate_grad_batches}: an epoch has {module.learning.per_rank} batches per rank; expected at most as many"
        )
    loaders = [train]
    for name, dataset in zip(("valid", "test"), datasets[1:], strict=True):
        if len(dataset) < size:
            raise SettingsError(
                f"split {name} holds {len(dataset)} samples for {size} ranks; expected one for each: start fewer"
            )
        # smaller batches where there were too few for every rank to have one
        each = min(t.batch_size, len(dataset) // size)
        loaders.append(
            Loader(
                dataset,
                LoaderSettings(batch_size=each, pin_memory=pin, num_threads=t.num_threads),
                rank,
                size,
                window=window,
            )
        )
    return loaders


def _observers(t: TrainSettings, prefix: str) -> list[ErrorObserver]:
    observers_of = [] if t.no_log else [observers.get(name)() for name in t.plots]
    for observer in observers_of:
        observer.prefix = prefix
    return observers_of


def _quiet() -> None:
    """Silences what Lightning says about loaders that are not torch's; ours are resumable and read by threads."""
    for message in (
        ".*does not have many workers.*",
        ".*your dataloader is not resumable.*",
        ".*number of training batches.*",
        # a deterministic step within a generative strategy stays as it forecasts
        ".*in eval mode at the start of training.*",
    ):
        warnings.filterwarnings("ignore", message)
    warnings.filterwarnings("ignore", ".*isinstance\\(treespec, LeafSpec\\).*")
    warnings.filterwarnings("ignore", ".*Experiment logs directory.*")
    for name in (
        "pytorch_lightning",
        "pytorch_lightning.utilities.rank_zero",
        "pytorch_lightning.accelerators.cuda",
    ):
        logging.getLogger(name).setLevel(logging.WARNING)


def train(
    config: RunConfig,
    campaign: str = "default",
    run_name: str = "run",
    resume: bool = False,
    weights: str | os.PathLike[str] | None = None,
    decoded: Decoded | None = None,
    init_from: str | os.PathLike[str] | None = None,
    placement: Placement | None = None,
    callbacks: Sequence[pl.Callback] = (),
) -> Path:
    """Trains, validates, keeps the best and the last state, tests the best, and returns the run's folder.

    Args:
        config: what to train on what, and how.
        campaign: a name that groups runs.
        run_name: the run's own name.
        resume: whether to go on with a run of this name.
        weights: a checkpoint or Forecaster whose network weights to start from.
        decoded: what `config.check()` gave, where it was called already.
        init_from: a Forecaster of the same data and model to begin from, whatever inputs the strategy adds.
        placement: devices and nodes; by default what the launcher started.
        callbacks: of Lightning, beside py4cast's own.

    Raises:
        SettingsError, DataError, NumericalError, SpaceError: as the command line reports them.
        Preempted: asked to stop; the state is saved.
    """
    _quiet()
    job = Job.of(placement := placement or Placement())
    _check(config.train, placement)
    folder = run_folder(config, campaign, run_name)
    t = config.train
    is_first = process_rank() == 0  # the other ranks run the same command; the first one answers for the folder
    loggers = loggers_of(folder, not t.no_log, t.mlflow, campaign, run_name) if is_first else []
    last = folder / "checkpoints" / "last.ckpt"
    with (
        stopped_at_once(last) as take_at_once,
        restored_determinism(),
        without_empty_folder(folder) if is_first else nullcontext(),
        disk_errors(folder),
        lock(folder / ".lock") if is_first else nullcontext(),
    ):
        checkpoint = begin(folder, config, resume) if is_first else last_checkpoint(folder, resume)
        keeper = CheckpointKeeper(folder / "checkpoints", every_n_steps=config.train.save_every_n_steps)
        with free_name(folder, keeper) if is_first else nullcontext():
            module, datasets = _make(config, folder, weights, decoded, init_from)
            heartbeat = Heartbeat(keeper.last_path, config.train.silent_s)
            around = [*make_callbacks(t, folder, keeper, heartbeat, take_at_once), *callbacks]
            trainer = make_trainer(config, folder, around, loggers, job, placement.accelerator, placement.distributed)
            share_samples(module, placement, trainer)
            ranks = lost_ranks(heartbeat, keeper.last_path, trainer.world_size)
            with ranks, watched_children(keeper.last_path), out_of_memory(t):
                return _fit(config, folder, datasets, module, checkpoint, keeper, trainer)


def _check(t: TrainSettings, placement: Placement) -> None:
    """Refuses what can be known to be wrong before anything is loaded."""
    check_shards(t, placement)
    if t.rollout_schedule and t.rollout_schedule[-1][0] >= t.epochs:
        logger.warning("rollout_schedule: epoch %d never comes, of %d epochs", t.rollout_schedule[-1][0], t.epochs)
    for name in t.plots:
        observers.get(name)


def _make(
    config: RunConfig,
    folder: Path,
    weights: str | os.PathLike[str] | None,
    decoded: Decoded | None = None,
    init_from: str | os.PathLike[str] | None = None,
) -> tuple[AutoRegressiveLightning, tuple[DatasetABC, DatasetABC, DatasetABC]]:
    """The data and the module of a run."""
    pl.seed_everything(config.train.seed, verbose=False)
    set_device_defaults(config.train)
    decoded = decoded or config.check()
    datasets = _load_data(config, decoded.dataset, folder)
    info = datasets[0].info
    _check_keys(info)
    check_splits(datasets)
    Layout.of(info, config.scores)  # areas that are not there are told before anything is learned
    with Bar() as bar:
        info = constrained(info, config.variables, datasets[0], folder / "learned_statistics.json", bar)
    forecaster = Forecaster.build(
        info,
        config.model.name,
        config.strategy.name,
        config.train.num_input_steps,
        decoded.model,
        decoded.strategy,
        config.train.use_checkpoint,
    )
    _tell_unheard(forecaster)
    forecaster.strategy.pushes_forward = config.train.push_forward
    _begin_from(forecaster, config.train, weights, init_from)
    # a ring where no truth is imposed is learned like the rest
    learned = info if forecaster.strategy.force_border else info.without_border()
    kind = losses.get(config.train.loss)
    learned = weighted(on_areas(learned, config.loss.areas, config.loss.shares), config.loss.variables)
    learned = learned_info(learned)
    asked = config.loss.of_loss()
    # losses of older plugins take the data alone
    loss = kind(learned, settings_of(kind, asked, "loss")) if asked else kind(learned)
    forecaster.strategy.check_loss(loss)
    check_untied(forecaster.strategy, forecaster.network)
    module = AutoRegressiveLightning(
        forecaster,
        loss,
        config.optim,
        config.train.seed,
        _observers(config.train, "valid"),
        _observers(config.train, "test"),
        climatology=climatology_of(datasets[0]),
        plots=None if config.train.no_log else folder / "plots",
        scores=config.scores,
        rollout=RolloutLength(
            config.train.rollout_schedule, config.train.random_rollout, config.train.seed, config.loss.lead_weights
        ),
    )
    module.stops_when_not_finite = config.train.on_nan == "stop"
    return module, datasets


def _tell_unheard(forecaster: Forecaster) -> None:
    """Warns of further inputs that are read and that the network does not take."""
    told = "the input %s is read and the model %s does not take it; networks on a mesh do by model.further_inputs=[%s]"
    for key in sorted(forecaster.info.inputs.keys() - set(forecaster.inputs)):
        logger.warning(told, key, forecaster.names["model"], json.dumps(key))


def _begin_from(
    forecaster: Forecaster, t: TrainSettings, weights: str | os.PathLike[str] | None, init_from: str | os.PathLike[str] | None
) -> None:  # fmt: skip
    """Gives a new Forecaster the weights that it begins from, and makes its network ready for steps."""
    if weights is not None:
        load_weights(forecaster, Path(weights))
    if init_from is not None:
        logger.info("from %s: %s", init_from, transfer(forecaster, Path(init_from)))
    freeze(forecaster.network, t.freeze)
    logger.info("%s", forecaster.describe())
    if t.compile:
        forecaster.network.model.compile()


def _fit(
    config: RunConfig,
    folder: Path,
    datasets: tuple[DatasetABC, ...],
    module: AutoRegressiveLightning,
    checkpoint: Path | None,
    keeper: CheckpointKeeper,
    trainer: pl.Trainer,
) -> Path:
    if trainer.world_size > 1 and (count := synchronise(module.forecaster.network)):
        logger.info("%d batch norms are synchronised over %d ranks", count, trainer.world_size)
    whole = copy.deepcopy(module.forecaster) if module.lays_out is shard and trainer.is_global_zero else None
    compare_ranks(trainer, datasets[0], config)
    train_loader, valid_loader, test_loader = _loaders(datasets, config.train, module, trainer)
    if checkpoint is not None:
        # the position of the loader is asked for before Lightning hands the checkpoint to the module
        module.on_load_checkpoint(AtomicCheckpointIO().load_checkpoint(checkpoint))
    with _odd_checkpoints(checkpoint, keeper):
        trainer.fit(module, train_loader, valid_loader, ckpt_path=checkpoint, weights_only=True)
    best = keeper.best_path if keeper.best_path.exists() else keeper.last_path
    state = AtomicCheckpointIO().load_checkpoint(best)
    put_whole_state(module, state["state_dict"])
    put_weights(module, average_of(state))
    module.validation_rmse = state["py4cast"].get("validation_rmse", {})
    trainer.test(module, test_loader, verbose=False)
    assert module.verification is not None, "the test makes it"
    if whole is not None:
        module.forecaster = whole
        put_whole_state(module, state["state_dict"])
    if trainer.is_global_zero:
        scores = _finish(config, folder, module, datasets[2], best.name)
        files = ("scores.json", "report.html", "forecaster.safetensors")
        track_result(trainer, config.to_dict(), scores, {name: folder / name for name in files})
    return folder


def _check_keys(info: DatasetInfo) -> None:
    """Looks at GRIB keys now, not when the first forecast is written."""
    for variable in (v for v in info.variables if v.is_predicted and v.grib):
        from py4cast.formats.grib_writer import check_identity

        check_identity(variable)


@contextmanager
def _odd_checkpoints(checkpoint: Path | None, keeper: CheckpointKeeper) -> Iterator[None]:
    """What a checkpoint of odd content makes Lightning raise before the first step becomes one line."""
    try:
        yield
    except (Py4castError, OSError):
        raise
    except Exception as error:
        if checkpoint is None or keeper.has_begun:
            raise
        reason = f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"
        raise DataError(f"{checkpoint}: damaged, or no checkpoint of this run: {reason}") from None


def _finish(
    config: RunConfig, folder: Path, module: AutoRegressiveLightning, test: DatasetABC, checkpoint: str
) -> ScoreSet:
    """Saves the Forecaster and the scores of the test, and the page that shows them."""
    assert module.verification is not None, "the test makes it"
    forecaster = module.forecaster.cpu().eval()
    path, num_steps = folder / "forecaster.safetensors", config.train.num_pred_steps_val_test
    scores = module.verification.scores({"num_members": forecaster.strategy.num_forecast_members})
    if isinstance(module.climatology, Climatology):
        carry(forecaster, module.climatology)
    errors = {"validation_rmse": module.validation_rmse} if module.validation_rmse else {}
    forecaster.save(
        path, config=config.to_dict(), scores=scores.to_dict(), checkpoint=checkpoint, git=git_state(), **errors
    )
    # described once it is saved, with the lineage that it then has
    described = document_of(forecaster, path, config.dataset.name, folder / "dataset.json", "test", num_steps)
    scores.document = {**scores.document, **described}
    write_scores(folder, scores)
    write_page(
        folder / "report.html", scores, SplitCase(forecaster, test, num_steps), f"{config.model.name}, {folder.name}"
    )
    return scores


def load_weights(forecaster: Forecaster, path: Path) -> None:
    """Gives the network of a Forecaster the weights of a checkpoint or of another Forecaster.

    Raises:
        DataError: the file cannot be read, or its weights do not fit.
    """
    if path.suffix == ".safetensors":
        state = Forecaster.load(path).network.state_dict()
    else:
        prefix = "forecaster.network."
        weights_of = AtomicCheckpointIO().load_checkpoint(path)["state_dict"]
        state = {k.removeprefix(prefix): v for k, v in weights_of.items() if k.startswith(prefix)}
    try:
        forecaster.network.load_state_dict(state)
    except RuntimeError as error:
        raise DataError(f"{path}: its weights do not fit the network: {' '.join(str(error).split())[:300]}") from None

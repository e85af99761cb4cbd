"""How the ranks of a training share samples and the network, as their placement asks."""

from typing import Any

import pytorch_lightning as pl

from py4cast.alike import Alike
from py4cast.datasets.loader import Window
from py4cast.job import Placement
from py4cast.models.split.batches import BatchParts
from py4cast.models.split.group import ModelGroup
from py4cast.ranks import Sharing
from py4cast.shards import Shards, shard
from py4cast.splitting import Splitting
from py4cast.workflows.config import RunConfig

__all__ = ["compare_ranks", "share_samples", "sharing_of", "window_of"]


_OF_THE_NODE = ("num_threads", "profile", "profiler", "silent_s", "no_log", "mlflow")


def _add(trainer: pl.Trainer, callback: pl.Callback) -> None:
    callbacks: list[pl.Callback] = trainer.callbacks  # type: ignore[attr-defined]
    callbacks.append(callback)


def sharing_of(module: Any) -> Sharing:
    """How ranks share samples with this module; each has its own where it does not say."""
    sharing: Sharing = getattr(module, "sharing", Sharing())
    return sharing


def share_samples(module: Any, placement: Placement, trainer: pl.Trainer) -> None:
    """Makes ranks that compute each sample together count as one, and lays the network out in pieces where that is asked for."""
    module.sharing = Sharing(placement.ranks_per_sample(trainer.world_size))
    module.epoch.model_ranks = module.sharing.model_ranks
    if placement.distributed == "fsdp":
        module.lays_out = shard
        _add(trainer, Shards())


def window_of(module: Any, trainer: pl.Trainer) -> Window | None:
    """The rows that this rank reads, where ranks compute samples together; from then on they do."""
    count = sharing_of(module).model_ranks
    if count == 1:
        return None
    group = ModelGroup(trainer.global_rank % count, count)
    parts = BatchParts(group, module.info.grid.shape, frozenset(module.info.inputs))
    _add(trainer, Splitting(count, parts))
    return parts.window


def compare_ranks(trainer: pl.Trainer, dataset: Any, config: RunConfig) -> None:
    """Has the ranks compared before the first step: their data, and all settings that decide the result."""
    settings = config.to_dict()
    # data may lie elsewhere on another node, and is compared by what it holds
    settings.pop("dataset", None)
    for name in _OF_THE_NODE:
        settings["train"].pop(name, None)
    _add(trainer, Alike(dataset, settings))

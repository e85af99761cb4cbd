"""Shards: weights, gradients and the optimiser's moments of a network lie in pieces on all ranks.

Before a part of the network is computed its weights are gathered, and given back after it; gradients are summed to the rank that
keeps their piece. Ranks learn from samples of their own, as without.

Reference: S. Rajbhandari et al. (2020), ZeRO: memory optimizations toward training trillion parameter models,
arXiv 1910.02054; torch's `fully_shard`.
"""

import warnings
from typing import Any

import pytorch_lightning as pl
import torch
from torch import nn
from torch.distributed.fsdp import FSDPModule, fully_shard
from torch.distributed.tensor import DTensor, distribute_tensor

from py4cast.models import GriddedNetwork

__all__ = ["Shards", "lies_in_pieces", "put_whole_state", "shard", "whole_norm"]


def lies_in_pieces(network: nn.Module) -> bool:
    """Whether the weights of a network lie in pieces, so that a pass needs all ranks."""
    return any(isinstance(weight, DTensor) for weight in network.parameters())


def shard(network: GriddedNetwork) -> None:
    """Lays the weights of a network out in pieces; once, when ranks have met."""
    if lies_in_pieces(network):
        return
    # a network's fields are a view of its rows, which nothing changes in place: losses are those of whole weights to the digit
    warnings.filterwarnings("ignore", r"FSDP2-wrapped module .* returned a view tensor", UserWarning)
    for part in network.shards():
        fully_shard(part)
    fully_shard(network)
    network.computes_terms_inside = True


def put_whole_state(module: nn.Module, state: dict[str, Any]) -> None:
    """Gives a module, in pieces or not, the weights of a whole one; every rank takes its pieces of its copy."""
    pieces = dict(state)
    for name, value in module.state_dict().items():
        if name in state and isinstance(value, DTensor):
            pieces[name] = distribute_tensor(state[name], value.device_mesh, value.placements, src_data_rank=None)
    module.load_state_dict(pieces)


class Shards(pl.Callback):
    """Creates the callback that keeps a network's weights gathered through a validation and a test.

    Ranks have different numbers of batches there, and none may wait for another within one.
    """

    def on_validation_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Gathers the weights for all batches."""
        for part in _parts(pl_module):
            part.set_reshard_after_forward(False)
            part.unshard()

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Gives the weights of other ranks back."""
        for part in _parts(pl_module):
            part.set_reshard_after_forward(True)
            part.reshard()

    on_test_start, on_test_end = on_validation_start, on_validation_end


def _parts(pl_module: pl.LightningModule) -> list[FSDPModule]:
    return [module for module in pl_module.modules() if isinstance(module, FSDPModule)]


def whole_norm(norm: torch.Tensor) -> torch.Tensor:
    """A norm over pieces as a plain number on every rank."""
    return norm.full_tensor() if isinstance(norm, DTensor) else norm

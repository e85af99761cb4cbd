"""Ranks: what the processes of one training tell each other."""

from typing import Any

import torch

__all__ = ["gathered"]


def gathered(mine: Any) -> list[Any]:
    """The object of every rank, in their order."""
    objects: list[Any] = [None] * torch.distributed.get_world_size()
    torch.distributed.all_gather_object(objects, mine)
    return objects

"""Ranks: what the processes of one training tell each other."""

import datetime
import os
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor

from py4cast.errors import SettingsError

__all__ = ["Sharing", "agreed", "by_rank", "gathered", "is_shared", "place_of_process", "same_for_all", "summed"]

_GROUPS: dict[int, Any] = {}


def is_shared() -> bool:
    """Whether there is more than one process."""
    distributed = torch.distributed
    return bool(distributed.is_available() and distributed.is_initialized() and distributed.get_world_size() > 1)


def _group() -> Any:
    """A group over the processors of all ranks, whatever the network's: a few numbers need no accelerator to wait for."""
    world = torch.distributed.group.WORLD
    if torch.distributed.get_backend() == "gloo":
        return world
    if id(world) not in _GROUPS:
        _GROUPS.clear()
        _GROUPS[id(world)] = torch.distributed.new_group(backend="gloo")
    return _GROUPS[id(world)]


def same_for_all(key: str, mine: str) -> str:
    """What the first rank says, before the ranks of a torchrun have met; by the store that its agents keep.

    Raises:
        SettingsError: there is no such store.
    """
    env = os.environ
    if env.get("TORCHELASTIC_USE_AGENT_STORE") != "True":
        raise SettingsError(f"several processes need one {key}, and nothing tells them of each other's; give --{key}")
    timeout = datetime.timedelta(seconds=120)
    store = torch.distributed.TCPStore(  # type: ignore[attr-defined]
        env["MASTER_ADDR"], int(env["MASTER_PORT"]), is_master=False, timeout=timeout, wait_for_workers=False
    )
    place = f"py4cast/{env.get('TORCHELASTIC_RESTART_COUNT', '0')}/{key}"
    if env["RANK"] == "0":
        store.set(place, mine)
    return str(store.get(place).decode())


def agreed(*numbers: int) -> tuple[int, ...]:
    """The largest of each number over all ranks, so that all decide alike; of one process its own."""
    if not is_shared():
        return numbers
    tensor = torch.tensor(numbers, dtype=torch.int64)
    torch.distributed.all_reduce(tensor, torch.distributed.ReduceOp.MAX, group=_group())
    return tuple(tensor.tolist())


def summed(values: Tensor) -> Tensor:
    """The sums of numbers over all ranks, in float64 on the processor."""
    total = values.detach().to("cpu", torch.float64)
    if is_shared():
        torch.distributed.all_reduce(total, group=_group())
    return total


def place_of_process() -> tuple[int, int]:
    """The rank of this process, and how many there are."""
    if not is_shared():
        return 0, 1
    return torch.distributed.get_rank(), torch.distributed.get_world_size()


def by_rank(values: Tensor) -> Tensor:
    """The numbers of every rank, a row each in their order, in float64 on the processor."""
    rank, world = place_of_process()
    rows = torch.zeros(world, *values.shape, dtype=torch.float64)
    rows[rank] = values.detach().to("cpu", torch.float64)
    return summed(rows)


def gathered(mine: Any) -> list[Any]:
    """The object of every rank, in their order."""
    objects: list[Any] = [None] * torch.distributed.get_world_size()
    torch.distributed.all_gather_object(objects, mine)
    return objects


class Sharing(NamedTuple):
    """How ranks share samples: `model_ranks` in a row compute the same ones together, and count once.

    Args:
        model_ranks: ranks that compute a sample.
    """

    model_ranks: int = 1

    def size(self, world_size: int) -> int:
        """How many have samples of their own, of so many ranks."""
        return world_size // self.model_ranks

    def rank(self, rank: int) -> int:
        """The place of a rank among those that have samples of their own."""
        return rank // self.model_ranks

    def gathered(self, mine: Any) -> list[Any]:
        """The object of every rank that has samples of its own, in their order."""
        return gathered(mine)[:: self.model_ranks]

    def gatherer(self, world_size: int) -> Callable[[Any], list[Any]] | None:
        """`gathered`, where there is more than one rank."""
        return self.gathered if world_size > 1 else None

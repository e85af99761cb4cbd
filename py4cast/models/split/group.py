"""ModelGroup: the ranks that compute one sample together, and what passes between their parts of a network.

Outside the network every rank of a group holds the whole state, so that losses, masks, borders and scores are those of one
process. Inside, each computes its part. With L the loss, which every rank of the group finds alike, an operation here gives back
M·∂L/∂x of its input within the network, M ranks in the group: gradients of weights that are averaged over all ranks, as
they are without a group, then are those of the whole network, once per sample.

Reference: M. Shoeybi et al. (2019), Megatron-LM, arXiv 1909.08053 (the pairs of operations at the ends of a part).
"""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

__all__ = ["ModelGroup"]


@dataclass(frozen=True, slots=True)
class ModelGroup:
    """The ranks that share a sample.

    Args:
        rank: of this process in the group.
        size: ranks in it.
        handle: torch's process group.
    """

    rank: int
    size: int
    handle: Any = None

    @classmethod
    def of_world(cls, size: int) -> "ModelGroup":
        """The group of this process, where consecutive ranks share a sample; all ranks call it together.

        Args:
            size: ranks in each group, a divisor of their number.
        """
        distributed = torch.distributed
        rank, world = distributed.get_rank(), distributed.get_world_size()
        # a process takes part in making the others' groups too
        handles = [distributed.new_group(list(range(first, first + size))) for first in range(0, world, size)]
        return cls(rank % size, size, handles[rank // size])

    def shares(self, count: int) -> list[int]:
        """How many of `count` things each rank has, as equal as they can be."""
        return [(r + 1) * count // self.size - r * count // self.size for r in range(self.size)]

    def band(self, count: int) -> tuple[int, int]:
        """The first of `count` things that this rank has, and the one after its last."""
        return self.rank * count // self.size, (self.rank + 1) * count // self.size

    def taken(self, x: Tensor, index: Tensor, dim: int) -> Tensor:
        """Those of `index` along `dim`: where a part of the network begins; parts may overlap."""
        result: Tensor = _Taken.apply(self, x, index, dim)  # type: ignore[no-untyped-call]
        return result

    def joined(self, part: Tensor, index: Tensor, count: int, dim: int) -> Tensor:
        """The whole of all parts, where a part of the network ends; each of the `count` places along `dim` is one rank's.

        Args:
            part: of this rank.
            index: its places.
            count: places of all.
            dim: along which it is cut.
        """
        result: Tensor = _Joined.apply(self, part, index, count, dim)  # type: ignore[no-untyped-call]
        return result

    def summed(self, x: Tensor) -> Tensor:
        """The sum over the ranks of the group, within the network."""
        result: Tensor = _Summed.apply(self, x)  # type: ignore[no-untyped-call]
        return result

    def swapped(self, rows: Tensor, sent: list[int], received: list[int]) -> Tensor:
        """Rows from the other ranks, in their order, within the network.

        Args:
            rows: for them, in their order, along the first dimension.
            sent: how many go to each.
            received: how many come from each.
        """
        result: Tensor = _Swapped.apply(self, rows, sent, received)  # type: ignore[no-untyped-call]
        return result

    def add_up(self, x: Tensor) -> Tensor:
        """The sum over the ranks of the group, in place and without a gradient."""
        torch.distributed.all_reduce(x, group=self.handle)
        return x

    def swap(self, rows: Tensor, sent: list[int], received: list[int]) -> Tensor:
        """As `swapped`, without a gradient."""
        result = rows.new_empty(sum(received), *rows.shape[1:])
        torch.distributed.all_to_all_single(result, rows.contiguous(), received, sent, group=self.handle)
        return result


def _spread(part: Tensor, index: Tensor, count: int, dim: int) -> Tensor:
    """Zeros but for the places of `index`, which may come twice."""
    shape = (*part.shape[:dim], count, *part.shape[dim + 1 :])
    return part.new_zeros(shape).index_add_(dim, index, part)


class _Taken(torch.autograd.Function):
    """A part of what every rank holds whole."""

    @staticmethod
    def forward(ctx: Any, group: ModelGroup, x: Tensor, index: Tensor, dim: int) -> Tensor:
        ctx.group, ctx.dim, ctx.count = group, dim, x.shape[dim]
        ctx.save_for_backward(index)
        return x.index_select(dim, index)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        whole = _spread(gradient, ctx.saved_tensors[0], ctx.count, ctx.dim)
        return None, ctx.group.add_up(whole) / ctx.group.size, None, None


class _Joined(torch.autograd.Function):
    """What every rank holds whole, of its part."""

    @staticmethod
    def forward(ctx: Any, group: ModelGroup, part: Tensor, index: Tensor, count: int, dim: int) -> Tensor:
        ctx.group, ctx.dim = group, dim
        ctx.save_for_backward(index)
        return group.add_up(_spread(part, index, count, dim))

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        part = gradient.index_select(ctx.dim, ctx.saved_tensors[0]) * ctx.group.size
        return None, part, None, None, None


class _Summed(torch.autograd.Function):
    """A sum that all ranks go on with; the gradients of all come back to each."""

    @staticmethod
    def forward(ctx: Any, group: ModelGroup, x: Tensor) -> Tensor:
        ctx.group = group
        return group.add_up(x.clone())

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        return None, ctx.group.add_up(gradient.clone())


class _Swapped(torch.autograd.Function):
    """Rows that change place; their gradients go back the same way."""

    @staticmethod
    def forward(ctx: Any, group: ModelGroup, rows: Tensor, sent: list[int], received: list[int]) -> Tensor:
        ctx.group, ctx.sent, ctx.received = group, sent, received
        return group.swap(rows, sent, received)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        return None, ctx.group.swap(gradient, ctx.received, ctx.sent), None, None

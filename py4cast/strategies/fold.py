"""Members folded into the batch, and steps put together."""

import torch
from torch import Tensor

__all__ = ["repeated", "stacked"]


def repeated(values: Tensor, num_members: int) -> Tensor:
    """`(batch·member, …)`: the members of a sample stand one behind the other."""
    return values if num_members == 1 else values.repeat_interleave(num_members, dim=0)


def stacked(steps: list[Tensor], dim: int) -> Tensor:
    """Predictions of the steps along a new dimension `timestep`."""
    return steps[0].unsqueeze(dim) if len(steps) == 1 else torch.stack(steps, dim=dim)

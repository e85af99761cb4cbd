"""RolloutLength: how many steps are unrolled in training, by epoch, and what each of them weighs."""

from collections.abc import Sequence

import torch
from torch import Tensor

__all__ = ["RolloutLength"]


class RolloutLength:
    """Creates the length of rollouts in training; a function of (seed, epoch, batch) alone, so that a resumed run is the same.

    Args:
        schedule: `(epoch, steps)` from which on so many steps are unrolled; by default all of a batch.
        is_random: whether the steps of a batch are drawn, even from 1 to those.
        seed: of the draw.
        weights: of the lead times in the mean; those beyond have the last one's. By default all alike.

    Reference: R. Keisler (2022), Forecasting global weather with graph neural networks, arXiv 2202.07575 (more steps as training
    goes on).
    """

    def __init__(
        self,
        schedule: Sequence[tuple[int, int]] = (),
        is_random: bool = False,
        seed: int = 0,
        weights: Sequence[float] = (),
    ) -> None:
        self._schedule, self._is_random, self._seed, self._weights = list(schedule), is_random, seed, list(weights)

    def of(self, epoch: int, batch: int, most: int) -> int:
        """The steps of a batch.

        Args:
            epoch: of the training.
            batch: its number since the training began.
            most: steps that the batch has.
        """
        scheduled = [steps for first, steps in self._schedule if epoch >= first]
        steps = min(scheduled[-1] if scheduled else most, most)
        if not self._is_random or steps == 1:
            return steps
        generator = torch.Generator().manual_seed((self._seed * 1_000_003 + batch) % 2**63)
        return int(torch.randint(1, steps + 1, (), generator=generator))

    def expected(self, epoch: int, most: int) -> float:
        """The mean number of steps of the batches of an epoch that have so many; of a draw its expectation."""
        scheduled = [steps for first, steps in self._schedule if epoch >= first]
        steps = min(scheduled[-1] if scheduled else most, most)
        return (1 + steps) / 2 if self._is_random else float(steps)

    def mean(self, loss: Tensor) -> Tensor:
        """The mean over samples and lead times of `(batch, timestep)`, by their weights; 0 where none of them weighs."""
        if not self._weights:
            return loss.mean()
        count = loss.shape[1]
        weights = (self._weights + [self._weights[-1]] * count)[:count]
        given = loss.new_tensor(weights)
        return (loss.mean(0) * given).sum() / given.sum().clamp_min(torch.finfo(loss.dtype).tiny)

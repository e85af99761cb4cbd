"""PartABC: what a rank computes of a network, gridded in and out like the whole."""

from abc import ABC, abstractmethod
from typing import Any

from torch import Tensor

__all__ = ["PartABC"]


class PartABC(ABC):
    """Abstract part of a network: called like it, with whole states in and out, it computes this rank's share of them."""

    @abstractmethod
    def __call__(self, x: Tensor, *terms: Any, **further: Any) -> Tensor:
        """`(batch, lat, lon, features)` → `(batch, lat, lon, features)`.

        Args:
            x: the input, whole.
            terms: of `precompute`, where several steps share them.
            further: what else the network takes.
        """

    def precompute(self) -> Any:
        """What depends on weights alone, of this part; None for nothing."""
        return None

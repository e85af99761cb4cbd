"""The contract of losses: what is differentiated, one number per sample and step."""

from abc import ABC, abstractmethod

from torch import Tensor, nn

from py4cast.dataset_info import DatasetInfo
from py4cast.namedtensor import NamedTensor

__all__ = ["LossABC"]


class LossABC(nn.Module, ABC):
    """Abstract loss on standardised fields.

    Args:
        info: of the data; weights become buffers.
    """

    def __init__(self, info: DatasetInfo) -> None:
        super().__init__()

    @abstractmethod
    def forward(
        self,
        prediction: Tensor | NamedTensor,
        target: Tensor | NamedTensor,
        mask: Tensor | None = None,
        reduce_spatial_dim: bool = True,
    ) -> Tensor:
        """The loss of each sample and step.

        Args:
            prediction: `(batch, timestep, lat, lon, features)`.
            target: the same; NaN where truth is missing.
            mask: False where a cell does not count, broadcast to the target.
            reduce_spatial_dim: whether to take the mean over cells.

        Returns:
            `(batch, timestep)`, or `(batch, timestep, lat, lon)` without the mean.
        """

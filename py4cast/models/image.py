"""Networks of images, which most networks of other packages are, as models on the grid."""

from abc import abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar

from torch import Tensor, nn

from py4cast.grid import Grid
from py4cast.models.base import GridModel
from py4cast.models.blocks import Padder
from py4cast.settings import Settings

__all__ = ["ImageModel", "NoSettings"]


@dataclass(frozen=True, slots=True, kw_only=True)
class NoSettings(Settings):
    """Settings of a model that has none."""


class ImageModel(GridModel):
    """Abstract model around a network f from `(batch, features, lat, lon)` to the same: y = crop(f(pad(x))).

    Args:
        num_input_features: of the network's input.
        num_output_features: of its output.
        settings: of `settings_kls`.
        grid: any; it is padded to sizes divisible by `multiple`.
    """

    settings_kls: ClassVar[Any] = NoSettings
    multiple: ClassVar[int] = 32

    def __init__(self, num_input_features: int, num_output_features: int, settings: Any, grid: Grid) -> None:
        super().__init__()
        self.padder = Padder(grid.shape, self.multiple, grid.periodicity)
        self.network = self.make(num_input_features, num_output_features, settings, self.padder.shape)

    @classmethod
    @abstractmethod
    def make(cls, num_inputs: int, num_outputs: int, settings: Any, shape: tuple[int, int]) -> nn.Module:
        """The network from images to images, which a concrete class makes.

        Args:
            num_inputs: features in.
            num_outputs: features out.
            settings: of `settings_kls`.
            shape: `(lat, lon)` of the padded images that it will see.
        """

    def forward(self, x: Tensor) -> Tensor:
        """`(batch, lat, lon, features)` → `(batch, lat, lon, features)`."""
        image = self.padder.pad(x.permute(0, 3, 1, 2)).contiguous()
        return self.padder.crop(self.network(image)).permute(0, 2, 3, 1)

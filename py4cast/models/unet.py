"""U-Net: four scales down, four up, with the encoder's features joined at each."""

from dataclasses import dataclass
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from py4cast.grid import Grid
from py4cast.models.base import GridModel
from py4cast.models.blocks import ConvBlock, Norm, Padder
from py4cast.models.split.bands import BandPart
from py4cast.models.split.group import ModelGroup
from py4cast.settings import Settings, setting

__all__ = ["UNet", "UNetSettings"]


@dataclass(frozen=True, slots=True, kw_only=True)
class UNetSettings(Settings):
    """Settings of U-Net: its width and its activation."""

    init_features: int = setting(64, "features at full size; they double at each scale")
    norm: Norm = setting("batch", "normalisation: batch, group or none")

    def __post_init__(self) -> None:
        if self.init_features < 2:
            raise ValueError("init_features must be at least 2")


class UNet(GridModel):
    """Creates a U-Net with transposed convolutions on the way up.

    Reference: O. Ronneberger, P. Fischer, T. Brox (2015), U-Net: Convolutional Networks for Biomedical Image
    Segmentation, arXiv 1505.04597.
    """

    settings_kls: ClassVar[type] = UNetSettings
    onnx_supported = True
    reference = "Ronneberger et al. (2015), arXiv 1505.04597"
    num_levels = 4

    def __init__(self, num_input_features: int, num_output_features: int, settings: UNetSettings, grid: Grid) -> None:
        super().__init__()
        self.padder = Padder(grid.shape, 2**self.num_levels, grid.periodicity)
        widths = [settings.init_features * 2**level for level in range(self.num_levels + 1)]
        self.encoders = nn.ModuleList(
            [
                self._block(n, m, settings.norm)
                for n, m in zip([num_input_features, *widths[:-2]], widths[:-1], strict=True)
            ]
        )
        self.bottleneck = self._block(widths[-2], widths[-1], settings.norm)
        narrowing = list(zip(widths[:0:-1], widths[-2::-1], strict=True))
        self.ups = nn.ModuleList([nn.ConvTranspose2d(wide, narrow, 2, stride=2) for wide, narrow in narrowing])
        self.decoders = nn.ModuleList([self._block(wide, narrow, settings.norm) for wide, narrow in narrowing])
        self.output = nn.Conv2d(widths[0], num_output_features, 1)

    @staticmethod
    def _block(inputs: int, outputs: int, norm: Norm) -> nn.Sequential:
        return nn.Sequential(ConvBlock(inputs, outputs, norm), ConvBlock(outputs, outputs, norm))

    def part(self, group: ModelGroup) -> BandPart:
        return BandPart(self, group)

    def shards(self) -> list[nn.Module]:
        return [*self.encoders, self.bottleneck, *self.decoders]

    def forward(self, x: Tensor) -> Tensor:
        """`(batch, lat, lon, features)` → `(batch, lat, lon, features)`."""
        level = self.padder.pad(x.permute(0, 3, 1, 2))
        skipped: list[Tensor] = []
        for encoder in self.encoders:
            level = encoder(level)
            skipped.append(level)
            level = F.max_pool2d(level, 2)
        level = self.bottleneck(level)
        for up, decoder in zip(self.ups, self.decoders, strict=True):
            level = decoder(torch.cat([up(level), skipped.pop()], dim=1))
        return self.padder.crop(self.output(level)).permute(0, 2, 3, 1)

"""Half-UNet: an encoder of equal width whose scales are brought to full size and summed, then one decoder."""

from dataclasses import dataclass
from typing import ClassVar

import torch.nn.functional as F
from torch import Tensor, nn

from py4cast.grid import Grid
from py4cast.models.base import GridModel
from py4cast.models.blocks import ActivationName, ConvBlock, GhostConv, Norm, Padder, activation
from py4cast.models.conditional import scales_of
from py4cast.models.split.bands import BandPart
from py4cast.models.split.group import ModelGroup
from py4cast.settings import Settings, setting

__all__ = ["HalfUNet", "HalfUNetSettings"]


@dataclass(frozen=True, slots=True, kw_only=True)
class HalfUNetSettings(Settings):
    """Settings of Half-UNet: its width and what its blocks are made of."""

    num_filters: int = setting(64, "features at every scale")
    dilation: int = setting(1, "dilation of the convolutions")
    bias: bool = setting(False, "whether convolutions have a bias")
    use_ghost: bool = setting(False, "whether half of the features are made by cheap depthwise convolutions")
    last_activation: ActivationName = setting("Identity", "activation of the output")
    norm: Norm = setting("batch", "normalisation: batch, group or none")

    def __post_init__(self) -> None:
        if self.num_filters < 2 or self.dilation < 1:
            raise ValueError("num_filters must be at least 2, dilation at least 1")


class HalfUNet(GridModel):
    """Creates a Half-UNet: y = W·D(Σₛ up(Eₛ)), with E₁ … E₅ the encoder's scales, each half the size of the one before.

    Reference: H. Lu, Y. She, J. Tie, S. Xu (2022), Half-UNet: A Simplified U-Net Architecture for Medical Image
    Segmentation, doi 10.3389/fninf.2022.911679.
    """

    settings_kls: ClassVar[type] = HalfUNetSettings
    onnx_supported = True
    keeps_skill_in_bf16 = True
    conditioned = True
    reference = "Lu et al. (2022), doi 10.3389/fninf.2022.911679"
    num_levels = 5

    def __init__(
        self,
        num_input_features: int,
        num_output_features: int,
        settings: HalfUNetSettings,
        grid: Grid,
        num_conditions: int = 0,
    ) -> None:
        super().__init__()
        width = settings.num_filters
        self.padder = Padder(grid.shape, 2 ** (self.num_levels - 1), grid.periodicity)
        inputs = [num_input_features] + [width] * (self.num_levels - 1)
        self.encoders = nn.ModuleList([self._block(n, width, settings) for n in inputs])
        self.decoder = self._block(width, width, settings)
        self.output = nn.Conv2d(width, num_output_features, 1, bias=settings.bias)
        self.last_activation = activation(settings.last_activation)
        self.scales = scales_of(self.num_levels + 1, width, num_conditions)

    @staticmethod
    def _block(inputs: int, outputs: int, settings: HalfUNetSettings) -> nn.Sequential:
        kind = GhostConv if settings.use_ghost else ConvBlock
        return nn.Sequential(
            kind(inputs, outputs, settings.norm, settings.dilation, settings.bias),
            kind(outputs, outputs, settings.norm, settings.dilation, settings.bias),
        )

    def part(self, group: ModelGroup) -> BandPart:
        return BandPart(self, group)

    def forward(self, x: Tensor, condition: Tensor | None = None) -> Tensor:
        """`(batch, lat, lon, features)` → `(batch, lat, lon, features)`; steered by `condition` where it was made so."""
        image = self.padder.pad(x.permute(0, 3, 1, 2))
        level = self._steered(0, self.encoders[0](image), condition)
        total = level
        size = level.shape[-2:]
        for i, encoder in enumerate(list(self.encoders)[1:], 1):
            level = self._steered(i, encoder(F.max_pool2d(level, 2)), condition)
            total = total + F.interpolate(level, size=size, mode="bilinear", align_corners=False)
        decoded = self._steered(self.num_levels, self.decoder(total), condition)
        y = self.last_activation(self.output(decoded))
        return self.padder.crop(y).permute(0, 2, 3, 1)

    def _steered(self, block: int, y: Tensor, condition: Tensor | None) -> Tensor:
        return self.scales[block](y, condition) if len(self.scales) else y

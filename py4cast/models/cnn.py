"""cnn: a plain stack of convolutions at full size, whose view is as wide as its kernels and no wider."""

from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar

import torch.nn.functional as F
from torch import Tensor, nn

from py4cast.grid import Grid
from py4cast.models.base import GridModel
from py4cast.models.blocks import ActivationName, activation
from py4cast.models.conditional import scales_of
from py4cast.models.split.group import ModelGroup
from py4cast.models.split.tiles import TilePart
from py4cast.settings import Settings, setting

__all__ = ["CNN", "CNNSettings"]


@dataclass(frozen=True, slots=True, kw_only=True)
class CNNSettings(Settings):
    """Settings of the stack of convolutions."""

    num_filters: int = setting(16, "features between the layers; multiples of 16 are fastest")
    num_layers: int = setting(4, "convolutions, the last one included")
    kernel_size: int = setting(5, "cells along the side of a kernel, odd")
    activation: ActivationName = setting("ReLU", "between the layers")

    def __post_init__(self) -> None:
        if self.num_filters < 1 or self.num_layers < 1 or self.kernel_size < 1 or self.kernel_size % 2 == 0:
            raise ValueError("num_filters and num_layers must be at least 1, kernel_size odd")


class CNN(GridModel):
    """Creates y = C_n(a(C_{n−1}(… a(C₁(x))))), with C a convolution that keeps the size and a the activation.

    A cell of the output sees the cells within `halo` = n·(kernel_size − 1)/2: a model that is cut into tiles gives the
    same result when every tile comes with so many cells around it. Sides that meet the opposite ones are padded from
    there, others with their own nearest cells.

    Reference: H. Frezat et al. (2022), doi 10.1029/2022MS003124 (10 layers of 64 features); K. Srinivasan et al. (2024),
    Turbulence closure modeling with data-driven techniques: existence and generalizability of deep neural networks under
    the assumption of full data, doi 10.1029/2023MS003795 (two layers suffice).
    """

    settings_kls: ClassVar[type] = CNNSettings
    onnx_supported = True
    keeps_skill_in_bf16 = True
    conditioned = True
    reference = "Frezat et al. (2022), doi 10.1029/2022MS003124"

    def __init__(
        self,
        num_input_features: int,
        num_output_features: int,
        settings: CNNSettings,
        grid: Grid,
        num_conditions: int = 0,
    ) -> None:
        super().__init__()
        self.margin = settings.kernel_size // 2
        self.shape = grid.shape
        self.halo = self.margin * settings.num_layers
        self.modes = ["circular" if p else "replicate" for p in grid.periodicity]
        widths = [num_input_features, *[settings.num_filters] * (settings.num_layers - 1), num_output_features]
        self.layers = nn.ModuleList([nn.Conv2d(n, m, settings.kernel_size) for n, m in pairwise(widths)])
        self.activation = activation(settings.activation)
        self.scales = scales_of(settings.num_layers - 1, settings.num_filters, num_conditions)

    def part(self, group: ModelGroup) -> TilePart:
        return TilePart(self, group, self.shape[0], self.halo, self.modes[0] == "circular")

    def forward(self, x: Tensor, condition: Tensor | None = None) -> Tensor:
        """`(batch, lat, lon, features)` → `(batch, lat, lon, features)`; steered by `condition` where it was made so."""
        y = x.permute(0, 3, 1, 2)
        for i, layer in enumerate(self.layers):
            if i and len(self.scales):
                y = self.scales[i - 1](y, condition)
            y = layer(self._pad(self.activation(y) if i else y))
        return y.permute(0, 2, 3, 1)

    def _pad(self, x: Tensor) -> Tensor:
        m = self.margin
        if self.modes[0] == self.modes[1]:
            return F.pad(x, (m, m, m, m), mode=self.modes[0])
        x = F.pad(x, (m, m, 0, 0), mode=self.modes[1])
        return F.pad(x, (0, 0, m, m), mode=self.modes[0])

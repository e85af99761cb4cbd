"""UNETR++: a U-shaped network whose blocks attend to space and to features with shared queries and keys."""

from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from py4cast.grid import Grid
from py4cast.models.base import GridModel
from py4cast.models.blocks import InteriorNorm, Padder, ResidualBlock
from py4cast.settings import Settings, setting

__all__ = ["UNetRPP", "UNetRPPSettings"]

Four = tuple[int, int, int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class UNetRPPSettings(Settings):
    """Settings of UNETR++; one number per scale, from the finest."""

    hidden_size: int = setting(256, "width of the coarsest scale; each finer one has half")
    num_heads: int = setting(4, "attention heads; they divide every width")
    depths: Four = setting((3, 3, 3, 3), "blocks of each scale, in encoder and decoder")
    proj_sizes: Four = setting((64, 64, 64, 32), "cells that keys and values are projected to")
    downsampling_rate: Literal[2, 4] = setting(4, "cells per side of a patch of the finest scale")
    linear_upsampling: bool = setting(False, "bilinear and a convolution instead of transposed convolutions")
    dropout: float = setting(0.0, "rate of features left out in training")

    def __post_init__(self) -> None:
        if self.hidden_size % 16 or self.hidden_size < 16:
            raise ValueError(f"hidden_size {self.hidden_size}: expected a multiple of 16")
        if self.num_heads < 1 or (self.hidden_size // 8) % self.num_heads:
            raise ValueError(
                f"num_heads {self.num_heads} do not divide the width {self.hidden_size // 8} of the finest scale"
            )
        if min(*self.depths, *self.proj_sizes) < 1 or not 0.0 <= self.dropout < 1.0:
            raise ValueError("depths and proj_sizes must be at least 1, dropout from 0 up to 1")


class _PairedAttention(nn.Module):
    """Creates efficient paired attention: with q̂, k̂ normalised over cells, and E a shared projection of cells,

    features: softmax(τ·q̂ᵀk̂) of d × d,   space: softmax(σ·q̂·(Ek)ᵀ) of cells × projected cells,

    each times values of its own, each to half of the width by a Linear, side by side.
    """

    def __init__(self, width: int, heads: int, cells: int, projected: int, dropout: float) -> None:
        super().__init__()
        self.heads, self.dropout = heads, dropout
        self.linear = nn.Linear(width, 4 * width, bias=False)
        self.project = nn.Linear(cells, min(projected, cells))
        self.of_features = nn.Parameter(torch.ones(heads, 1, 1))
        self.of_space = nn.Parameter(torch.ones(heads, 1, 1))
        self.space_output = nn.Linear(width, width // 2)
        self.features_output = nn.Linear(width, width // 2)

    def forward(self, x: Tensor) -> Tensor:
        """`(batch, cells, features)` → the same."""
        dropout = self.dropout if self.training else 0.0
        # (4, batch, heads, features per head, cells)
        parts = self.linear(x).unflatten(-1, (4, self.heads, -1)).permute(2, 0, 3, 4, 1)
        query, key, of_features, of_space = parts.unbind(0)
        key_projected, value_projected = self.project(key), self.project(of_space)
        query, key = F.normalize(query, dim=-1), F.normalize(key, dim=-1)
        features = F.scaled_dot_product_attention(query * self.of_features.to(query.dtype), key, of_features, None, dropout, scale=1.0)  # fmt: skip
        by_cell = (query * self.of_space.to(query.dtype)).transpose(-2, -1)
        space = F.scaled_dot_product_attention(by_cell, key_projected.transpose(-2, -1), value_projected.transpose(-2, -1), None, dropout, scale=1.0)  # fmt: skip
        features = features.permute(0, 3, 1, 2).flatten(2)
        space = space.transpose(1, 2).flatten(2)
        return torch.cat([self.space_output(space), self.features_output(features)], dim=-1)


class _Block(nn.Module):
    """Creates t ← t + γ·attention(LN(t + p)), where padding is not attended to, and a residual convolution after it."""

    is_real: Tensor

    def __init__(self, width: int, is_real: Tensor, projected: int, settings: UNetRPPSettings) -> None:
        super().__init__()
        cells = is_real.numel()
        self.register_buffer("is_real", is_real.float().view(-1, 1), persistent=False)
        self.position = nn.Parameter(torch.zeros(cells, width))
        self.norm = nn.LayerNorm(width)
        self.scale = nn.Parameter(torch.full((width,), 1e-2))
        self.attention = _PairedAttention(width, settings.num_heads, cells, projected, settings.dropout)
        self.convolution = ResidualBlock(width, width, nn.BatchNorm2d)
        self.output = nn.Sequential(nn.Dropout2d(settings.dropout), nn.Conv2d(width, width, 1))

    def forward(self, x: Tensor) -> Tensor:
        """`(batch, features, lat, lon)` → the same."""
        cells = x.permute(0, 2, 3, 1).flatten(1, 2) + self.position
        cells = cells + self.scale * self.attention(self.norm(cells) * self.is_real)
        image = cells.reshape(x.shape[0], *x.shape[-2:], -1).permute(0, 3, 1, 2)
        return image + self.output(self.convolution(image))  # type: ignore[no-any-return]


class _Up(nn.Module):
    """Creates the way from a coarse scale to a finer one of another width."""

    def __init__(self, inputs: int, outputs: int, factor: int, is_linear: bool) -> None:
        super().__init__()
        self.layers = (
            nn.Sequential(nn.Upsample(scale_factor=factor, mode="bilinear"), nn.Conv2d(inputs, outputs, 3, padding=1))
            if is_linear
            else nn.ConvTranspose2d(inputs, outputs, factor, factor)
        )

    def forward(self, x: Tensor) -> Tensor:
        """`(batch, features, lat, lon)` → the same, `factor` times as large."""
        return self.layers(x)  # type: ignore[no-any-return]


class UNetRPP(GridModel):
    """Creates a UNETR++ in two dimensions; the encoder's scales are added to the decoder's.

    Reference: A. Shaker et al. (2024), UNETR++: Delving into Efficient and Accurate 3D Medical Image Segmentation,
    arXiv 2212.04497.
    """

    settings_kls: ClassVar[type] = UNetRPPSettings
    onnx_supported = True
    reference = "Shaker et al. (2024), arXiv 2212.04497"

    def __init__(
        self, num_input_features: int, num_output_features: int, settings: UNetRPPSettings, grid: Grid
    ) -> None:
        super().__init__()
        rate = settings.downsampling_rate
        self.padder = Padder(grid.shape, 8 * rate, grid.periodicity)
        rows, columns = (n // rate for n in self.padder.shape)
        widths = [settings.hidden_size >> (3 - level) for level in range(4)]
        real = []
        for level in range(4):
            mask = torch.zeros(rows >> level, columns >> level, dtype=torch.bool)
            mask[self.padder.interior(rate << level)] = True
            real.append(mask.flatten())
        self.downs, self.encoders = nn.ModuleList(), nn.ModuleList()
        for level, (wide, is_real) in enumerate(zip(widths, real, strict=True)):
            inputs, size = (num_input_features, rate) if level == 0 else (widths[level - 1], 2)
            down = nn.Conv2d(inputs, wide, size, size, bias=False)
            norm = InteriorNorm(wide, self.padder.interior(rate << level), wide // 2 if level else 4)
            self.downs.append(nn.Sequential(down, norm))
            self.encoders.append(self._blocks(wide, is_real, level, settings))
        self.ups = nn.ModuleList([_Up(widths[k + 1], widths[k], 2, settings.linear_upsampling) for k in (2, 1, 0)])
        self.decoders = nn.ModuleList([self._blocks(widths[k], real[k], k, settings) for k in (2, 1, 0)])
        full = settings.hidden_size // 16
        region = self.padder.interior(1)
        self.skip = ResidualBlock(num_input_features, full, lambda n: InteriorNorm(n, region))
        self.last_up = _Up(widths[0], full, rate, settings.linear_upsampling)
        self.output = nn.Sequential(
            ResidualBlock(full, full, lambda n: InteriorNorm(n, region)), nn.Conv2d(full, num_output_features, 1)
        )

    @staticmethod
    def _blocks(width: int, is_real: Tensor, level: int, settings: UNetRPPSettings) -> nn.Sequential:
        projected = settings.proj_sizes[level]
        return nn.Sequential(*[_Block(width, is_real, projected, settings) for _ in range(settings.depths[level])])

    def shards(self) -> list[nn.Module]:
        return [block for blocks in (*self.encoders, *self.decoders) for block in blocks]

    def forward(self, x: Tensor) -> Tensor:
        """`(batch, lat, lon, features)` → `(batch, lat, lon, features)`."""
        image = level = self.padder.pad(x.permute(0, 3, 1, 2))
        skipped = []
        for down, encoder in zip(self.downs, self.encoders, strict=True):
            level = encoder(down(level))
            skipped.append(level)
        y = skipped.pop()
        for up, decoder in zip(self.ups, self.decoders, strict=True):
            y = decoder(up(y) + skipped.pop())
        y = self.output(self.last_up(y) + self.skip(image))
        return self.padder.crop(y).permute(0, 2, 3, 1)

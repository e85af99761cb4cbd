"""SegFormer: four scales of overlapping patches with efficient self-attention, and a decoder back to every cell."""

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

__all__ = ["SegFormer", "SegFormerSettings"]

Four = tuple[int, int, int, int]
# columns up to which a convolution is faster on features one after the other than on cells: weights outweigh them
_FEW = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class SegFormerSettings(Settings):
    """Settings of SegFormer; one number per scale, from the finest."""

    dims: Four = setting((32, 64, 160, 256), "width of each scale")
    heads: Four = setting((1, 2, 5, 8), "attention heads of each scale; they divide its width")
    ff_expansion: Four = setting((8, 8, 4, 4), "width of the feed-forward layers over that of the scale")
    reduction_ratio: Four = setting((8, 4, 2, 1), "cells per side that one key and value stand for; powers of 2")
    num_layers: int = setting(2, "transformer blocks per scale")
    decoder_dim: int = setting(256, "width in which the scales are joined")
    num_downsampling_chans: int = setting(32, "features at full size, before the patches and after the decoder")
    norm: Norm = setting("batch", "normalisation of convolutions: batch, group or none")

    def __post_init__(self) -> None:
        for width, heads in zip(self.dims, self.heads, strict=True):
            if heads < 1 or width % heads:
                raise ValueError(f"heads {heads} do not divide the width {width} of their scale")
        if any(r < 1 or r & (r - 1) or r > 8 for r in self.reduction_ratio):
            raise ValueError(f"reduction_ratio {self.reduction_ratio}: expected powers of 2 up to 8")
        if min(self.num_layers, self.decoder_dim, self.num_downsampling_chans, *self.ff_expansion) < 1:
            raise ValueError("num_layers, decoder_dim, num_downsampling_chans and ff_expansion must be at least 1")


class _Attention(nn.Module):
    """Creates self-attention whose keys and values each stand for `ratio` × `ratio` cells."""

    def __init__(self, width: int, heads: int, ratio: int) -> None:
        super().__init__()
        self.heads = heads
        self.query = nn.Linear(width, width)
        self.reduce = nn.Conv2d(width, width, ratio, ratio) if ratio > 1 else None
        self.norm = nn.LayerNorm(width) if ratio > 1 else None
        self.key_value = nn.Linear(width, 2 * width)
        self.output = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        """`(batch, lat, lon, features)` → the same."""
        rows, columns = x.shape[1:3]
        reduced = x
        if self.reduce is not None and self.norm is not None:
            reduced = self.norm(_of_blocks(x, self.reduce.weight, self.reduce.bias))
        key, value = self._heads(self.key_value(reduced)).chunk(2, dim=-1)
        query = self._heads(self.query(x))
        mixed = F.scaled_dot_product_attention(query, key, value)
        return self.output(mixed.transpose(1, 2).reshape(x.shape[0], rows, columns, -1))  # type: ignore[no-any-return]

    def _heads(self, x: Tensor) -> Tensor:
        """`(batch, lat, lon, features)` → `(batch, heads, cells, features per head)`."""
        return x.reshape(x.shape[0], -1, self.heads, x.shape[-1] // self.heads).transpose(1, 2)


def _of_blocks(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """The convolution of blocks of cells that do not overlap, `(batch, lat, lon, features)`: one product of matrices."""
    batch, rows, columns, features = x.shape
    side = weight.shape[-1]
    blocks = x.reshape(batch, rows // side, side, columns // side, side, features).transpose(2, 3)
    flat = blocks.reshape(batch, rows // side, columns // side, side * side * features)
    return F.linear(flat, weight.permute(0, 2, 3, 1).reshape(weight.shape[0], -1), bias)


class _FeedForward(nn.Module):
    """Creates the Mix-FFN: Linear, 3 × 3 convolution of each feature (which tells positions apart), GELU, Linear."""

    def __init__(self, width: int, expansion: int) -> None:
        super().__init__()
        inner = width * expansion
        self.enter = nn.Linear(width, inner)
        self.mix = nn.Conv2d(inner, inner, 3, padding=1, groups=inner)
        self.leave = nn.Linear(inner, width)

    def forward(self, x: Tensor) -> Tensor:
        """`(batch, lat, lon, features)` → the same."""
        mixed = self.mix(self.enter(x).permute(0, 3, 1, 2)).permute(0, 2, 3, 1)
        return self.leave(F.gelu(mixed))  # type: ignore[no-any-return]


class _Block(nn.Module):
    """Creates x ← x + attention(LN(x)), x ← x + FFN(LN(x))."""

    def __init__(self, width: int, heads: int, expansion: int, ratio: int) -> None:
        super().__init__()
        self.attention, self.feed_forward = _Attention(width, heads, ratio), _FeedForward(width, expansion)
        self.before_attention, self.before_feed_forward = nn.LayerNorm(width), nn.LayerNorm(width)

    def forward(self, x: Tensor) -> Tensor:
        """`(batch, lat, lon, features)` → the same."""
        x = x + self.attention(self.before_attention(x))
        return x + self.feed_forward(self.before_feed_forward(x))  # type: ignore[no-any-return]


class _Scale(nn.Module):
    """Creates one scale: overlapping patches, transformer blocks, a norm."""

    def __init__(self, inputs: int, settings: SegFormerSettings, index: int) -> None:
        super().__init__()
        width = settings.dims[index]
        size, stride = (7, 4) if index == 0 else (3, 2)
        self.patches = nn.Conv2d(inputs, width, size, stride, padding=size // 2)
        self.norm = nn.LayerNorm(width)
        kind = (width, settings.heads[index], settings.ff_expansion[index], settings.reduction_ratio[index])
        self.blocks = nn.Sequential(*[_Block(*kind) for _ in range(settings.num_layers)])
        self.last_norm = nn.LayerNorm(width)

    def forward(self, x: Tensor) -> Tensor:
        """`(batch, features, lat, lon)` → the same at a coarser scale."""
        if x.shape[-1] <= _FEW:
            x = x.contiguous()
        tokens = self.norm(self.patches(x).permute(0, 2, 3, 1))
        return self.last_norm(self.blocks(tokens)).permute(0, 3, 1, 2)  # type: ignore[no-any-return]


class SegFormer(GridModel):
    """Creates a SegFormer whose decoder returns to every cell.

    The paper's network ends at a quarter of the size: W·cat(up(WₛEₛ)) of the four scales Eₛ. Here two convolutions
    follow, each after doubling the size, and the last one sees features of full size too.

    Reference: E. Xie et al. (2021), SegFormer: Simple and Efficient Design for Semantic Segmentation with
    Transformers, arXiv 2105.15203.
    """

    settings_kls: ClassVar[type] = SegFormerSettings
    onnx_supported = True
    keeps_skill_in_bf16 = True
    reference = "Xie et al. (2021), arXiv 2105.15203"

    def __init__(
        self, num_input_features: int, num_output_features: int, settings: SegFormerSettings, grid: Grid
    ) -> None:
        super().__init__()
        self.padder = Padder(grid.shape, 32, grid.periodicity)
        full, width, norm = settings.num_downsampling_chans, settings.decoder_dim, settings.norm
        self.stem = ConvBlock(num_input_features, full, norm)
        self.scales = nn.ModuleList([_Scale(n, settings, i) for i, n in enumerate([full, *settings.dims[:-1]])])
        self.joins = nn.ModuleList([nn.Conv2d(n, width, 1, bias=False) for n in settings.dims])
        self.join_bias = nn.Parameter(torch.zeros(width, 1, 1))
        self.fuse = nn.Sequential(ConvBlock(width, 2 * full, norm), nn.Upsample(scale_factor=2, mode="bilinear"))
        self.refine = nn.Sequential(ConvBlock(2 * full, full, norm), nn.Upsample(scale_factor=2, mode="bilinear"))
        self.output = nn.Sequential(ConvBlock(2 * full, full, norm), nn.Conv2d(full, num_output_features, 1))

    def part(self, group: ModelGroup) -> BandPart:
        return BandPart(self, group)

    def shards(self) -> list[nn.Module]:
        return [*self.scales, self.fuse, self.refine]

    def forward(self, x: Tensor) -> Tensor:
        """`(batch, lat, lon, features)` → `(batch, lat, lon, features)`."""
        level = fine = self.stem(self.padder.pad(x.permute(0, 3, 1, 2)))
        joined: Tensor | None = None
        for scale, join in zip(self.scales, self.joins, strict=True):
            level = scale(level)
            # a 1 × 1 convolution of concatenated scales is the sum of one each, so each is widened where it is small
            part = join(level)
            if joined is None:
                joined = part + self.join_bias
            else:
                joined = joined + F.interpolate(part, size=joined.shape[-2:], mode="bilinear", align_corners=False)
        assert joined is not None, "four scales"
        y = self.refine(self.fuse(F.relu(joined)))
        return self.padder.crop(self.output(torch.cat([y, fine], dim=1))).permute(0, 2, 3, 1)

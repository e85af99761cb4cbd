"""Swin UNETR: an encoder of shifted windows, and a convolutional decoder joined to it at every scale."""

from dataclasses import dataclass
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from py4cast.grid import Grid
from py4cast.models.base import GridModel
from py4cast.models.blocks import InteriorNorm, Padder, ResidualBlock
from py4cast.settings import Settings, setting

__all__ = ["SwinUNetR", "SwinUNetRSettings"]

Four = tuple[int, int, int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class SwinUNetRSettings(Settings):
    """Settings of Swin UNETR; one number per scale, from the finest."""

    feature_size: int = setting(24, "width at half size; it doubles at each scale")
    depths: Four = setting((2, 2, 2, 2), "transformer blocks of each scale, windows shifted in every second one")
    num_heads: Four = setting((3, 6, 12, 24), "attention heads of each scale; they divide its width")
    window_size: int = setting(8, "cells per side of a window")
    mlp_ratio: int = setting(4, "width of the feed-forward layers over that of the scale")

    def __post_init__(self) -> None:
        for level, heads in enumerate(self.num_heads):
            if heads < 1 or (self.feature_size * 2**level) % heads:
                width = self.feature_size * 2**level
                raise ValueError(f"num_heads {heads} do not divide the width {width} of their scale")
        if self.window_size < 2 or self.mlp_ratio < 1 or min(self.depths) < 1:
            raise ValueError("window_size must be at least 2, mlp_ratio and depths at least 1")


class _Windows(nn.Module):
    """Creates the cutting of `rows` × `columns` cells into windows, shifted or not, and what may see what.

    Sizes that no window divides are filled up with cells that nobody sees. A side that one window covers is not
    shifted.
    """

    mask: Tensor | None

    def __init__(self, rows: int, columns: int, size: int, is_shifted: bool) -> None:
        super().__init__()
        self.shape = (rows, columns)
        self.sizes = (min(size, rows), min(size, columns))
        self.shifts = tuple(s // 2 if is_shifted and n > s else 0 for n, s in zip(self.shape, self.sizes, strict=True))
        self.added = tuple((-n) % s for n, s in zip(self.shape, self.sizes, strict=True))
        self.count = (rows + self.added[0]) // self.sizes[0] * ((columns + self.added[1]) // self.sizes[1])
        self.register_buffer("mask", self._mask() if any(self.shifts) or any(self.added) else None, persistent=False)

    def _mask(self) -> Tensor:
        """−∞ between cells that come together only by the shift, or by filling up, `(windows, 1, cells, cells)`."""
        sides = []
        for n, size, shift, added in zip(self.shape, self.sizes, self.shifts, self.added, strict=True):
            index = torch.arange(n + added)
            region = (index >= n + added - size).long() + (index >= n + added - shift).long() if shift else index * 0
            # cells that fill up are a region that only they see
            sides.append(torch.where(torch.roll(index, -shift) >= n, -1, region))
        region = sides[0][:, None] * 8 + sides[1][None]
        region = torch.where((sides[0][:, None] < 0) | (sides[1][None] < 0), -1, region)
        cells = self._cut(region[None, ..., None].float()).squeeze(-1)
        apart = cells[:, :, None] != cells[:, None, :]
        return torch.zeros(apart.shape).masked_fill(apart, -torch.inf)[:, None]

    def _cut(self, x: Tensor) -> Tensor:
        high, wide = self.sizes
        rows, columns = x.shape[1] // high, x.shape[2] // wide
        x = x.reshape(-1, rows, high, columns, wide, x.shape[-1])
        return x.transpose(2, 3).reshape(-1, high * wide, x.shape[-1])

    def cut(self, x: Tensor) -> Tensor:
        """`(batch, lat, lon, features)` → `(batch · windows, cells, features)`."""
        if any(self.added):
            x = F.pad(x, (0, 0, 0, self.added[1], 0, self.added[0]))
        if any(self.shifts):
            x = torch.roll(x, (-self.shifts[0], -self.shifts[1]), (1, 2))
        return self._cut(x)

    def join(self, x: Tensor) -> Tensor:
        """Puts windows together again: the inverse of `cut`."""
        high, wide = self.sizes
        rows, columns = (n + a for n, a in zip(self.shape, self.added, strict=True))
        x = x.reshape(-1, rows // high, columns // wide, high, wide, x.shape[-1])
        x = x.transpose(2, 3).reshape(-1, rows, columns, x.shape[-1])
        if any(self.shifts):
            x = torch.roll(x, self.shifts, (1, 2))
        return x[:, : self.shape[0], : self.shape[1]]


class _Attention(nn.Module):
    """Creates attention within windows, with a bias by relative position."""

    index: Tensor

    def __init__(self, width: int, heads: int, windows: _Windows) -> None:
        super().__init__()
        self.heads, self.windows = heads, windows
        self.query_key_value = nn.Linear(width, 3 * width)
        self.output = nn.Linear(width, width)
        high, wide = windows.sizes
        self.bias = nn.Parameter(torch.empty((2 * high - 1) * (2 * wide - 1), heads))
        nn.init.trunc_normal_(self.bias, std=0.02)
        rows, columns = (c.flatten() for c in torch.meshgrid(torch.arange(high), torch.arange(wide), indexing="ij"))
        down, right = rows[:, None] - rows[None] + high - 1, columns[:, None] - columns[None] + wide - 1
        self.register_buffer("index", down * (2 * wide - 1) + right, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """`(batch, lat, lon, features)` → the same."""
        count, (high, wide) = self.windows.count, self.windows.sizes
        cells = self.query_key_value(self.windows.cut(x)).reshape(-1, count, high * wide, 3, self.heads, x.shape[-1] // self.heads)  # fmt: skip
        # windows and heads side by side, so that one bias serves every sample
        query, key, value = cells.permute(3, 0, 1, 4, 2, 5).flatten(2, 3).unbind(0)
        bias = self.bias[self.index].permute(2, 0, 1).expand(count, -1, -1, -1)
        if self.windows.mask is not None:
            bias = bias + self.windows.mask
        mixed = F.scaled_dot_product_attention(query, key, value, attn_mask=bias.flatten(0, 1).to(query.dtype))
        mixed = mixed.reshape(-1, count, self.heads, high * wide, x.shape[-1] // self.heads).permute(0, 1, 3, 2, 4)
        # laid out anew: a view of it would not export
        mixed = mixed.clone(memory_format=torch.contiguous_format).reshape(-1, high * wide, x.shape[-1])
        return self.windows.join(self.output(mixed))


class _Block(nn.Module):
    """Creates x ← x + attention(LN(x)), x ← x + MLP(LN(x))."""

    def __init__(self, width: int, heads: int, windows: _Windows, mlp_ratio: int) -> None:
        super().__init__()
        self.attention = _Attention(width, heads, windows)
        self.before_attention, self.before_mlp = nn.LayerNorm(width), nn.LayerNorm(width)
        inner = width * mlp_ratio
        self.mlp = nn.Sequential(nn.Linear(width, inner), nn.GELU(), nn.Linear(inner, width))

    def forward(self, x: Tensor) -> Tensor:
        """`(batch, lat, lon, features)` → the same."""
        x = x + self.attention(self.before_attention(x))
        return x + self.mlp(self.before_mlp(x))  # type: ignore[no-any-return]


class _Merge(nn.Module):
    """Creates the joining of 2 × 2 cells into one of twice the width."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(4 * width)
        self.linear = nn.Linear(4 * width, 2 * width, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """`(batch, lat, lon, features)` → `(batch, lat / 2, lon / 2, 2 · features)`."""
        x = x.unflatten(1, (-1, 2)).unflatten(3, (-1, 2)).permute(0, 1, 3, 2, 4, 5).flatten(3)  # type: ignore[no-untyped-call]
        return self.linear(self.norm(x))  # type: ignore[no-any-return]


class SwinUNetR(GridModel):
    """Creates a Swin UNETR in two dimensions.

    The hidden states of the encoder (after the patches and after each merging) are normalised per cell and pass
    residual blocks into the decoder, which doubles the size by transposed convolutions.

    References: A. Hatamizadeh et al. (2022), Swin UNETR, arXiv 2201.01266; Z. Liu et al. (2021), Swin Transformer,
    arXiv 2103.14030.
    """

    settings_kls: ClassVar[type] = SwinUNetRSettings
    onnx_supported = True
    reference = "Hatamizadeh et al. (2022), arXiv 2201.01266"

    def __init__(
        self, num_input_features: int, num_output_features: int, settings: SwinUNetRSettings, grid: Grid
    ) -> None:
        super().__init__()
        self.padder = Padder(grid.shape, 32, grid.periodicity)
        rows, columns = self.padder.shape
        width = settings.feature_size
        self.patches = nn.Conv2d(num_input_features, width, 2, 2)
        self.scales, self.merges = nn.ModuleList(), nn.ModuleList()
        for level, depth in enumerate(settings.depths):
            size, wide = (rows >> (level + 1), columns >> (level + 1)), width * 2**level
            windows = [_Windows(*size, settings.window_size, is_shifted=i % 2 == 1) for i in range(depth)]
            blocks = [_Block(wide, settings.num_heads[level], w, settings.mlp_ratio) for w in windows]
            self.scales.append(nn.Sequential(*blocks))
            self.merges.append(_Merge(wide))
        widths = [width * 2**level for level in range(5)]
        self.skips = nn.ModuleList(
            [self._block(num_input_features, width, 0), *(self._block(w, w, k + 1) for k, w in enumerate(widths))]
        )
        narrowing = [(widths[4], widths[3]), (widths[3], widths[2]), (widths[2], widths[1]), (widths[1], width), (width, width)]  # fmt: skip
        self.ups = nn.ModuleList([nn.ConvTranspose2d(wide, narrow, 2, 2, bias=False) for wide, narrow in narrowing])
        self.decoders = nn.ModuleList(
            [self._block(2 * narrow, narrow, 4 - k) for k, (_, narrow) in enumerate(narrowing)]
        )
        self.output = nn.Conv2d(width, num_output_features, 1)

    def _block(self, inputs: int, outputs: int, level: int) -> ResidualBlock:
        region = self.padder.interior(2**level)
        return ResidualBlock(inputs, outputs, lambda features: InteriorNorm(features, region))

    def shards(self) -> list[nn.Module]:
        return [
            *(block for scale in self.scales for block in scale.children()),
            *self.merges,
            *self.skips,
            *self.decoders,
        ]

    def forward(self, x: Tensor) -> Tensor:
        """`(batch, lat, lon, features)` → `(batch, lat, lon, features)`."""
        image = self.padder.pad(x.permute(0, 3, 1, 2))
        level = self.patches(image).permute(0, 2, 3, 1)
        hidden = [level]
        for scale, merge in zip(self.scales, self.merges, strict=True):
            level = merge(scale(level))
            hidden.append(level)
        images = [image, *(F.layer_norm(h, h.shape[-1:]).permute(0, 3, 1, 2) for h in hidden)]
        skipped = [skip(i) for skip, i in zip(self.skips, images, strict=True)]
        y = skipped.pop()
        for up, decoder in zip(self.ups, self.decoders, strict=True):
            y = decoder(torch.cat([up(y), skipped.pop()], dim=1))
        return self.padder.crop(self.output(y)).permute(0, 2, 3, 1)

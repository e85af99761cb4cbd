"""Blocks that several networks share. Inside them images are `(batch, features, lat, lon)`, channels last in memory."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from py4cast.errors import SettingsError
from py4cast.models.split.group import ModelGroup

__all__ = [
    "ACTIVATIONS",
    "Conv3x3",
    "ConvBlock",
    "GhostConv",
    "Norm",
    "Padder",
    "ResidualBlock",
    "activation",
    "norm_layer",
]

Norm = Literal["batch", "group", "none"]
ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "Identity": nn.Identity, "ReLU": nn.ReLU, "Tanh": nn.Tanh, "Sigmoid": nn.Sigmoid, "SiLU": nn.SiLU, "GELU": nn.GELU,
}  # fmt: skip
ActivationName = Literal["Identity", "ReLU", "Tanh", "Sigmoid", "SiLU", "GELU"]


def activation(name: str) -> nn.Module:
    """The activation that torch knows as `name`."""
    return ACTIVATIONS[name]()


def norm_layer(kind: Norm, features: int) -> nn.Module:
    """Batch norm, group norm with (at most) 8 groups, or nothing."""
    if kind == "batch":
        return nn.BatchNorm2d(features)
    if kind == "group":
        return nn.GroupNorm(next(g for g in (8, 4, 2, 1) if features % g == 0), features)
    return nn.Identity()


class GhostConv(nn.Module):
    """Creates a convolution that makes half of its features by a cheap depthwise one from the other half.

    Reference: K. Han et al. (2020), GhostNet: More Features from Cheap Operations, arXiv 1911.11907.
    """

    def __init__(self, inputs: int, outputs: int, norm: Norm, dilation: int, bias: bool) -> None:
        super().__init__()
        primary = (outputs + 1) // 2
        self.primary = ConvBlock(inputs, primary, norm, dilation, bias)
        self.cheap = nn.Sequential(
            nn.Conv2d(
                primary,
                outputs - primary,
                3,
                padding=1,
                groups=_groups(primary, outputs - primary),
                bias=bias,
            ),
            norm_layer(norm, outputs - primary),
            nn.ReLU(inplace=True),
        )

    def forward(self, x: Tensor) -> Tensor:
        """`(batch, inputs, lat, lon)` → `(batch, outputs, lat, lon)`."""
        y = self.primary(x)
        return torch.cat([y, self.cheap(y)], dim=1)


def _groups(inputs: int, outputs: int) -> int:
    return inputs if outputs % inputs == 0 else 1


class Conv3x3(nn.Conv2d):
    """Creates a 3 × 3 convolution that keeps the size, in the form that suits the processor.

    Images come with features last, which is the fastest for large ones. On a CPU a kernel that outweighs its image
    is laid out anew for that at every call, at the cost of the convolution itself: such an image is turned instead,
    and where the kernel outweighs it by far the convolution is one matrix product of the kernel as it lies.
    """

    def __init__(self, inputs: int, outputs: int, dilation: int = 1, bias: bool = False) -> None:
        super().__init__(inputs, outputs, 3, padding=dilation, dilation=dilation, bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        """`(batch, inputs, lat, lon)` → `(batch, outputs, lat, lon)`."""
        if x.device.type != "cpu" or torch.compiler.is_compiling():
            return super().forward(x)
        excess = self.weight.numel() / x[0].numel()
        if excess <= 32:
            return super().forward(x.contiguous() if excess > 4 else x)
        batch, inputs, rows, columns = x.shape
        patches = F.unfold(x, 3, dilation=self.dilation, padding=self.dilation)
        product = self.weight.flatten(1) @ patches.transpose(0, 1).reshape(9 * inputs, -1)
        y = product.reshape(-1, batch, rows, columns).transpose(0, 1)
        return y if self.bias is None else y + self.bias.view(-1, 1, 1)


class ConvBlock(nn.Sequential):
    """Creates convolution 3 × 3, norm, ReLU."""

    def __init__(self, inputs: int, outputs: int, norm: Norm, dilation: int = 1, bias: bool = False) -> None:
        super().__init__(Conv3x3(inputs, outputs, dilation, bias), norm_layer(norm, outputs), nn.ReLU(inplace=True))


class InteriorNorm(nn.Module):
    """Creates a norm per sample whose mean and deviation are those of the cells that are no padding.

    Args:
        features: how many.
        region: rows and columns of these cells.
        groups: sets of features that are normalised together, with a scale and a shift per feature; None for each
            feature by itself (an instance norm), without.
    """

    def __init__(self, features: int, region: tuple[slice, slice], groups: int | None = None) -> None:
        super().__init__()
        self.region = region
        self.groups = groups
        self.weight = None if groups is None else nn.Parameter(torch.ones(features))
        self.bias = None if groups is None else nn.Parameter(torch.zeros(features))

    def forward(self, x: Tensor) -> Tensor:
        """`(batch, features, lat, lon)` → the same."""
        inside = x[..., self.region[0], self.region[1]]
        if inside.shape == x.shape:
            groups = x.shape[1] if self.groups is None else self.groups
            return F.group_norm(x, groups, self.weight, self.bias)
        dims: tuple[int, ...] = (2, 3)
        if self.groups is not None:
            inside = inside.reshape(x.shape[0], self.groups, -1, *inside.shape[2:])
            dims = (2, 3, 4)
        variance, mean = torch.var_mean(inside.float(), dim=dims, correction=0)
        repeats = x.shape[1] // mean.shape[1]
        scale = torch.rsqrt(variance + 1e-5).repeat_interleave(repeats, dim=1)
        shift = -mean.repeat_interleave(repeats, dim=1) * scale
        if self.weight is not None and self.bias is not None:
            scale, shift = scale * self.weight, shift * self.weight + self.bias
        return torch.addcmul(shift[..., None, None].to(x.dtype), x, scale[..., None, None].to(x.dtype))


class ResidualBlock(nn.Module):
    """Creates lrelu(N(C(lrelu(N(C(x))))) + s), C a 3 × 3 convolution, N a norm, s = x or N(1 × 1 of x) where widths differ.

    Args:
        inputs: features in.
        outputs: features out.
        norm: makes the norm of so many features.
    """

    def __init__(self, inputs: int, outputs: int, norm: Callable[[int], nn.Module]) -> None:
        super().__init__()
        self.first = nn.Sequential(Conv3x3(inputs, outputs), norm(outputs))
        self.second = nn.Sequential(Conv3x3(outputs, outputs), norm(outputs))
        widen = nn.Sequential(nn.Conv2d(inputs, outputs, 1, bias=False), norm(outputs))
        self.shortcut = nn.Identity() if inputs == outputs else widen

    def forward(self, x: Tensor) -> Tensor:
        """`(batch, inputs, lat, lon)` → `(batch, outputs, lat, lon)`."""
        y = self.second(F.leaky_relu(self.first(x), 0.01))
        return F.leaky_relu(y + self.shortcut(x), 0.01)


class Padder(nn.Module):
    """Creates the padding of a grid to sizes that a network can halve, and the crop back.

    Cells are added on both sides as copies of the nearest one. Where a side meets the opposite one (columns round the
    globe, both on a doubly periodic square), they come from there instead, so that the network sees no seam.

    Args:
        grid_shape: `(lat, lon)`.
        multiple: what the padded sizes are divisible by.
        periodicity: whether the last row is the neighbour of the first, and the last column.
        halo: cells to add at least on each side of a periodic direction.
    """

    def __init__(
        self,
        grid_shape: tuple[int, int],
        multiple: int,
        periodicity: tuple[bool, bool] = (False, False),
        halo: int = 8,
    ) -> None:
        super().__init__()
        self.rows, self.columns = grid_shape
        self.multiple, self.periodicity = multiple, periodicity
        self._group: ModelGroup | None = None
        self.top, self.bottom = _sides(self.rows, multiple, periodicity[0], halo)
        self.left, self.right = _sides(self.columns, multiple, periodicity[1], halo)

    @property
    def shape(self) -> tuple[int, int]:
        """`(lat, lon)` of a padded image."""
        return self.rows + self.top + self.bottom, self.columns + self.left + self.right

    def interior(self, scale: int) -> tuple[slice, slice]:
        """Rows and columns of a padded image, `scale` times coarser, that hold no padding; all where these are few."""
        sides = []
        for whole, before, size in zip(self.shape, (self.top, self.left), (self.rows, self.columns), strict=True):
            first, last = -(-before // scale), (before + size) // scale
            # of two rows there is no deviation to speak of
            sides.append(slice(first, last) if last - first > 2 else slice(0, whole // scale))
        return sides[0], sides[1]

    @property
    def is_needed(self) -> bool:
        """Whether any row or column is added."""
        return any((self.top, self.bottom, self.left, self.right))

    def check_bands(self, size: int) -> None:
        """Refuses more ranks than there are bands of rows that can be halved as the network does; SettingsError."""
        if (units := self.shape[0] // self.multiple) < size:
            raise SettingsError(
                f"--distributed domain: {self.shape[0]} rows (padded) are cut into bands of {self.multiple} or more, at most {units}; "
                f"{size} ranks share a sample: start fewer, or set --model_ranks"
            )

    @contextmanager
    def cut_into(self, group: ModelGroup) -> Iterator[None]:
        """Within, `pad` gives the band of rows of this rank, and `crop` joins the bands of all."""
        self._group = group
        try:
            yield
        finally:
            self._group = None

    def _band(self, group: ModelGroup, device: torch.device) -> Tensor:
        """Rows of a padded image that this rank has, in steps of `multiple`."""
        first, last = group.band(self.shape[0] // self.multiple)
        return torch.arange(first * self.multiple, last * self.multiple, device=device)

    def pad(self, x: Tensor) -> Tensor:
        """`(batch, features, lat, lon)` → the padded image, or this rank's band of it."""
        padded = self._padded(x)
        return padded if self._group is None else self._group.taken(padded, self._band(self._group, x.device), 2)

    def _padded(self, x: Tensor) -> Tensor:
        if not self.is_needed:
            return x
        widest = (self.rows, self.rows, self.columns, self.columns)
        both = (self.left, self.right, self.top, self.bottom)
        if not any(self.periodicity):
            return F.pad(x, both, mode="replicate")
        if all(self.periodicity) and all(n <= m for n, m in zip(both[::-1], widest, strict=True)):
            return F.pad(x, both, mode="circular")
        for dim, before, after, is_periodic in (
            (-1, self.left, self.right, self.periodicity[1]),
            (-2, self.top, self.bottom, self.periodicity[0]),
        ):
            x = _padded(x, dim, before, after, is_periodic) if before or after else x
        return x

    def crop(self, x: Tensor) -> Tensor:
        """The padded image, or this rank's band of it → `(batch, features, lat, lon)`."""
        if self._group is not None:
            x = self._group.joined(x, self._band(self._group, x.device), self.shape[0], 2)
        rows, columns = x.shape[-2], x.shape[-1]
        return x[..., self.top : rows - self.bottom, self.left : columns - self.right]


def _padded(x: Tensor, dim: int, before: int, after: int, is_periodic: bool) -> Tensor:
    """Cells added along one of the last two dimensions; round a periodic one as often as it takes."""
    cells = x.shape[dim]
    sides = (before, after, 0, 0) if dim == -1 else (0, 0, before, after)
    if not is_periodic:
        return F.pad(x, sides, mode="replicate")
    if max(before, after) <= cells:
        return F.pad(x, sides, mode="circular")
    return x.index_select(dim, torch.arange(-before, cells + after, device=x.device) % cells)


def _sides(cells: int, multiple: int, is_periodic: bool, halo: int) -> tuple[int, int]:
    """Cells to add before and after those of one direction."""
    extra = 2 * min(halo, cells) if is_periodic else 0
    # at least two cells at the coarsest scale, where a batch norm needs more than one value
    added = max((-(cells + extra)) % multiple, 2 * multiple - cells - extra) + extra
    return added // 2, added - added // 2

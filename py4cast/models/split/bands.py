"""Bands of rows: networks of images, unmodified, on the rows that a rank has.

While a network runs, the operations that look beyond a cell are answered for a band: convolutions and interpolation get the
rows that they lack from the neighbours, norms get their moments from all, attention the keys and values of all. What works on
each cell by itself (activations, layer norms, pooling of whole cells) runs as it is.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from py4cast.errors import SettingsError
from py4cast.models.split.convolution import Shape, convolved
from py4cast.models.split.group import ModelGroup
from py4cast.models.split.moments import Moments, normalised
from py4cast.models.split.part import PartABC

__all__ = ["BandPart", "Bands"]

# what mixes rows and has no answer here
_UNKNOWN = (
    F.adaptive_avg_pool2d, F.adaptive_max_pool2d, F.instance_norm, F.fold, F.grid_sample, F.local_response_norm,
    torch.roll, torch.flip, torch.rot90, torch.cumsum, Tensor.cumsum, Tensor.roll, Tensor.flip,
    torch.fft.fft2, torch.fft.rfft2, torch.fft.ifft2, torch.fft.irfft2, torch.fft.fftn, torch.fft.rfftn,
)  # fmt: skip


def _pair(value: Any) -> tuple[Any, Any]:
    return (value[0], value[-1]) if isinstance(value, (tuple, list)) else (value, value)


class Bands(TorchFunctionMode):
    """Creates the answers for a band of rows, of images `(batch, features, lat, lon)`.

    Args:
        group: the ranks, the first of which has the first rows.
    """

    def __init__(self, group: ModelGroup) -> None:
        super().__init__()
        self.group = group
        self._answers: dict[Any, Callable[..., Tensor]] = {
            torch.conv2d: self._conv2d,
            F.unfold: self._unfold,
            F.interpolate: self._interpolate,
            F.group_norm: self._group_norm,
            F.batch_norm: self._batch_norm,
            F.scaled_dot_product_attention: self._attention,
            torch.conv_transpose2d: self._conv_transpose2d,
            F.max_pool2d: partial(self._pool, F.max_pool2d),
            torch.max_pool2d: partial(self._pool, torch.max_pool2d),
            F.avg_pool2d: partial(self._pool, F.avg_pool2d),
        }
        self._answers |= {func: partial(self._refuse, func) for func in _UNKNOWN}

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """The answer for a band, or what torch says."""
        answer = self._answers.get(func)
        return (func if answer is None else answer)(*args, **(kwargs or {}))

    # The rows around a band --------------------------------------------------------------------------------

    def neighbours(self, x: Tensor, above: int, below: int) -> tuple[Tensor, Tensor]:
        """The rows of the neighbours before and after the band, zeros beyond the image, `(batch, features, rows, lon)`.

        Args:
            x: the band.
            above: rows wanted before its first.
            below: rows wanted after its last.

        Raises:
            SettingsError: a band has fewer rows than its neighbour wants.
        """
        rank, size = self.group.rank, self.group.size
        rows = x.shape[-2]
        if max(above, below) > rows:
            raise SettingsError(
                f"--distributed domain: a rank has {rows} rows of an image of which its neighbour needs {max(above, below)}; "
                "expected fewer ranks per sample, or a larger grid"
            )
        sent, received = [0] * size, [0] * size
        pieces = []
        if rank > 0:
            sent[rank - 1], received[rank - 1] = below, above
            pieces.append(x[..., :below, :])
        if rank + 1 < size:
            sent[rank + 1], received[rank + 1] = above, below
            pieces.append(x[..., rows - above :, :])
        swapped = self.group.swapped(torch.cat(pieces, dim=-2).movedim(-2, 0), sent, received).movedim(0, -2)
        before = swapped[..., :above, :] if rank > 0 else self._zeros(x, above)
        after = swapped[..., swapped.shape[-2] - below :, :] if rank + 1 < size else self._zeros(x, below)
        return before, after

    @staticmethod
    def _zeros(x: Tensor, rows: int) -> Tensor:
        return x.new_zeros(*x.shape[:-2], rows, x.shape[-1])

    # Operations ---------------------------------------------------------------------------------------------

    def _conv2d(
        self, input: Tensor, weight: Tensor, bias: Tensor | None = None, stride: Any = 1, padding: Any = 0,
        dilation: Any = 1, groups: int = 1,
    ) -> Tensor:  # fmt: skip
        if isinstance(padding, str):
            raise SettingsError(f"--distributed domain: a convolution with padding={padding!r} is not known on bands")
        (step, _), (above, columns), (spread, _) = _pair(stride), _pair(padding), _pair(dilation)
        reach = spread * (weight.shape[-2] - 1) + 1
        below = reach - step - above
        if input.shape[-2] % step or below < 0 or not 0 <= 2 * above - reach + step < step:
            raise SettingsError(
                f"--distributed domain: a convolution of {reach} rows, stride {step}, padding {above} does not keep bands of "
                f"{input.shape[-2]} rows"
            )
        if not above and not below:
            return F.conv2d(input, weight, bias, stride, (0, columns), dilation, groups)
        before, after = self.neighbours(input, above, below)
        shape = Shape(_pair(stride), columns, _pair(dilation), groups)
        return convolved(before, input, after, weight, bias, shape)

    def _unfold(self, input: Tensor, kernel_size: Any, dilation: Any = 1, padding: Any = 0, stride: Any = 1) -> Tensor:
        (rows, _), (spread, _), (above, left) = _pair(kernel_size), _pair(dilation), _pair(padding)
        if _pair(stride)[0] != 1 or 2 * above != spread * (rows - 1):
            raise SettingsError(f"--distributed domain: unfold of {rows} rows, padding {above} does not keep bands")
        before, after = self.neighbours(input, above, above)
        return F.unfold(torch.cat([before, input, after], dim=-2), kernel_size, dilation, (0, left), stride)

    def _interpolate(
        self, input: Tensor, size: Any = None, scale_factor: Any = None, mode: str = "nearest",
        align_corners: bool | None = None, *_: Any, **__: Any,
    ) -> Tensor:  # fmt: skip
        rows, columns = input.shape[-2:]
        target = (
            tuple(int(n * f) for n, f in zip((rows, columns), _pair(scale_factor), strict=True))
            if size is None
            else _pair(size)
        )
        if mode == "nearest" and target[0] % rows == 0:
            return F.interpolate(input, target, mode=mode)
        if mode != "bilinear" or align_corners or target[0] % rows:
            raise SettingsError(f"--distributed domain: interpolation by {mode} to {target} is not known on bands")
        # a cell looks one row beyond its own; at the image's ends there is its own again
        rank, last = self.group.rank, self.group.size - 1
        before, after = self.neighbours(input, 1, 1)
        ends = [input[..., :1, :] if rank == 0 else before, input, input[..., -1:, :] if rank == last else after]
        factor = target[0] // rows
        finer = F.interpolate(torch.cat(ends, dim=-2), ((rows + 2) * factor, target[1]), mode=mode, align_corners=False)
        return finer[..., factor:-factor, :]

    def _group_norm(
        self, input: Tensor, num_groups: int, weight: Tensor | None = None, bias: Tensor | None = None, eps: float = 1e-5
    ) -> Tensor:  # fmt: skip
        moments = Moments((input.shape[0], num_groups, input.shape[1] // num_groups), 2, self.group.add_up, eps)
        return normalised(input, moments, weight, bias)[0]

    def _batch_norm(
        self, input: Tensor, mean: Tensor | None, variance: Tensor | None, weight: Tensor | None = None,
        bias: Tensor | None = None, training: bool = False, *further: Any, **named: Any,
    ) -> Tensor:  # fmt: skip
        if training:  # one of all ranks takes its place before
            self._refuse(F.batch_norm)
        return F.batch_norm(input, mean, variance, weight, bias, training, *further, **named)

    def _conv_transpose2d(
        self, input: Tensor, weight: Tensor, bias: Tensor | None = None, stride: Any = 1, padding: Any = 0,
        output_padding: Any = 0, groups: int = 1, dilation: Any = 1,
    ) -> Tensor:  # fmt: skip
        if _pair(stride)[0] != weight.shape[-2] or any(_pair(n)[0] for n in (padding, output_padding)):
            raise SettingsError("--distributed domain: a transposed convolution that overlaps is not known on bands")
        return F.conv_transpose2d(input, weight, bias, stride, padding, output_padding, groups, dilation)

    def _pool(self, func: Any, input: Tensor, kernel_size: Any, stride: Any = None, padding: Any = 0, *further: Any, **named: Any) -> Tensor:  # fmt: skip
        rows = _pair(kernel_size)[0]
        if _pair(stride or kernel_size)[0] != rows or _pair(padding)[0] or input.shape[-2] % rows:
            raise SettingsError("--distributed domain: pooling of cells that overlap is not known on bands")
        result: Tensor = func(input, kernel_size, stride, padding, *further, **named)
        return result

    @staticmethod
    def _refuse(func: Any, *_: Any, **__: Any) -> Tensor:
        raise SettingsError(
            f"--distributed domain: {func.__name__} looks beyond a cell, and is not known on bands of rows; expected a network "
            "without it, or --distributed ddp"
        )

    def _attention(self, query: Tensor, key: Tensor, value: Tensor, *further: Any, **named: Any) -> Tensor:
        """Each query's share of the keys and values of all ranks, `(batch, heads, cells, features)`."""
        return F.scaled_dot_product_attention(query, self._of_all(key), self._of_all(value), *further, **named)

    def _of_all(self, x: Tensor) -> Tensor:
        """Rows of all ranks along the last dimension but one; gradients of all come back."""
        counts = torch.zeros(self.group.size, dtype=torch.int64)
        counts[self.group.rank] = x.shape[-2]
        sizes = self.group.add_up(counts.to(x.device)).tolist()
        first = sum(sizes[: self.group.rank])
        sides = (0, 0, first, sum(sizes) - first - x.shape[-2])
        return self.group.summed(F.pad(x, sides))


class BandPart(PartABC):
    """Creates a rank's part of a network of images: a band of rows of the padded image.

    Args:
        model: whose `padder` cuts and joins the image.
        group: the ranks.

    Raises:
        SettingsError: fewer bands than ranks.
    """

    def __init__(self, model: nn.Module, group: ModelGroup) -> None:
        self._model, self._bands = model, Bands(group)
        padder: Any = model.padder
        padder.check_bands(group.size)
        self._padder = padder

    def __call__(self, x: Tensor, *terms: Any, **further: Any) -> Tensor:
        with self._padder.cut_into(self._bands.group), self._bands:
            result: Tensor = self._model(x, *terms, **further)
        return result

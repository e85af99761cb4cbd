"""SpectralGrid: fields on a doubly periodic square, and the waves that they are made of.

On the square [0, 2π)² with n × n points, f(x, y) = Σ_k f̂_k exp(i(k_x x + k_y y)). The waves |k_x|, |k_y| ≤ k_max
are kept, compactly: `(..., ky, kx)` with k_y = 0 … k_max, −k_max … −1 and k_x = 0 … k_max, since the fields are real.
Rows of a field run along y, columns along x. The coefficients do not depend on n, so that a coarser field is a
smaller set of the same numbers.

A product of two such fields has waves up to 2·k_max. It is free of aliases where it is formed on m > 3·k_max points a
side (the 2/3 rule). Two choices keep it:
- `truncate`: m = n, so that k_max < n/3;
- `pad`: every wave but the shortest is kept, k_max = n/2 − 1, and products are formed on m = 3n/2 points.

Reference: S. A. Orszag (1971), On the elimination of aliasing in finite-difference schemes by filtering high-wavenumber
components, doi 10.1175/1520-0469(1971)028<1074:OTEOAI>2.0.CO;2.
"""

from typing import Literal

import torch
from torch import Tensor, nn

from py4cast.errors import SettingsError
from py4cast.physics.transforms import analysed, put_rows, synthesised, take_rows

__all__ = ["Dealiasing", "SpectralGrid", "check_resolution"]

Dealiasing = Literal["truncate", "pad"]


def check_resolution(rows: int, columns: int) -> int:
    """The points along a side of a square grid that the transforms take.

    Raises:
        SettingsError: it is not square, odd, or has fewer than 8 points a side.
    """
    if rows != columns:
        raise SettingsError(f"a doubly periodic square expected, found {rows} x {columns} points")
    if rows % 2 or rows < 8:
        raise SettingsError(f"{rows} points a side: expected an even number of at least 8; the nearest is {even(rows)}")
    return rows


def even(points: int) -> int:
    """The nearest number of points a side that the transforms take."""
    return max(8, points + points % 2)


class SpectralGrid(nn.Module):
    """Creates the waves of an n × n grid.

    Args:
        size: n.
        dealiasing: how products are kept free of aliases.
        dtype: of the fields; coefficients have the complex one of the same precision.

    Attributes:
        k_max: largest wavenumber along an axis.
        product_size: m, points a side where products are formed.
    """

    kx: Tensor
    ky: Tensor
    square: Tensor
    inverse_square: Tensor
    counts: Tensor

    def __init__(self, size: int, dealiasing: Dealiasing = "pad", dtype: torch.dtype = torch.float32) -> None:
        super().__init__()
        self.size, self.dealiasing, self.dtype = check_resolution(size, size), dealiasing, dtype
        is_padded = dealiasing == "pad"
        self.k_max = size // 2 - 1 if is_padded else -(-size // 3) - 1
        # one more than three times k_max would do; transforms like even numbers with small factors
        self.product_size = 3 * size // 2 if is_padded else size
        one_way = torch.arange(self.k_max + 1, dtype=torch.float64)
        ky = torch.cat([one_way, -one_way[1:].flip(0)])[:, None]
        square = ky**2 + one_way**2
        self.register_buffer("kx", one_way.to(dtype), persistent=False)
        self.register_buffer("ky", ky.to(dtype), persistent=False)
        self.register_buffer("square", square.to(dtype), persistent=False)
        inverse = torch.where(square > 0, 1 / square, torch.zeros_like(square))
        self.register_buffer("inverse_square", inverse.to(dtype), persistent=False)
        # the waves k and −k are stored once, but for k_x = 0
        counts = torch.where(one_way > 0, 2.0, 1.0)
        self.register_buffer("counts", counts.to(dtype), persistent=False)

    @property
    def shape(self) -> tuple[int, int]:
        """`(ky, kx)` of the coefficients."""
        return 2 * self.k_max + 1, self.k_max + 1

    def modes(self, field: Tensor) -> Tensor:
        """Coefficients `(..., ky, kx)` of a field `(..., y, x)` on any grid that holds these waves."""
        return analysed(field, self.counts, self.shape[0])

    def field(self, modes: Tensor, size: int | None = None) -> Tensor:
        """The field `(..., y, x)` of coefficients, on this grid or on one of `size` points a side."""
        return synthesised(modes, self.counts, size or self.size)

    def resize(self, modes: Tensor) -> Tensor:
        """Coefficients of another grid as this one's: waves that it has not are dropped, those that lack are 0."""
        lacking = self.k_max + 1 - modes.shape[-1]
        if lacking <= 0:
            return take_rows(modes[..., : self.k_max + 1], self.shape[0])
        padded: Tensor = torch.nn.functional.pad(put_rows(modes, self.shape[0]), (0, lacking))
        return padded

    def mean_product(self, first: Tensor, second: Tensor) -> Tensor:
        """⟨f g⟩ over the square from the coefficients of two fields, `(...)` (Parseval)."""
        total: Tensor = ((first * second.conj()).real * self.counts).sum((-2, -1))
        return total

    def shells(self, modes: Tensor, other: Tensor | None = None) -> Tensor:
        """⟨f g⟩ by shells of the wavenumber, `(..., k)` for k = 0 … k_max: the waves with round(|k|) = k."""
        product = (modes * (modes if other is None else other).conj()).real
        product = product * self.counts
        index = self.square.sqrt().round().long()
        inside = index <= self.k_max
        sums = product.new_zeros(*product.shape[:-2], self.k_max + 1)
        return sums.index_add(-1, index[inside], product[..., inside])

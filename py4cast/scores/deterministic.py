"""Errors of one forecast, cell by cell; their means and roots are taken by the metrics."""

from torch import Tensor

__all__ = ["error", "gradient_square"]


def error(prediction: Tensor, target: Tensor) -> Tensor:
    """E = ŷ − y, in the units of the field."""
    return prediction - target


def gradient_square(field: Tensor) -> tuple[Tensor, Tensor]:
    """Squares of the differences of neighbouring rows and of neighbouring columns, per (distance of cells)².

    Args:
        field: `(..., lat, lon)`; the last column has no eastern neighbour.

    Returns:
        `(..., lat − 1, lon)` and `(..., lat, lon − 1)`, units of the field squared.
    """
    rows = field[..., 1:, :] - field[..., :-1, :]
    columns = field[..., :, 1:] - field[..., :, :-1]
    return rows.square(), columns.square()

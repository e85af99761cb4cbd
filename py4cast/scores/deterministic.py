"""Errors of one forecast, cell by cell; their means and roots are taken by the metrics."""

from torch import Tensor

__all__ = ["absolute_error", "error", "squared_error"]


def error(prediction: Tensor, target: Tensor) -> Tensor:
    """E = ŷ − y, in the units of the field."""
    return prediction - target


def absolute_error(prediction: Tensor, target: Tensor) -> Tensor:
    """|ŷ − y|, in the units of the field."""
    return (prediction - target).abs()


def squared_error(prediction: Tensor, target: Tensor) -> Tensor:
    """(ŷ − y)², in the units of the field squared."""
    return (prediction - target).square()

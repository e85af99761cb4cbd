"""Weighted mean error: every feature counts by its weight and in units of what changes in one step."""

from torch import Tensor

from py4cast.losses.cells import CellLossABC

__all__ = ["WeightedMAE", "WeightedMSE"]


def _difference(prediction: Tensor, target: Tensor, counted: Tensor | None) -> Tensor:
    """ŷ − y, 0 where it does not count."""
    return prediction - target if counted is None else (prediction - target).masked_fill(~counted, 0.0)


class WeightedMSE(CellLossABC):
    """Creates the weighted mean squared error, of the score (ŷ − y)² and p = 2."""

    power = 2

    def score(self, prediction: Tensor, target: Tensor, counted: Tensor | None) -> Tensor:
        return _difference(prediction, target, counted).square()


class WeightedMAE(CellLossABC):
    """Creates the weighted mean absolute error, of the score |ŷ − y| and p = 1."""

    power = 1

    def score(self, prediction: Tensor, target: Tensor, counted: Tensor | None) -> Tensor:
        return _difference(prediction, target, counted).abs()

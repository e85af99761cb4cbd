"""RMSE, MAE and bias."""

from collections.abc import Mapping

from torch import Tensor

from py4cast.metrics.base import MetricABC, StatisticABC
from py4cast.scores.deterministic import absolute_error, error, squared_error

__all__ = ["MAE", "RMSE", "Bias"]


class SquaredError(StatisticABC):
    """(ŷ − y)²."""

    name = "squared_error"

    def compute(self, prediction: Tensor, target: Tensor) -> Tensor:
        return squared_error(prediction, target)


class AbsoluteError(StatisticABC):
    """|ŷ − y|."""

    name = "absolute_error"

    def compute(self, prediction: Tensor, target: Tensor) -> Tensor:
        return absolute_error(prediction, target)


class Error(StatisticABC):
    """ŷ − y."""

    name = "error"

    def compute(self, prediction: Tensor, target: Tensor) -> Tensor:
        return error(prediction, target)


class RMSE(MetricABC):
    """Root of the mean over all forecasts and cells: √⟨(ŷ − y)²⟩."""

    name = "rmse"
    statistics = (SquaredError,)

    def value(self, means: Mapping[str, Tensor]) -> Tensor:
        return means["squared_error"].sqrt()


class MAE(MetricABC):
    """⟨|ŷ − y|⟩."""

    name = "mae"
    statistics = (AbsoluteError,)

    def value(self, means: Mapping[str, Tensor]) -> Tensor:
        return means["absolute_error"]


class Bias(MetricABC):
    """⟨ŷ − y⟩."""

    name = "bias"
    statistics = (Error,)

    def value(self, means: Mapping[str, Tensor]) -> Tensor:
        return means["error"]

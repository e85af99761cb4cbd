"""PLUG POINT: metrics. A new one is one file here and one line below, or an entry point in `py4cast.metrics`."""

from py4cast.metrics.base import Aggregator, MetricABC, StatisticABC
from py4cast.registry import Registry

__all__ = ["Aggregator", "MetricABC", "StatisticABC", "registry"]

registry: Registry[MetricABC] = Registry(
    "metric",
    "py4cast.metrics.base:MetricABC",
    {
        "rmse": "py4cast.metrics.deterministic:RMSE",
        "mae": "py4cast.metrics.deterministic:MAE",
        "bias": "py4cast.metrics.deterministic:Bias",
    },
)

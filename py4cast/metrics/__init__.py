"""PLUG POINT: metrics. A new one is one file here and one line below, or an entry point in `py4cast.metrics`."""

from collections.abc import Sequence

from py4cast.errors import SettingsError
from py4cast.metrics.aggregator import Aggregator
from py4cast.metrics.area import AreaMetric, has_areas
from py4cast.metrics.base import CellStatisticABC, Dimension, MetricABC, StatisticABC
from py4cast.metrics.case import Case
from py4cast.metrics.layout import Layout, ScoreSettings
from py4cast.registry import Registry

__all__ = [
    "Aggregator",
    "Case",
    "CellStatisticABC",
    "Dimension",
    "Layout",
    "MetricABC",
    "ScoreSettings",
    "StatisticABC",
    "make_metrics",
    "registry",
]

registry: Registry[MetricABC] = Registry(
    "metric",
    "py4cast.metrics.base:MetricABC",
    {
        "rmse": "py4cast.metrics.deterministic:RMSE",
        "mae": "py4cast.metrics.deterministic:MAE",
        "bias": "py4cast.metrics.deterministic:Bias",
        "gradient_error": "py4cast.metrics.deterministic:GradientError",
        "wind_rmse": "py4cast.metrics.deterministic:WindRMSE",
        "acc": "py4cast.metrics.anomaly:ACC",
        "activity": "py4cast.metrics.anomaly:Activity",
        "pod": "py4cast.metrics.categorical:POD",
        "far": "py4cast.metrics.categorical:FAR",
        "csi": "py4cast.metrics.categorical:CSI",
        "ets": "py4cast.metrics.categorical:ETS",
        "frequency_bias": "py4cast.metrics.categorical:FrequencyBias",
        "seeps": "py4cast.metrics.categorical:SEEPS",
        "fss": "py4cast.metrics.neighbourhood:FSS",
        "spectrum": "py4cast.metrics.spectral:Spectrum",
        "spectral_ratio": "py4cast.metrics.spectral:SpectralRatio",
        "lambda_x": "py4cast.metrics.spectral:LambdaX",
        "lambda_t": "py4cast.metrics.resolution:LambdaT",
        "mu": "py4cast.metrics.deterministic:Mu",
        "sigma": "py4cast.metrics.deterministic:Sigma",
        "crps": "py4cast.metrics.ensemble:CRPS",
        "fair_crps": "py4cast.metrics.ensemble:FairCRPS",
        "spread": "py4cast.metrics.ensemble:Spread",
        "spread_skill": "py4cast.metrics.ensemble:SpreadSkill",
        "rank_histogram": "py4cast.metrics.ensemble:RankHistogram",
        "brier": "py4cast.metrics.ensemble:Brier",
        "reliability": "py4cast.metrics.ensemble:Reliability",
        "energy_score": "py4cast.metrics.ensemble:EnergyScore",
        "pooled_spread_skill": "py4cast.metrics.joint:PooledSpreadSkill",
        "neighbour_correlation": "py4cast.metrics.joint:NeighbourCorrelation",
    },
)


def make_metrics(layout: Layout, names: Sequence[str] | None = None) -> list[MetricABC]:
    """The metrics of these names for a layout; by default those of its settings, else all that its data allow.

    Raises:
        SettingsError: an unknown name, or a metric that is named and lacks something.
    """
    asked = tuple(layout.settings.metrics if names is None else names)
    if not asked:
        kinds = [kind for kind in map(registry.get, registry.names()) if kind.is_default]
        return _with_areas([k(k.seen(layout)) for k in kinds if not k.lacking(k.seen(layout))], layout)
    metrics = []
    for name in asked:
        kind = registry.get(name)
        lacking = kind.lacking(kind.seen(layout))
        if lacking:
            hint = "; --set scores.raster=DEGREES brings points to one" if lacking == "a grid" and layout.points else ""
            raise SettingsError(f"metric {name!r} needs {lacking}, which is not there{hint}")
        metrics.append(kind(kind.seen(layout)))
    return _with_areas(metrics, layout)


def _with_areas(metrics: list[MetricABC], layout: Layout) -> list[MetricABC]:
    """Those of the areas behind them, metric by metric."""
    return metrics + [AreaMetric(metric, area) for metric in metrics if has_areas(metric) for area in layout.areas]

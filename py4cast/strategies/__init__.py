"""PLUG POINT: strategies. A new one is one file here and one line below, or an entry point in `py4cast.strategies`."""

from py4cast.registry import Registry
from py4cast.strategies.base import Given, Samples, StrategyABC

__all__ = ["Given", "Samples", "StrategyABC", "registry"]

registry: Registry[StrategyABC] = Registry(
    "strategy",
    "py4cast.strategies.base:StrategyABC",
    {
        "diff_ar": "py4cast.strategies.diff_ar:DiffAR",
        "ensemble": "py4cast.strategies.ensemble:Ensemble",
        "scaled_ar": "py4cast.strategies.scaled_ar:ScaledAR",
        "diffusion": "py4cast.strategies.generative.diffusion:Diffusion",
        "flow_matching": "py4cast.strategies.generative.flow_matching:FlowMatching",
        "graph_efm": "py4cast.strategies.graph_efm:GraphEFM",
        "hybrid": "py4cast.strategies.hybrid:Hybrid",
        "mapping": "py4cast.strategies.mapping:Mapping",
        "downscaling": "py4cast.strategies.downscaling:Downscaling",
    },
)

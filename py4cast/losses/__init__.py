"""PLUG POINT: losses. A new one is one file here and one line below, or an entry point in `py4cast.losses`."""

from py4cast.losses.base import LossABC, LossTerms
from py4cast.registry import Registry

__all__ = ["LossABC", "LossTerms", "registry"]

registry: Registry[LossABC] = Registry(
    "loss",
    "py4cast.losses.base:LossABC",
    {
        "mse": "py4cast.losses.weighted:WeightedMSE",
        "mae": "py4cast.losses.weighted:WeightedMAE",
        "huber": "py4cast.losses.huber:Huber",
        "gaussian_nll": "py4cast.losses.gaussian:GaussianNLL",
        "crps": "py4cast.losses.crps:CRPS",
        "crps_of_differences": "py4cast.losses.joint:CRPSOfDifferences",
        "crps_of_means": "py4cast.losses.joint:CRPSOfMeans",
        "energy_score": "py4cast.losses.joint:EnergyScore",
        "spectral": "py4cast.losses.spectral:Spectral",
        "sum": "py4cast.losses.sum:SumOfLosses",
    },
)

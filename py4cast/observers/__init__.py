"""PLUG POINT: observers. A new one is one file here and one line below, or an entry point in `py4cast.observers`."""

from py4cast.observers.base import ErrorObserver
from py4cast.observers.prediction import PredictionPlot
from py4cast.observers.spatial_error import SpatialErrorPlot
from py4cast.observers.state_error import StateErrorPlot
from py4cast.registry import Registry

__all__ = ["ErrorObserver", "PredictionPlot", "SpatialErrorPlot", "StateErrorPlot", "registry"]

registry: Registry[ErrorObserver] = Registry(
    "observer",
    "py4cast.observers.base:ErrorObserver",
    {
        "prediction": "py4cast.observers.prediction:PredictionPlot",
        "error": "py4cast.observers.error:ErrorPlot",
        "state_error": "py4cast.observers.state_error:StateErrorPlot",
        "spatial_error": "py4cast.observers.spatial_error:SpatialErrorPlot",
        "spectra": "py4cast.observers.spectra:SpectraPlot",
        "spread": "py4cast.observers.spread:SpreadPlot",
    },
)

"""PLUG POINT: observers. A new one is one file here and one line below, or an entry point in `py4cast.observers`."""

import importlib
from typing import TYPE_CHECKING, Any

from py4cast.registry import Registry

if TYPE_CHECKING:
    from py4cast.observers.base import ErrorObserver
    from py4cast.observers.prediction import PredictionPlot
    from py4cast.observers.spatial_error import SpatialErrorPlot
    from py4cast.observers.state_error import StateErrorPlot

__all__ = ["ErrorObserver", "PredictionPlot", "SpatialErrorPlot", "StateErrorPlot", "registry"]

_HOMES = {
    "ErrorObserver": "base",
    "PredictionPlot": "prediction",
    "SpatialErrorPlot": "spatial_error",
    "StateErrorPlot": "state_error",
}
registry: "Registry[ErrorObserver]" = Registry(
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


def __getattr__(name: str) -> Any:
    """The classes, loaded when asked for: maps are drawn without torch too."""
    if name in _HOMES:
        return getattr(importlib.import_module(f"py4cast.observers.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

"""The older home of the observers; `py4cast.observers` is where they live."""

from py4cast.observers import ErrorObserver, PredictionPlot, SpatialErrorPlot, StateErrorPlot

__all__ = ["ErrorObserver", "PredictionPlot", "SpatialErrorPlot", "StateErrorPlot"]

"""inspect: what a store, a Forecaster or an exported step holds."""

from py4cast.former import offered

__getattr__ = offered(__name__, "data")

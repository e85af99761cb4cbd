"""forecast: a Forecaster or an exported step, to files."""

from py4cast.former import offered

__getattr__ = offered(__name__, "run")

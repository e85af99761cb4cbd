"""export: one step of a Forecaster as a file that runs without torch."""

from py4cast.former import offered

__getattr__ = offered(__name__, "run")

"""train: a Forecaster trained, tested and saved."""

from py4cast.former import offered

__getattr__ = offered(__name__, "run")

"""cycle: forecasts every few hours, as input comes."""

from py4cast.former import offered

__getattr__ = offered(__name__, "run")

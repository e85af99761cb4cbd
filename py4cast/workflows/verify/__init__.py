"""verify: scores of a Forecaster's forecasts, and of anybody's files."""

from py4cast.former import offered

__getattr__ = offered(__name__, "split")

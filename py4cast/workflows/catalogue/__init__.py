"""catalogue: what was made from what."""

from py4cast.former import offered

__getattr__ = offered(__name__, "catalogue")

"""qg: two-dimensional turbulence, simulated finely and seen coarsely."""

from py4cast.datasets.qg.dataset import Qg

__all__ = ["Qg"]

"""hybrid: physics and a network in one step."""

from py4cast.strategies.hybrid.strategy import Hybrid

__all__ = ["Hybrid"]

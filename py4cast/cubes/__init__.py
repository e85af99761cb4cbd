"""Cubes: where planes lie, in memory, in a prepared store, in files or stores of others, and views on them."""

from py4cast.cubes.base import CubeABC

__all__ = ["CubeABC"]

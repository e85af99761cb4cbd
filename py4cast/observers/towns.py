"""Towns on a map, so that a reader finds places: the largest first, none close to another."""

import csv
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np

from py4cast.grid import Grid
from py4cast.observers.coast import _places as places_on

__all__ = ["Town", "towns_on"]

_FILE = Path(__file__).with_name("towns.csv")
_MOST = 14
# of the map's longer side, between two names
_APART = 0.11
# of the map's longer side and its height, that a name takes
_NAME = (0.14, 0.045)
# of the map's sides, within which a name would run over the edge
_EDGE = 0.02


class Town(NamedTuple):
    """A town on a grid.

    Args:
        name: in its own letters, or the English one.
        column: fractional.
        row: fractional.
    """

    name: str
    column: float
    row: float

    def is_left(self, width: float) -> bool:
        """Whether its name stands to its left, on the side on which a map of so many columns goes on further."""
        return self.column > 0.75 * width


@cache
def _known() -> tuple[tuple[str, ...], np.ndarray]:
    """All towns, by falling number of inhabitants: names, and longitude and latitude of each, `(town, 2)`."""
    with _FILE.open(encoding="utf-8", newline="") as stream:
        rows = sorted(csv.DictReader(stream), key=lambda row: -float(row["thousands"]))
    points = np.array([[float(row["longitude"]), float(row["latitude"])] for row in rows])
    return tuple(row["name"] for row in rows), points


def towns_on(grid: Grid, most: int = _MOST) -> list[Town]:
    """The largest towns of a map that stand apart; none for a projection of which only the places of the cells are known.

    Args:
        grid: a rectangle.
        most: how many at most.
    """
    names, points = _known()
    places = places_on(grid, points)
    if places is None:
        return []
    sides = np.array(grid.shape[::-1], dtype=np.float64) - 1
    shares = places / np.maximum(sides, 1)
    chosen: list[Town] = []
    # comparisons with NaN are false
    for place in np.flatnonzero(((shares > _EDGE) & (shares < 1 - _EDGE)).all(1)):
        name, (column, row) = names[place], places[place]
        distances = [max(abs(column - t.column), 2 * abs(row - t.row)) for t in chosen]
        meets = any(_meet(Town(name, column, row), t, sides) for t in chosen)
        if not meets and min(distances, default=np.inf) > _APART * sides.max():
            chosen.append(Town(name, float(column), float(row)))
        if len(chosen) == most:
            break
    return chosen


def _meet(first: Town, second: Town, sides: np.ndarray) -> bool:
    """Whether the names of two towns would lie over each other on a map of so many columns and rows."""
    across, up = _NAME[0] * sides.max(), _NAME[1] * sides[1]
    begins = [t.column - across * t.is_left(sides[0] + 1) for t in (first, second)]
    return bool(abs(first.row - second.row) < up and abs(begins[0] - begins[1]) < across)

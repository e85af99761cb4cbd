"""What is drawn of a forecast beside maps, and where."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from py4cast.cubes.base import CubeABC
from py4cast.errors import SettingsError
from py4cast.grid import EARTH_RADIUS, Grid
from py4cast.variables import Variable
from py4cast.workflows.counterpart import Counterpart
from py4cast.workflows.view.moments import Moment

__all__ = ["Asked", "Place", "place_on"]


class Place(NamedTuple):
    """A cell, and where its middle is."""

    row: int
    column: int
    name: str


class Asked(NamedTuple):
    """What is drawn of some files, and where.

    Args:
        cube: of the files.
        variables: in order.
        times: that are drawn.
        title: of the forecast.
        units: that are shown, by variable.
        place: where, for what is drawn at a place.
        other: that the forecast is held against; None for nothing.
        along: longitude or latitude, of a Hovmöller diagram.
    """

    cube: CubeABC
    variables: Sequence[Variable]
    times: Sequence[Moment]
    title: str
    units: Mapping[str, str]
    place: Place | None = None
    other: Counterpart | None = None
    along: str = "longitude"


def place_on(grid: Grid, text: str) -> Place:
    """The cell nearest to `LATITUDE,LONGITUDE`.

    Raises:
        SettingsError: no two numbers, or a place outside the grid.
    """
    try:
        lat, lon = (float(part) for part in text.split(","))
        if not np.isfinite([lat, lon]).all():
            raise ValueError
    except ValueError:
        raise SettingsError(f"--at {text!r}: expected LATITUDE,LONGITUDE, such as 48.85,2.35") from None
    if abs(lat) > 90:
        raise SettingsError(f"--at {text}: latitude {lat:g} is beyond 90 degrees")
    phi, lam = np.deg2rad([lat, lon])
    wanted = np.array([np.cos(phi) * np.cos(lam), np.cos(phi) * np.sin(lam), np.sin(phi)])
    chords = np.linalg.norm(grid.xyz() - wanted, axis=-1)
    row, column = np.unravel_index(int(np.argmin(chords)), chords.shape)
    if EARTH_RADIUS * float(chords[row, column]) > 1.5 * float(np.nanmax(grid.spacing())):
        raise SettingsError(f"--at {text}: outside of the grid, which is {grid.describe()}")
    north, east = float(grid.latitude_2d()[row, column]), float((grid.longitude_2d()[row, column] + 180) % 360 - 180)
    name = f"{abs(north):.2f}°{'N' if north >= 0 else 'S'} {abs(east):.2f}°{'E' if east >= 0 else 'W'}"
    return Place(int(row), int(column), name)

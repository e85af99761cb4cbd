"""Tables of stations and buoys as a cube on points: a row per station and time in CSV or Parquet, with gaps.

A station that reports nothing at an instant is missing there; instants at which none reports are not available.
"""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from py4cast.axis import TimeAxis
from py4cast.cubes.base import Planes
from py4cast.cubes.foreign.base import ForeignCube
from py4cast.errors import DataError
from py4cast.formats import open_reader
from py4cast.formats.station_series import StationSeries
from py4cast.remote import is_remote
from py4cast.timeline import show_duration
from py4cast.variables import Variable

__all__ = ["StationsCube"]

_MOST_GAPS = 20  # instants on the axis for one that the table has


class StationsCube(ForeignCube):
    """Opens the table of some stations; each is a cell, in the order in which they first stand in the table."""

    @classmethod
    def fits(cls, path: Path) -> bool:
        return not is_remote(path) and path.is_file() and path.suffix.lower() in StationSeries.suffixes

    def open(self) -> None:
        reader = open_reader(self.path)
        if not isinstance(reader, StationSeries):
            raise DataError(f"{self.path}: no table of stations")
        stations = reader.stations
        self._grid, self._stations = reader.points, stations
        self.variables = [
            Variable(name=name, short_name=name, units=units, nan="mask") for name, units in stations.units.items()
        ]
        self.axis = TimeAxis.series(_even(stations.times, self.path))
        self._there = np.isin(self.axis.times, stations.times)

    def plane_block(self, name: str, start: int, stop: int) -> NDArray[Any]:
        return self._stations.at(self.axis.times[start:stop], [name]).transpose(0, 2, 1)

    def available(self, names: Any) -> NDArray[np.bool_]:
        return self._there

    def static_fields(self) -> dict[str, Planes]:
        elevation = np.asarray(self._stations.elevation, dtype=np.float32)
        return {"elevation": elevation[None]} if np.isfinite(elevation).any() else {}


def _even(times: NDArray[np.datetime64], path: Path) -> NDArray[np.datetime64]:
    """The evenly spaced instants among which those of a table are.

    Raises:
        DataError: reports at odd times.
    """
    if times.size < 2:
        return times
    gaps = np.diff(times).astype(np.int64)
    step, count = int(np.gcd.reduce(gaps)), int((times[-1] - times[0]).astype(np.int64))
    if count // step + 1 > _MOST_GAPS * times.size:
        smallest = show_duration(np.timedelta64(int(gaps.min()), "s"))
        raise DataError(
            f"{path}: reports at odd times (every {show_duration(np.timedelta64(step, 's'))} would hold them all, {smallest} is the "
            "smallest distance); round its times first"
        )
    even: NDArray[np.datetime64] = times[0] + np.arange(0, count + 1, step).astype("timedelta64[s]")
    return even

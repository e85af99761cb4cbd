"""Series of stations and buoys as fields on points: a CSV or Parquet table, a row per station and time, with gaps."""

from pathlib import Path
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from py4cast.errors import DataError
from py4cast.formats.base import ReaderABC, Record
from py4cast.formats.stations import Stations, read_stations
from py4cast.grid import Grid

__all__ = ["StationSeries"]


class StationSeries(ReaderABC):
    """Opens the table of some stations; each is a cell, in the order in which they first stand in the table.

    Attributes:
        stations: what the table holds.
        points: where they are.
    """

    suffixes: ClassVar[tuple[str, ...]] = (".csv", ".parquet")
    beginnings: ClassVar[tuple[bytes, ...]] = (b"PAR1",)

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.stations: Stations = read_stations(path)
        self.points = self._points()

    def _points(self) -> Grid:
        latitude, longitude = self.stations.latitude, self.stations.longitude
        try:
            return Grid.points(latitude, longitude, name="stations")
        except DataError as error:
            raise DataError(f"{self.path}: {error}") from None

    def records(self) -> list[Record]:
        zero = np.timedelta64(0, "s")
        made = [
            Record(name, None, None, time, zero, None, units, (step, column), "stations")
            for step, time in enumerate(self.stations.times)
            for column, (name, units) in enumerate(self.stations.units.items())
        ]
        if np.isfinite(self.stations.elevation).any():
            made.append(Record("elevation", None, None, None, zero, None, "m", (), "stations"))
        return made

    def grid(self, record: Record) -> Grid:
        return self.points

    def read(self, record: Record) -> NDArray[np.float32]:
        if not record.locator:
            return np.asarray(self.stations.elevation, dtype=np.float32).reshape(1, -1)
        step, column = record.locator
        return np.array(self.stations.values[step, :, column], dtype=np.float32).reshape(1, -1)

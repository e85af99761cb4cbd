"""Files of normals: fields over `dayofyear` and `hour`, as WeatherBench 2 publishes its climatologies.

Reference: S. Rasp et al. (2024), WeatherBench 2, doi 10.1029/2023MS004019.
"""

from collections.abc import Hashable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from py4cast.errors import DataError, nearest
from py4cast.formats import open_reader
from py4cast.formats.cf import CfReader
from py4cast.grid import Grid
from py4cast.variables import feature_name

__all__ = ["NormalsFile", "is_normals"]

_DAY, _HOUR = "dayofyear", "hour"
_KEPT = 24


def is_normals(path: Path) -> bool:
    """Whether a file or store has a dimension of days of the year or hours of the day."""
    reader = open_reader(path)
    try:
        return isinstance(reader, CfReader) and bool({_DAY, _HOUR} & {str(d) for d in reader.data.sizes})
    finally:
        reader.close()


class NormalsFile:
    """Creates the reader of a file of normals.

    Raises:
        DataError: no NetCDF and no Zarr, or no field over days of the year or hours.
    """

    def __init__(self, path: Path) -> None:
        reader = open_reader(path)
        if not isinstance(reader, CfReader):
            raise DataError(f"{path}: normals are read from NetCDF or Zarr")
        self.path, self._reader = path, reader
        self._places: dict[str, tuple[str, dict[Hashable, int]]] = {}
        self._kept: dict[tuple[int, int, tuple[str, ...]], NDArray[np.float32]] = {}
        self._spatial: dict[str, tuple[Hashable, Hashable]] = {}
        self._values = {d: reader.data[d].values for d in (_DAY, _HOUR) if d in reader.data.sizes}
        self.grid: Grid | None = None
        for name, array in reader.data.data_vars.items():
            spatial = reader.spatial_dims(array)
            others = [d for d in array.dims if spatial is not None and d not in spatial]
            if spatial is None or not {_DAY, _HOUR} & set(map(str, others)):
                continue
            self.grid = self.grid or reader.grid_of(array, spatial)
            self._spatial[str(name)] = spatial
            levels = [d for d in others if str(d) not in (_DAY, _HOUR)]
            if not levels:
                self._places[str(name)] = (str(name), {})
            for i, level in enumerate(array.coords[levels[0]].values if levels else ()):
                self._places[feature_name(str(name), float(level), "isobaricInhPa")] = (str(name), {levels[0]: i})
        if self.grid is None:
            raise DataError(f"{path}: no field over {_DAY} or {_HOUR}")

    @property
    def names(self) -> list[str]:
        """Of the variables, as features."""
        return list(self._places)

    def check(self, times: NDArray[np.datetime64]) -> None:
        """DataError when days of the year or hours of the day are missing that these times need; names them."""
        for dim, needed, what in ((_DAY, _days(times), "days of the year"), (_HOUR, _hours(times), "hours of the day")):
            if dim in self._reader.data.sizes:
                held = {int(v) for v in self._values[dim]}
                lacking = sorted(set(needed.tolist()) - held)
                if lacking:
                    shown = ", ".join(map(str, lacking[:6])) + (
                        f" and {len(lacking) - 6} more" if len(lacking) > 6 else ""
                    )
                    raise DataError(f"{self.path}: normals lack the {what} {shown}, which the forecasts reach")

    def read(self, time: np.datetime64, names: Sequence[str]) -> NDArray[np.float32]:
        """The normal state at a time, `(features, lat, lon)`; what was read last is kept."""
        times = np.array([time])
        key = (int(_days(times)[0]), int(_hours(times)[0]), tuple(names))
        if _DAY not in self._reader.data.sizes:
            key = (0, *key[1:])
        if key not in self._kept:
            self._kept[key] = np.stack([self._plane(name, key[0], key[1]) for name in names])
            while len(self._kept) > _KEPT:
                self._kept.pop(next(iter(self._kept)))
        return self._kept[key]

    def _plane(self, name: str, day: int, hour: int) -> NDArray[np.float32]:
        if name not in self._places:
            raise DataError(f"{self.path}: no normals of {name!r}{nearest(name, self.names)}")
        name_in_file, at = self._places[name]
        array = self._reader.data[name_in_file]
        index: dict[Hashable, Any] = dict(at)
        for dim, value in ((_DAY, day), (_HOUR, hour)):
            if dim in array.dims:
                index[dim] = int(np.flatnonzero(self._values[dim] == value)[0])
        # an index of the bare variable, since that of an array with coordinates costs milliseconds
        part = array.variable[tuple(index.get(d, slice(None)) for d in array.dims)]
        spatial = self._spatial[name_in_file]
        return np.asarray((part if part.dims == spatial else part.transpose(*spatial)).values, dtype=np.float32)

    def close(self) -> None:
        """Closes the file of normals."""
        self._reader.close()


def _days(times: NDArray[np.datetime64]) -> NDArray[np.int64]:
    """Day of the year in its own calendar, from 1; the last of a leap year counts as the one before."""
    days = times.astype("datetime64[D]")
    return np.asarray((days - days.astype("datetime64[Y]").astype("datetime64[D]")).astype(np.int64) + 1)


def _hours(times: NDArray[np.datetime64]) -> NDArray[np.int64]:
    return np.asarray(times.astype("datetime64[h]").astype(np.int64) % 24)

"""NetCDF without coordinates: grid, start and member are told by the settings and by the file's path.

Lead times stand in the file in hours, or are counted from 0; levels by their numbers.
"""

import itertools
from pathlib import Path
from typing import ClassVar

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from py4cast.errors import DataError, first_line
from py4cast.formats.base import ArrayDescription, ReaderABC, Record
from py4cast.formats.numpy import told_by
from py4cast.grid import Grid

__all__ = ["BareNetcdfReader"]


class BareNetcdfReader(ReaderABC):
    """Creates a reader of the fields of one NetCDF file whose meaning the settings tell."""

    suffixes: ClassVar[tuple[str, ...]] = ()

    def __init__(self, path: Path, arrays: ArrayDescription) -> None:
        super().__init__(path)
        self._arrays, self._told = arrays, told_by(path, arrays)
        self._names = {d: arrays.names.get(d, d) for d in ("lat", "lon", "lead_time", "level")}
        try:
            self._data = xr.open_dataset(path, engine="netcdf4", cache=False, decode_times=False)
        except Exception as error:
            reason = first_line(error)
            raise DataError(f"{path}: damaged, or not a NetCDF file: {reason}") from None

    def _axis(self, array: xr.DataArray, kind: str) -> list[tuple[int, float | None]]:
        """Places and values along a dimension; one place without value where there is none."""
        dim = self._names[kind]
        if dim not in array.dims:
            return [(-1, None)]
        values = array.coords[dim].values if dim in array.coords else np.arange(array.sizes[dim])
        return [(i, float(v)) for i, v in enumerate(values)]

    def records(self) -> list[Record]:
        records = []
        start = None if self._told is None else self._told.time
        member = None if self._told is None else self._told.member
        for name, array in self._data.data_vars.items():
            if not {self._names["lat"], self._names["lon"]} <= set(array.dims):
                continue
            units = str(array.attrs.get("units", self._arrays.units.get(str(name), "")))
            for (i, hours), (j, level) in itertools.product(self._axis(array, "lead_time"), self._axis(array, "level")):
                seconds = round(3600 * (hours or 0.0))
                records.append(
                    Record(
                        short_name=str(name), level=level, type_of_level=None if level is None else self._arrays.level_type,
                        init_time=start, lead_time=np.timedelta64(seconds, "s"), member=member, units=units,
                        locator=(str(name), i, j), grid_key="arrays",
                    )
                )  # fmt: skip
        if not records:
            wanted = f"{self._names['lat']!r} and {self._names['lon']!r}"
            raise DataError(f"{self.path}: holds no variable with the dimensions {wanted}")
        return records

    def grid(self, record: Record) -> Grid:
        return self._arrays.grid

    def read(self, record: Record) -> NDArray[np.float32]:
        name, lead, level = record.locator
        at = {self._names[k]: i for k, i in (("lead_time", lead), ("level", level)) if i >= 0}
        try:
            values = self._data[name].isel(at).transpose(self._names["lat"], self._names["lon"]).values
        except Exception as error:
            raise DataError(f"{self.path}: {name} of {record.valid_time} cannot be read: {error}") from None
        if values.shape != self._arrays.grid.shape:
            raise DataError(f"{self.path}: {name} is {values.shape}, the grid {self._arrays.grid.shape}")
        return np.ascontiguousarray(values, dtype=np.float32)

    def close(self) -> None:
        self._data.close()

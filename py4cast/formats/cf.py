"""Data under the CF conventions, in NetCDF or Zarr, read through xarray.

A grid is found by what its coordinates say (standard name, units, axis), then by their names; on a projection
without latitude and longitude they are computed from the grid mapping.
"""

import itertools
from abc import abstractmethod
from collections.abc import Hashable, Iterable
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from py4cast.errors import DataError
from py4cast.formats.base import ReaderABC, Record
from py4cast.grid import Grid
from py4cast.projection import inverse

__all__ = ["CfReader", "kind_of"]

_LATITUDE = ("latitude", "lat", "nav_lat", "xlat")
_LONGITUDE = ("longitude", "lon", "nav_lon", "xlong")
_LEVEL_TYPES = {
    "isobaricinhpa": "isobaricInhPa", "pressure_level": "isobaricInhPa", "plev": "isobaricInhPa", "pressure": "isobaricInhPa",
    "isobaric": "isobaricInhPa", "heightaboveground": "heightAboveGround", "height": "heightAboveGround", "depth": "depthBelowSea",
}  # fmt: skip
_MEMBERS = ("member", "number", "realization", "ensemble")


def _is(array: xr.DataArray, standard_names: Iterable[str], names: Iterable[str], units: Iterable[str] = ()) -> bool:
    attrs = array.attrs
    if str(attrs.get("standard_name", "")) in standard_names or str(attrs.get("units", "")) in units:
        return True
    return "standard_name" not in attrs and str(array.name).lower() in names


def _is_latitude(array: xr.DataArray) -> bool:
    units = ("degrees_north", "degree_north", "degrees_N", "degreesN")
    return _is(array, ("latitude",), _LATITUDE, units) or (
        array.ndim == 1 and str(array.name) == "Y" and "degree" in str(array.attrs.get("units"))
    )


def _is_longitude(array: xr.DataArray) -> bool:
    units = ("degrees_east", "degree_east", "degrees_E", "degreesE")
    return _is(array, ("longitude",), _LONGITUDE, units)


def kind_of(array: xr.DataArray) -> str:
    """What a one-dimensional coordinate measures: time, init, lead, member, level or other."""
    name, standard = str(array.name).lower(), str(array.attrs.get("standard_name", ""))
    if np.issubdtype(array.dtype, np.datetime64):
        return "init" if standard == "forecast_reference_time" or name in ("init_time", "reference_time") else "time"
    if np.issubdtype(array.dtype, np.timedelta64):
        return "lead"
    if name in _MEMBERS or standard == "realization":
        return "member"
    if name in _LEVEL_TYPES or name in ("level", "lev", "z") or str(array.attrs.get("axis")) == "Z":
        return "level"
    return "other"


class CfReader(ReaderABC):
    """Abstract reader of a dataset under the CF conventions; a concrete one says how it is opened."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        try:
            self.data = self.open(path)
        except FileNotFoundError:
            raise DataError(f"{path}: no such file") from None
        except Exception as error:
            reason = (str(error) or type(error).__name__).splitlines()[0]
            raise DataError(f"{path}: damaged, or not a {self.what}: {reason}") from None
        self._grids: dict[str, Grid] = {}

    what: ClassVar[str]

    @abstractmethod
    def open(self, path: Path) -> xr.Dataset:
        """The dataset; nothing is read but what tells what is there."""

    def records(self) -> list[Record]:
        records: list[Record] = []
        for name, array in self.data.data_vars.items():
            spatial = self.spatial_dims(array)
            if spatial is not None and np.issubdtype(array.dtype, np.number):
                records += self._records(str(name), array, spatial)
        if not records:
            raise DataError(f"{self.path}: holds no variable on a latitude-longitude or projected grid")
        return records

    def coordinate(self, dim: Hashable) -> xr.DataArray | None:
        """The coordinate of a dimension: its own, else a 1-D time or lead time along it."""
        if dim in self.data.coords:
            return self.data.coords[dim]
        along = [c for c in self.data.coords.values() if c.dims == (dim,)]
        return next((c for c in along if kind_of(c) in ("time", "init")), along[0] if along else None)

    def spatial_dims(self, array: xr.DataArray) -> tuple[Hashable, Hashable] | None:
        """The dimensions along rows and columns, if it has them."""
        two_d = [c for c in array.coords.values() if c.ndim == 2 and _is_latitude(c)]
        if two_d:
            row, column = two_d[0].dims
            return (row, column) if row in array.dims and column in array.dims else None
        lat = [d for d in array.dims if d in array.coords and _is_latitude(array.coords[d])]
        lon = [d for d in array.dims if d in array.coords and _is_longitude(array.coords[d])]
        if lat and lon:
            return lat[0], lon[0]
        y = [
            d
            for d in array.dims
            if d in array.coords and array.coords[d].attrs.get("standard_name") == "projection_y_coordinate"
        ]
        x = [
            d
            for d in array.dims
            if d in array.coords and array.coords[d].attrs.get("standard_name") == "projection_x_coordinate"
        ]
        return (y[0], x[0]) if y and x else None

    def _scalar(self, array: xr.DataArray, kind: str) -> Any:
        values = [c.values for c in array.coords.values() if c.ndim == 0 and kind_of(c) == kind]
        return values[0] if values else None

    def _records(self, name: str, array: xr.DataArray, spatial: tuple[Hashable, Hashable]) -> list[Record]:
        others = [d for d in array.dims if d not in spatial]
        axes = []
        for dim in others:
            coordinate = self.coordinate(dim)
            kind = "other" if coordinate is None else kind_of(coordinate)
            values = np.arange(array.sizes[dim]) if coordinate is None else coordinate.values
            axes.append([(kind, dim, i, value) for i, value in enumerate(values)])
        attrs = array.attrs
        keys = {"cf_name": name, "GRIB_shortName": attrs.get("GRIB_shortName")}
        scalars = {kind: self._scalar(array, kind) for kind in ("time", "init", "lead", "member")}
        level_type = self.level_type_of(array, others)
        records = []
        for combination in itertools.product(*axes):
            at = {**scalars, **{kind: value for kind, _, _, value in combination}}
            init, lead = times_of(at)
            level = at.get("level", attrs.get("GRIB_level", attrs.get("level_hPa")))
            records.append(
                Record(
                    short_name=name,
                    level=None if level is None else float(level),
                    type_of_level=level_type if level is not None else None,
                    init_time=init,
                    lead_time=lead,
                    member=None if at.get("member") is None else int(at["member"]),
                    units=str(attrs.get("units", "")),
                    locator=(name, tuple((dim, i) for _, dim, i, _ in combination)),
                    grid_key=repr((spatial, attrs.get("grid_mapping") or array.encoding.get("grid_mapping"))),
                    standard_name=str(attrs.get("standard_name", "")),
                    keys=keys,
                )
            )
        return records

    def level_type_of(self, array: xr.DataArray, others: list[Hashable]) -> str | None:
        """What its levels are, in GRIB's words."""
        for dim in others:
            coordinate = self.coordinate(dim)
            if coordinate is not None and kind_of(coordinate) == "level":
                is_pressure = str(coordinate.attrs.get("units")) in ("hPa", "millibars", "mbar", "mb")
                return "isobaricInhPa" if is_pressure else _LEVEL_TYPES.get(str(coordinate.name).lower())
        declared = array.attrs.get("GRIB_typeOfLevel")
        return str(declared) if declared else ("isobaricInhPa" if "level_hPa" in array.attrs else None)

    def grid(self, record: Record) -> Grid:
        if record.grid_key not in self._grids:
            array = self.data[record.locator[0]]
            spatial = self.spatial_dims(array)
            assert spatial is not None, "records() lists only fields with a grid"
            self._grids[record.grid_key] = self.grid_of(array, spatial)
        return self._grids[record.grid_key]

    def grid_of(self, array: xr.DataArray, spatial: tuple[Hashable, Hashable]) -> Grid:
        """The grid of an array."""
        row, column = spatial
        y, x = array.coords.get(row), array.coords.get(column)
        if y is not None and x is not None and _is_latitude(y) and _is_longitude(x):
            return Grid(y.values, x.values)
        mapping = array.attrs.get("grid_mapping") or array.encoding.get("grid_mapping")
        projection: dict[str, Any] = {}
        if mapping and mapping in self.data:
            attrs = self.data[mapping].attrs
            projection = {str(k): np.asarray(v).tolist() for k, v in attrs.items() if k not in ("proj4", "coordinates")}
        if y is not None and x is not None:
            y, x = _metres(y), _metres(x)
        lat = next((c.values for c in array.coords.values() if c.dims == spatial and _is_latitude(c)), None)
        lon = next((c.values for c in array.coords.values() if c.dims == spatial and _is_longitude(c)), None)
        if lat is None or lon is None:
            if not projection or x is None or y is None:
                raise DataError(f"{self.path}: {array.name} has neither latitude and longitude nor a grid mapping")
            lat, lon = inverse(projection, *np.meshgrid(x, y))
        return Grid(np.asarray(lat), np.asarray(lon), x, y, projection or {"grid_mapping_name": "unknown"})

    def read(self, record: Record) -> NDArray[np.float32]:
        name, index = record.locator
        array = self.data[name]
        spatial = self.spatial_dims(array)
        assert spatial is not None, "records() lists only fields with a grid"
        try:
            values = array.isel(dict(index)).transpose(*spatial).values
        except Exception as error:
            raise DataError(f"{self.path}: {name} of {record.valid_time} cannot be read: {error}") from None
        return np.ascontiguousarray(values, dtype=np.float32)

    def close(self) -> None:
        self.data.close()


def _metres(coordinate: xr.DataArray) -> Any:
    return coordinate.values.astype(np.float64) * (1000.0 if coordinate.attrs.get("units") == "km" else 1.0)


def times_of(at: dict[str, Any]) -> tuple[np.datetime64 | None, np.timedelta64]:
    """Start and lead time from any two of init, lead and valid time, or an analysis time alone."""
    init, lead, valid = at.get("init"), at.get("lead"), at.get("time")
    zero = np.timedelta64(0, "s")
    if init is None and valid is None:
        return None, zero
    if init is None:
        # beside a lead time, `time` is the start of the forecast, as cfgrib and WeatherBench 2 have it
        return np.datetime64(valid, "s"), zero if lead is None else lead.astype("timedelta64[s]")
    if lead is None:
        lead = zero if valid is None else valid - init
    return np.datetime64(init, "s"), lead.astype("timedelta64[s]")

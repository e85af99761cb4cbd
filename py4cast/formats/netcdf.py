"""NetCDF, read through xarray and written under the CF conventions.

A file's grid is found by what its coordinates say (standard name, units, axis), then by their names; on a
projection without latitude and longitude they are computed from the grid mapping.
"""

import itertools
from collections.abc import Hashable, Iterable
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from py4cast.atomic import atomic_path
from py4cast.errors import DataError
from py4cast.formats.base import Fields, ReaderABC, Record, WriterABC
from py4cast.grid import Grid
from py4cast.projection import inverse

__all__ = ["NetcdfReader", "NetcdfWriter"]

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


def _kind(array: xr.DataArray) -> str:
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


class NetcdfReader(ReaderABC):
    """Creates a reader of the fields of one NetCDF file."""

    suffixes: ClassVar[tuple[str, ...]] = (".nc", ".nc4", ".cdf", ".netcdf")

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        try:
            self._data = xr.open_dataset(path, engine="netcdf4", cache=False, decode_timedelta=True)
        except FileNotFoundError:
            raise DataError(f"{path}: no such file") from None
        except Exception as error:
            raise DataError(f"{path}: damaged, or not a NetCDF file: {str(error).splitlines()[0]}") from None
        self._grids: dict[str, Grid] = {}

    def records(self) -> list[Record]:
        found: list[Record] = []
        for name, array in self._data.data_vars.items():
            spatial = self._spatial_dims(array)
            if spatial is not None and np.issubdtype(array.dtype, np.number):
                found += self._records(str(name), array, spatial)
        if not found:
            raise DataError(f"{self.path}: holds no variable on a latitude-longitude or projected grid")
        return found

    def _coordinate(self, dim: Hashable) -> xr.DataArray | None:
        """The coordinate of a dimension: its own, else a 1-D time or lead time along it."""
        if dim in self._data.coords:
            return self._data.coords[dim]
        along = [c for c in self._data.coords.values() if c.dims == (dim,)]
        return next((c for c in along if _kind(c) in ("time", "init")), along[0] if along else None)

    def _spatial_dims(self, array: xr.DataArray) -> tuple[Hashable, Hashable] | None:
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
        values = [c.values for c in array.coords.values() if c.ndim == 0 and _kind(c) == kind]
        return values[0] if values else None

    def _records(self, name: str, array: xr.DataArray, spatial: tuple[Hashable, Hashable]) -> list[Record]:
        others = [d for d in array.dims if d not in spatial]
        axes = []
        for dim in others:
            coordinate = self._coordinate(dim)
            kind = "other" if coordinate is None else _kind(coordinate)
            values = np.arange(array.sizes[dim]) if coordinate is None else coordinate.values
            axes.append([(kind, dim, i, value) for i, value in enumerate(values)])
        attrs = array.attrs
        keys = {"cf_name": name, "GRIB_shortName": attrs.get("GRIB_shortName")}
        scalars = {kind: self._scalar(array, kind) for kind in ("time", "init", "lead", "member")}
        level_type = self._level_type(array, others)
        records = []
        for combination in itertools.product(*axes):
            at = {**scalars, **{kind: value for kind, _, _, value in combination}}
            init, lead = _times(at)
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

    def _level_type(self, array: xr.DataArray, others: list[Hashable]) -> str | None:
        for dim in others:
            coordinate = self._coordinate(dim)
            if coordinate is not None and _kind(coordinate) == "level":
                is_pressure = str(coordinate.attrs.get("units")) in ("hPa", "millibars", "mbar", "mb")
                return "isobaricInhPa" if is_pressure else _LEVEL_TYPES.get(str(coordinate.name).lower())
        declared = array.attrs.get("GRIB_typeOfLevel")
        return str(declared) if declared else ("isobaricInhPa" if "level_hPa" in array.attrs else None)

    def grid(self, record: Record) -> Grid:
        if record.grid_key not in self._grids:
            array = self._data[record.locator[0]]
            spatial = self._spatial_dims(array)
            assert spatial is not None, "records() lists only fields with a grid"
            self._grids[record.grid_key] = self._read_grid(array, spatial)
        return self._grids[record.grid_key]

    def _read_grid(self, array: xr.DataArray, spatial: tuple[Hashable, Hashable]) -> Grid:
        row, column = spatial
        y, x = array.coords.get(row), array.coords.get(column)
        if y is not None and x is not None and _is_latitude(y) and _is_longitude(x):
            return Grid(y.values, x.values)
        mapping = array.attrs.get("grid_mapping") or array.encoding.get("grid_mapping")
        projection: dict[str, Any] = {}
        if mapping and mapping in self._data:
            attrs = self._data[mapping].attrs
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
        array = self._data[name]
        spatial = self._spatial_dims(array)
        assert spatial is not None, "records() lists only fields with a grid"
        try:
            values = array.isel(dict(index)).transpose(*spatial).values
        except Exception as error:
            raise DataError(f"{self.path}: {name} of {record.valid_time} cannot be read: {error}") from None
        return np.ascontiguousarray(values, dtype=np.float32)

    def close(self) -> None:
        self._data.close()


def _metres(coordinate: xr.DataArray) -> Any:
    return coordinate.values.astype(np.float64) * (1000.0 if coordinate.attrs.get("units") == "km" else 1.0)


def _times(at: dict[str, Any]) -> tuple[np.datetime64 | None, np.timedelta64]:
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


class NetcdfWriter(WriterABC):
    """Creates a writer of CF-NetCDF: dimensions `lead_time` and the grid's, coordinates init, lead and valid time."""

    suffixes: ClassVar[tuple[str, ...]] = (".nc", ".nc4")

    def write(self, path: Path, forecast: Fields) -> None:
        data = to_dataset(forecast)
        encoding: dict[Hashable, Any] = {
            v.name: {"zlib": True, "complevel": 1, "_FillValue": np.float32(9.96921e36)} for v in forecast.variables
        }
        for name in ("init_time", "valid_time"):
            encoding[name] = {
                "units": "seconds since 1970-01-01",
                "dtype": "int64",
                "calendar": "proleptic_gregorian",
            }
        with atomic_path(path, suffix=".nc") as temporary:
            try:
                data.to_netcdf(temporary, engine="netcdf4", encoding=encoding)
            except RuntimeError as error:
                raise _as_disk_error(error, path) from error


def _as_disk_error(error: RuntimeError, path: Path) -> Exception:
    """HDF5 hides a full disk in a RuntimeError; the errno is told apart by what is free."""
    import errno
    import shutil

    if "HDF error" in str(error) or shutil.disk_usage(path.parent).free < 1e6:
        return OSError(errno.ENOSPC, "no space left on device, or a file-size limit")
    return error


def grid_coordinates(grid: Grid) -> tuple[tuple[str, str], dict[str, Any], dict[str, Any] | None]:
    """The names of the grid's dimensions, its CF coordinates, and its grid mapping's attributes."""
    north = {"standard_name": "latitude", "units": "degrees_north", "long_name": "latitude"}
    east = {"standard_name": "longitude", "units": "degrees_east", "long_name": "longitude"}
    if not grid.is_projected:
        coords: dict[str, Any] = {
            "latitude": ("latitude", grid.latitude, {**north, "axis": "Y"}),
            "longitude": ("longitude", grid.longitude, {**east, "axis": "X"}),
        }
        return ("latitude", "longitude"), coords, None
    coords = {"latitude": (("y", "x"), grid.latitude, north), "longitude": (("y", "x"), grid.longitude, east)}
    for name, values in (("x", grid.x), ("y", grid.y)):
        if values is not None:
            attrs = {"standard_name": f"projection_{name}_coordinate", "units": "m", "axis": name.upper()}
            coords[name] = (name, values, attrs)
    return ("y", "x"), coords, dict(grid.projection)


def to_dataset(forecast: Fields) -> xr.Dataset:
    """The forecast as an `xarray.Dataset` under the CF conventions."""
    dims, coords, mapping = grid_coordinates(forecast.grid)
    seconds = np.array([t / np.timedelta64(1, "s") for t in forecast.lead_times])
    init = forecast.init_time.astype("datetime64[ns]")
    coords["lead_time"] = (
        "lead_time",
        seconds / 3600.0,
        {"standard_name": "forecast_period", "units": "hours"},
    )
    coords["init_time"] = (
        (),
        init,
        {"standard_name": "forecast_reference_time", "long_name": "start of the forecast"},
    )
    valid = init + (seconds * 1e9).astype("timedelta64[ns]")
    coords["valid_time"] = ("lead_time", valid, {"standard_name": "time", "long_name": "time of validity"})
    data: dict[str, Any] = {}
    for index, variable in enumerate(forecast.variables):
        attrs: dict[str, Any] = {"units": variable.units, "long_name": variable.name}
        if variable.standard_name:
            attrs["standard_name"] = variable.standard_name
        if variable.level is not None:
            attrs |= {"GRIB_level": variable.level, "GRIB_typeOfLevel": variable.type_of_level or ""}
        if mapping:
            attrs["grid_mapping"] = "projection"
        data[variable.name] = (("lead_time", *dims), forecast.values[..., index], attrs)
    if mapping:
        data["projection"] = ((), np.int32(0), mapping)
    return xr.Dataset(data, coords, {"Conventions": "CF-1.11", **forecast.attributes})

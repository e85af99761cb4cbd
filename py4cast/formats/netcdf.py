"""NetCDF, read through xarray and written under the CF conventions."""

from collections.abc import Hashable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import xarray as xr

from py4cast.atomic import atomic_path
from py4cast.errors import DataError
from py4cast.formats.base import Fields, WriterABC
from py4cast.formats.cf import CfReader
from py4cast.grid import Grid

__all__ = ["NetcdfReader", "NetcdfWriter", "grid_coordinates", "read_arrays", "write_arrays"]


class NetcdfReader(CfReader):
    """Creates a reader of the fields of one NetCDF file."""

    suffixes: ClassVar[tuple[str, ...]] = (".nc", ".nc4", ".cdf", ".netcdf")
    what = "NetCDF file"

    def open(self, path: Path) -> xr.Dataset:
        return xr.open_dataset(path, engine="netcdf4", cache=False, decode_timedelta=True)


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


def write_arrays(
    path: Path,
    arrays: Mapping[str, tuple[Sequence[str], Any, Mapping[str, Any]]],
    coords: Mapping[str, tuple[Sequence[str], Any, Mapping[str, Any]]],
    attributes: Mapping[str, Any],
) -> None:
    """Writes named arrays `(dims, values, attributes)` to one CF-NetCDF file, whole or not at all."""
    data = xr.Dataset(dict(arrays), dict(coords), {"Conventions": "CF-1.11", **attributes})
    encoding: dict[Hashable, Any] = {}
    for name, array in data.variables.items():
        if np.issubdtype(array.dtype, np.datetime64):
            encoding[name] = {"units": "seconds since 1970-01-01", "dtype": "int64", "calendar": "proleptic_gregorian"}
        elif np.issubdtype(array.dtype, np.number) and array.ndim > 1:
            encoding[name] = {"zlib": True, "complevel": 1}
    with atomic_path(path, suffix=".nc") as temporary:
        try:
            data.to_netcdf(temporary, engine="netcdf4", encoding=encoding)
        except RuntimeError as error:
            raise _as_disk_error(error, path) from error


def read_arrays(path: Path) -> tuple[dict[str, tuple[tuple[str, ...], Any, dict[str, Any]]], dict[str, Any]]:
    """All arrays of a NetCDF file, coordinates too, `(dims, values, attributes)` by name, and the file's attributes.

    Raises:
        DataError: the file is missing, damaged or no NetCDF.
    """
    try:
        with xr.open_dataset(path, engine="netcdf4", decode_timedelta=False) as data:
            found = {str(n): (tuple(map(str, a.dims)), a.to_numpy(), dict(a.attrs)) for n, a in data.variables.items()}
            return found, dict(data.attrs)
    except FileNotFoundError:
        raise DataError(f"{path}: no such file") from None
    except (OSError, ValueError, RuntimeError) as error:
        raise DataError(f"{path}: damaged, or no NetCDF: {str(error).splitlines()[0]}") from None

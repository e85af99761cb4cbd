"""NetCDF, read through xarray and written under the CF conventions."""

from collections.abc import Hashable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import xarray as xr

from py4cast.atomic import atomic_path
from py4cast.errors import DataError, first_line
from py4cast.formats.cf import CfReader

__all__ = ["NetcdfReader", "as_disk_error", "read_arrays", "write_arrays"]


class NetcdfReader(CfReader):
    """Creates a reader of the fields of one NetCDF file."""

    suffixes: ClassVar[tuple[str, ...]] = (".nc", ".nc4", ".cdf", ".netcdf")
    beginnings: ClassVar[tuple[bytes, ...]] = (b"CDF\x01", b"CDF\x02", b"CDF\x05", b"\x89HDF")
    what = "NetCDF file"

    def open(self, path: Path) -> xr.Dataset:
        return xr.open_dataset(path, engine="netcdf4", cache=False, decode_times=False, decode_timedelta=False)


def as_disk_error(error: RuntimeError, path: Path) -> Exception:
    """HDF5 hides a full disk in a RuntimeError; the errno is told apart by what is free."""
    import errno
    import shutil

    if "HDF error" in str(error) or shutil.disk_usage(path.parent).free < 1e6:
        return OSError(errno.ENOSPC, "no space left on device, or a file-size limit")
    return error


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
            raise as_disk_error(error, path) from error


def read_arrays(path: Path) -> tuple[dict[str, tuple[tuple[str, ...], Any, dict[str, Any]]], dict[str, Any]]:
    """All arrays of a NetCDF file, coordinates too, `(dims, values, attributes)` by name, and the file's attributes.

    Raises:
        DataError: the file is missing, damaged or no NetCDF.
    """
    try:
        with xr.open_dataset(path, engine="netcdf4", decode_timedelta=False) as data:
            arrays = {str(n): (tuple(map(str, a.dims)), a.to_numpy(), dict(a.attrs)) for n, a in data.variables.items()}
            return arrays, dict(data.attrs)
    except FileNotFoundError:
        raise DataError(f"{path}: no such file") from None
    except (OSError, ValueError, RuntimeError) as error:
        raise DataError(f"{path}: damaged, or no NetCDF: {first_line(error)}") from None

"""Zarr, format 2 or 3, under the CF conventions, read through xarray."""

from pathlib import Path
from typing import ClassVar

import xarray as xr

from py4cast.formats.cf import CfReader

__all__ = ["ZarrReader", "is_zarr"]


def is_zarr(path: Path) -> bool:
    """Whether a folder is a Zarr store."""
    return path.is_dir() and any((path / name).is_file() for name in ("zarr.json", ".zgroup", ".zmetadata"))


class ZarrReader(CfReader):
    """Creates a reader of the fields of one Zarr store."""

    suffixes: ClassVar[tuple[str, ...]] = (".zarr",)
    what = "Zarr store"

    def open(self, path: Path) -> xr.Dataset:
        return xr.open_dataset(path, engine="zarr", chunks=None, cache=False, decode_timedelta=True)

"""Zarr, format 2 or 3, under the CF conventions, read through xarray; references and repositories are Zarr too."""

import json
from pathlib import Path
from typing import ClassVar

import xarray as xr

from py4cast.errors import DataError
from py4cast.formats.cf import CfReader
from py4cast.formats.icechunk import HEAD, open_icechunk
from py4cast.formats.zarr_address import is_zarr, metadata_of
from py4cast.formats.zarr_references import is_references, open_references
from py4cast.remote import is_remote, url_of

__all__ = ["ZarrReader", "is_zarr", "open_zarr"]


def open_zarr(path: Path) -> xr.Dataset:
    """The dataset of a Zarr store, its times as the numbers that stand there; of an address it is read in place."""
    if is_references(path):
        return open_references(path)
    metadata = metadata_of(path)
    if HEAD in metadata:
        return open_icechunk(path)
    if is_remote(path):
        if not metadata:
            raise FileNotFoundError(path)
        data = xr.open_dataset(
            url_of(path).rstrip("/"), engine="zarr", chunks=None, cache=False, decode_times=False, decode_timedelta=False
        )  # fmt: skip
        if not data.variables:
            raise DataError("its arrays cannot be listed there; gather its metadata by zarr.consolidate_metadata")
        return data
    # metadata of all arrays in one file, where the store has it
    gathered = ".zmetadata" in metadata or "consolidated_metadata" in json.loads(metadata.get("zarr.json", "{}"))
    return xr.open_dataset(
        path, engine="zarr", chunks=None, cache=False, decode_times=False, decode_timedelta=False, consolidated=gathered
    )


class ZarrReader(CfReader):
    """Creates a reader of the fields of one Zarr store."""

    suffixes: ClassVar[tuple[str, ...]] = (".zarr",)

    @classmethod
    def fits(cls, path: Path, first_bytes: bytes) -> bool:
        return is_zarr(path) or is_remote(path)

    what = "Zarr store"

    def open(self, path: Path) -> xr.Dataset:
        return open_zarr(path)

"""Addresses of Zarr stores, told apart from those of files."""

from py4cast.formats.icechunk import HEAD
from py4cast.remote import exists, url_of

__all__ = ["is_remote_zarr"]


def is_remote_zarr(path: object) -> bool:
    """Whether an address is that of a Zarr store."""
    url = url_of(path).rstrip("/")
    return url.endswith(".zarr") or any(
        exists(f"{url}/{name}") for name in ("zarr.json", ".zmetadata", ".zgroup", HEAD)
    )

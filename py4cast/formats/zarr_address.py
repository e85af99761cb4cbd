"""What is a Zarr store: folders, files of references and addresses, told apart from others without opening one."""

from pathlib import Path

from py4cast.formats.icechunk import HEAD, is_icechunk
from py4cast.formats.zarr_references import is_references
from py4cast.remote import exists, url_of

__all__ = ["is_remote_zarr", "is_zarr"]


def is_zarr(path: Path) -> bool:
    """Whether a folder is a Zarr store or an Icechunk repository, or a file or folder holds references to one."""
    if path.is_dir() and any((path / name).is_file() for name in ("zarr.json", ".zgroup", ".zmetadata")):
        return True
    return is_icechunk(path) or is_references(path)


def is_remote_zarr(path: object) -> bool:
    """Whether an address is that of a Zarr store."""
    url = url_of(path).rstrip("/")
    return url.endswith(".zarr") or any(
        exists(f"{url}/{name}") for name in ("zarr.json", ".zmetadata", ".zgroup", HEAD)
    )

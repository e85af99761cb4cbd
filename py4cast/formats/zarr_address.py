"""What is a Zarr store: folders, files of references and addresses, told apart from others without opening one."""

from collections.abc import Sequence
from pathlib import Path

from py4cast.formats.icechunk import HEAD, is_icechunk
from py4cast.formats.zarr_references import is_references
from py4cast.remote import exists, is_remote, names_at, texts_at, url_of

__all__ = ["is_remote_zarr", "is_zarr", "metadata_of"]

_METADATA = (".zmetadata", "zarr.json", ".zattrs", ".zgroup", HEAD)


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


def metadata_of(path: Path) -> dict[str, str]:
    """The texts that describe a store in a folder or at an address, by their names; of its arrays where they stand alone.

    Raises:
        DataError: an address that is refused or cannot be reached.
    """
    texts = _texts(path, _METADATA)
    if not texts or ".zmetadata" in texts or HEAD in texts or "consolidated_metadata" in texts.get("zarr.json", ""):
        return texts
    children = names_at(url_of(path)) if is_remote(path) else sorted(p.name for p in path.iterdir() if p.is_dir())
    return texts | _texts(path, [f"{child}/{name}" for child in children for name in (".zarray", "zarr.json")])


def _texts(path: Path, names: Sequence[str]) -> dict[str, str]:
    if is_remote(path):
        return texts_at(url_of(path), names)
    return {name: (path / name).read_text() for name in names if (path / name).is_file()}

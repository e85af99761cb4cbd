"""What tells one version of a file from another: its checksum; of a store what describes it, since it may be large."""

import hashlib
from pathlib import Path
from typing import Any

from py4cast.atomic import sha256_of
from py4cast.formats.zarr_address import metadata_of
from py4cast.remote import is_remote, url_of

__all__ = ["fingerprint_of"]


def fingerprint_of(path: Path) -> dict[str, Any]:
    """Name, size and checksum of a file, or what stands for them of a store."""
    if is_remote(path):
        text = repr(sorted(metadata_of(path).items()))
        return {"file": url_of(path), "bytes": 0, "sha256": hashlib.sha256(text.encode()).hexdigest()}
    if path.is_dir():
        return _of_folder(path)
    return {"file": path.name, "bytes": path.stat().st_size, "sha256": sha256_of(path)}


def _of_folder(path: Path) -> dict[str, Any]:
    """Of a Zarr store: names, sizes and times of its files, since it may be larger than what is read of it."""
    entries = [(str(p.relative_to(path)), p.stat()) for p in sorted(path.rglob("*")) if p.is_file()]
    text = repr([(name, stat.st_size, stat.st_mtime_ns) for name, stat in entries])
    size = sum(stat.st_size for _, stat in entries)
    return {"file": path.name, "bytes": size, "sha256": hashlib.sha256(text.encode()).hexdigest()}

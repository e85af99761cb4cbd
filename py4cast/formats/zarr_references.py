"""References of kerchunk and VirtualiZarr: a Zarr store whose chunks are parts of other files, named in JSON or Parquet.

What they name must be a remote address, or lie in the folder of the references or below it: a file from elsewhere shall not
say which files of this machine are read. Reference: fsspec, "reference file system", specification 0 and 1.
"""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from py4cast.errors import DataError

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["is_references", "open_references"]

_REMOTE = ("http://", "https://", "s3://", "gs://", "gcs://", "az://", "abfs://")
_HEAD = 4096


def is_references(path: Path) -> bool:
    """Whether a JSON file, or a folder of Parquet, holds references; cheap."""
    if path.is_dir():
        metadata = path / ".zmetadata"
        return metadata.is_file() and '"record_size"' in metadata.read_text(errors="replace")
    if path.suffix.lower() != ".json" or not path.is_file():
        return False
    with path.open("rb") as stream:
        head = stream.read(_HEAD).lstrip()
    return head.startswith(b"{") and any(
        key in head for key in (b'"refs"', b'".zgroup"', b'".zmetadata"', b'"zarr.json"')
    )


def open_references(path: Path) -> "xr.Dataset":
    """The dataset that references make, its times as the numbers that stand there; its chunks are read where they lie.

    Raises:
        DataError: no references, or such that name a local file outside of their folder.
    """
    try:
        import fsspec  # noqa: F401
    except ImportError:
        raise DataError("references need fsspec: pip install 'py4cast[remote]'") from None
    references = {name: _placed(name, target, path.parent.absolute()) for name, target in _listed(path).items()}
    # whoever asks what a file is does not wait for it
    import xarray as xr

    return xr.open_dataset(
        "reference://", engine="zarr", chunks=None, cache=False, decode_times=False, decode_timedelta=False,
        backend_kwargs={"consolidated": False, "storage_options": {"fo": references, "remote_protocol": "file"}},
    )  # fmt: skip


def _listed(path: Path) -> dict[str, Any]:
    """Every reference by its key, templates filled in."""
    from fsspec.implementations.reference import LazyReferenceMapper, ReferenceFileSystem

    if path.is_dir():
        import fsspec

        mapper = LazyReferenceMapper(str(path), fs=fsspec.filesystem("file"), engine="pyarrow")
        return {name: mapper[name] for name in mapper}
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, UnicodeDecodeError) as error:
        raise DataError(f"no JSON: {error}") from None
    if not isinstance(document, dict):
        raise DataError("expected an object of references")
    # what `gen` and `templates` of version 1 say is worked out there
    return dict(ReferenceFileSystem(fo=document, remote_protocol="file", skip_instance_cache=True).references)


def _placed(name: str, target: Any, folder: Path) -> Any:
    """A reference with a whole path; contents that stand in the references themselves as they are."""
    if not isinstance(target, list | tuple) or not target or target[0] is None:
        return target
    place = str(target[0])
    if place.startswith(_REMOTE):
        return list(target)
    if "://" in place and not place.startswith("file://"):
        raise DataError(f"{name} refers to {place}: expected {', '.join(_REMOTE)} or a file")
    # a path of several parts, which check_name is not for; where it leads is what counts
    local = Path(folder, place.removeprefix("file://")).resolve()
    if not local.is_relative_to(folder.resolve()):
        raise DataError(
            f"{name} refers to {local}, outside of the folder of the references: move these to a folder above both"
        )
    return [str(local), *target[1:]]

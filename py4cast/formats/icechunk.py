"""Icechunk repositories: Zarr with a history; read is what stands on the branch `main`."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from py4cast.errors import DataError
from py4cast.remote import is_remote, url_of

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["HEAD", "is_icechunk", "open_icechunk"]

HEAD = "refs/branch.main/ref.json"  # names the snapshot on which the branch stands


def is_icechunk(path: Path) -> bool:
    """Whether a folder is an Icechunk repository."""
    return (path / HEAD).is_file() and (path / "snapshots").is_dir()


def open_icechunk(path: Path) -> "xr.Dataset":
    """The dataset on the branch `main`, its times as the numbers that stand there.

    Raises:
        DataError: Icechunk is not installed, or the address is of no object store.
    """
    try:
        import icechunk  # type: ignore[import-not-found,unused-ignore]
    except ImportError:
        raise DataError("an Icechunk repository; reading it needs icechunk: pip install 'py4cast[icechunk]'") from None
    repository = icechunk.Repository.open(_storage(icechunk, path))
    store: Any = repository.readonly_session("main").store
    # whoever asks for addresses alone does not wait for it
    import xarray as xr

    return xr.open_dataset(
        store, engine="zarr", chunks=None, cache=False, consolidated=False,
        decode_times=False, decode_timedelta=False,
    )  # fmt: skip


def _storage(icechunk: Any, path: Path) -> Any:
    if not is_remote(path):
        return icechunk.local_filesystem_storage(str(path))
    scheme, _, rest = url_of(path).rstrip("/").partition("://")
    bucket, _, prefix = rest.partition("/")
    kinds = {"s3": icechunk.s3_storage, "gs": icechunk.gcs_storage, "gcs": icechunk.gcs_storage}
    if scheme not in kinds:
        raise DataError(f"an Icechunk repository at {scheme}://: expected a folder, s3:// or gs://")
    server = {} if scheme != "s3" else _server()
    return kinds[scheme](bucket=bucket, prefix=prefix, from_env=True, **server)


def _server() -> dict[str, Any]:
    """The S3 server that the environment names, as other tools read it there; nothing where it names none."""
    address = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")
    if not address:
        return {}
    region = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION") or "us-east-1"
    return {
        "endpoint_url": address,
        "allow_http": address.startswith("http://"),
        "force_path_style": True,
        "region": region,
    }

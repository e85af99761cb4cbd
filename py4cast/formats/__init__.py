"""File formats, one file each; a format is chosen by the ending of a name, or by a file's first bytes."""

from pathlib import Path

import py4cast.formats.proj_library  # noqa: F401  before any of them loads ecCodes
from py4cast.errors import DataError, SettingsError, nearest
from py4cast.formats.base import ArrayDescription, Fields, Heading, Put, PutStep, ReaderABC, Record, WriterABC
from py4cast.formats.cf_time import TimeDescription
from py4cast.formats.zarr_address import is_remote_zarr
from py4cast.formats.zarr_references import is_references
from py4cast.formats.zip import unpacked, zip_members
from py4cast.registry import Registry
from py4cast.remote import as_local, is_remote

__all__ = [
    "BEGINNINGS",
    "ENDINGS",
    "ArrayDescription",
    "Fields",
    "Heading",
    "Put",
    "PutStep",
    "ReaderABC",
    "Record",
    "TimeDescription",
    "WriterABC",
    "open_reader",
    "readers",
    "writer_for",
    "writers",
]

readers: Registry[ReaderABC] = Registry(
    "reader",
    "py4cast.formats.base:ReaderABC",
    {
        "grib": "py4cast.formats.grib:GribReader",
        "netcdf": "py4cast.formats.netcdf:NetcdfReader",
        "zarr": "py4cast.formats.zarr:ZarrReader",
        "numpy": "py4cast.formats.numpy:NumpyReader",
        "bare_netcdf": "py4cast.formats.bare_netcdf:BareNetcdfReader",
        "stations": "py4cast.formats.station_series:StationSeries",
    },
    mark="ReaderABC",
)
writers: Registry[WriterABC] = Registry(
    "writer",
    "py4cast.formats.base:WriterABC",
    {
        "grib": "py4cast.formats.grib_writer:GribWriter",
        "netcdf": "py4cast.formats.netcdf_writer:NetcdfWriter",
        "zarr": "py4cast.formats.zarr_writer:ZarrWriter",
        "table": "py4cast.formats.table_writer:TableWriter",
    },
    mark="WriterABC",
)
# of this package's own writers, so that only the one that is wanted is imported
ENDINGS = {
    **dict.fromkeys((".grib", ".grib2", ".grb2", ".grb"), "grib"),
    **dict.fromkeys((".nc", ".nc4"), "netcdf"),
    ".zarr": "zarr",
    ".csv": "table",
}

# the same of readers: how their files begin
BEGINNINGS = {
    b"GRIB": "grib",
    b"CDF\x01": "netcdf",
    b"CDF\x02": "netcdf",
    b"CDF\x05": "netcdf",
    b"\x89HDF": "netcdf",
    b"\x93NUM": "numpy",
    b"PK\x03\x04": "numpy",  # .npz
    b"PAR1": "stations",  # .parquet
}
# archives and compressed files: what they are, and what unpacks them
_PACKED = {
    b"\x1f\x8b": ("a gzip-compressed file", "gunzip"),
    b"BZh": ("a bzip2-compressed file", "bunzip2"),
    b"\xfd7zXZ": ("an xz-compressed file", "unxz"),
    b"\x28\xb5\x2f\xfd": ("a zstd-compressed file", "unzstd"),
    b"\x1f\x9d": ("a compressed file (.Z)", "uncompress"),
    b"7z\xbc\xaf": ("a 7z archive", "7z x"),
    b"Rar!": ("a RAR archive", "unrar x"),
    b"\x0e\x03\x13\x01": ("an HDF4 file", "h4toh5"),
}
_EXPECTED = "GRIB, NetCDF, Zarr or NumPy"


def open_reader(
    path: str | Path, arrays: ArrayDescription | None = None, time: TimeDescription | None = None
) -> ReaderABC:
    """The reader of a file or folder: that of a plugin that says it fits, else by the first bytes.

    Args:
        path: the file; of a folder a Zarr store is expected.
        arrays: what NumPy files hold, which they do not say themselves.
        time: what the times of NetCDF and Zarr mean, where they say it wrongly or not at all.

    Raises:
        DataError: the file is missing, empty, or of no known format.
        SettingsError: several plugins say that they read it.
    """
    if is_remote(path) and is_remote_zarr(path):
        return readers.builtin("zarr")(Path(path), time)  # type: ignore[call-arg]
    file = as_local(path)
    first_bytes = b"" if file.is_dir() else _first_bytes(file)
    fitting = [name for name in _plugins() if readers.get(name).fits(file, first_bytes)]
    if len(fitting) > 1:
        raise SettingsError(f"{file}: the readers {' and '.join(fitting)} both say that they read it; remove one")
    if fitting:
        return readers.get(fitting[0])(file)
    if first_bytes.startswith(b"PK\x03\x04") and file.suffix.lower() != ".npz":
        names = zip_members(file)
        if not all(name.endswith(".npy") for name in names):
            file = unpacked(file, names)
            first_bytes = _first_bytes(file)
    kind = "zarr" if file.is_dir() else _kind(file, first_bytes)
    if kind == "netcdf" and arrays is not None and arrays.names:
        kind = "bare_netcdf"
    if kind in ("netcdf", "zarr"):
        return readers.builtin(kind)(file, time)  # type: ignore[call-arg]
    if kind not in ("numpy", "bare_netcdf"):
        return readers.builtin(kind)(file)
    if arrays is None:
        raise DataError(f"{file}: a NumPy file does not say what it holds; describe it by the setting arrays")
    return readers.builtin(kind)(file, arrays)  # type: ignore[call-arg]


def _plugins() -> list[str]:
    """Readers that others have brought and that can be used."""
    return [e.name for e in readers.entries() if e.origin != "py4cast" and e.state == "ready"]


def _first_bytes(file: Path) -> bytes:
    try:
        with file.open("rb") as stream:
            first_bytes = stream.read(64)
    except FileNotFoundError:
        raise DataError(f"{file}: no such file") from None
    except OSError as error:
        raise DataError(f"{file}: cannot be read: {error.strerror}") from None
    if not first_bytes:
        raise DataError(f"{file}: empty file, expected {_EXPECTED}")
    return first_bytes


def _kind(file: Path, first_bytes: bytes) -> str:
    """Which of this package's own readers it is for."""
    kind = BEGINNINGS.get(first_bytes[:4]) or ("grib" if b"GRIB" in first_bytes else None)
    if kind is None and is_references(file):
        return "zarr"
    if kind is None and file.suffix.lower() == ".csv":
        return "stations"
    if kind is None:
        for beginning, (what, how) in _PACKED.items():
            if first_bytes.startswith(beginning):
                raise DataError(f"{file}: {what}, no file of fields; unpack it first ({how})")
        is_page = b"<html" in first_bytes.lower() or b"<!doctype" in first_bytes.lower()
        looks = "HTML" if is_page else f"bytes {first_bytes[:4]!r}"
        raise DataError(f"{file}: expected {_EXPECTED}, found {looks}")
    return kind


def writer_for(path: str | Path) -> WriterABC:
    """The writer for the ending of `path`; SettingsError when none has it."""
    suffix = Path(path).suffix.lower()
    if suffix in ENDINGS:
        return writers.builtin(ENDINGS[suffix])()
    for name in writers.names():
        if suffix in writers.get(name).suffixes:
            return writers.get(name)()
    endings = [ending for name in writers.names() for ending in writers.get(name).suffixes]
    raise SettingsError(f"output {str(path)!r}: unknown ending {suffix!r}{nearest(suffix, endings)}")

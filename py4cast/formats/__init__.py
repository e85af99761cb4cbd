"""File formats, one file each; a format is chosen by the ending of a name, or by a file's first bytes."""

from pathlib import Path

from py4cast.errors import DataError, SettingsError, nearest
from py4cast.formats.base import ArrayDescription, Fields, Heading, Put, PutStep, ReaderABC, Record, WriterABC
from py4cast.registry import Registry

__all__ = [
    "ENDINGS",
    "ArrayDescription",
    "Fields",
    "Heading",
    "Put",
    "PutStep",
    "ReaderABC",
    "Record",
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

_EXPECTED = "GRIB, NetCDF, Zarr or NumPy"
_MAGIC = {
    b"GRIB": "grib",
    b"CDF\x01": "netcdf",
    b"CDF\x02": "netcdf",
    b"CDF\x05": "netcdf",
    b"\x89HDF": "netcdf",
    b"\x93NUM": "numpy",
    b"PK\x03\x04": "numpy",
}


def open_reader(path: str | Path, arrays: ArrayDescription | None = None) -> ReaderABC:
    """The reader of a file, chosen by its first bytes; of a folder, when it is a Zarr store.

    Args:
        path: the file.
        arrays: what NumPy files hold, which they do not say themselves.

    Raises:
        DataError: the file is missing, empty, or of no known format.
    """
    file = Path(path)
    kind = "zarr" if file.is_dir() else _kind(file)
    if kind == "netcdf" and arrays is not None and arrays.names:
        kind = "bare_netcdf"
    if kind not in ("numpy", "bare_netcdf"):
        return readers.builtin(kind)(file)
    if arrays is None:
        raise DataError(f"{file}: a NumPy file does not say what it holds; describe it by the setting arrays")
    return readers.builtin(kind)(file, arrays)  # type: ignore[call-arg]


def _kind(file: Path) -> str:
    try:
        with file.open("rb") as stream:
            start = stream.read(64)
    except FileNotFoundError:
        raise DataError(f"{file}: no such file") from None
    except OSError as error:
        raise DataError(f"{file}: cannot be read: {error.strerror}") from None
    if not start:
        raise DataError(f"{file}: empty file, expected {_EXPECTED}")
    kind = _MAGIC.get(start[:4]) or ("grib" if b"GRIB" in start else None)
    if kind is None:
        looks = "HTML" if b"<html" in start.lower() or b"<!doctype" in start.lower() else f"bytes {start[:4]!r}"
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

"""Keys of GRIB messages as ecCodes gives them, and its log, which is silent here."""

import contextlib
import ctypes
import functools
import os
from pathlib import Path
from typing import Any

import eccodes

__all__ = ["get_key", "is_grib_key", "origin_of"]


def _silence() -> None:
    """Sends ecCodes' own log to nowhere: what goes wrong comes as an exception, which is told in a line with its file."""
    from gribapi.bindings import ffi, lib  # type: ignore[import-untyped]

    libc = ctypes.CDLL(None)
    libc.fopen.restype = ctypes.c_void_p
    nowhere = libc.fopen(os.devnull.encode(), b"w")
    lib.grib_context_set_logging_file(lib.grib_context_get_default(), ffi.cast("FILE*", nowhere))


# an ecCodes of another making may lack the call; then it says more than is needed
with contextlib.suppress(AttributeError, OSError, TypeError, ImportError):
    _silence()


def get_key(handle: int, key: str, kind: type | None = None) -> Any:
    """A key of a message, None where it has none."""
    try:
        return eccodes.codes_get(handle, key, kind)
    except eccodes.CodesInternalError:
        return None


def origin_of(path: Path) -> dict[str, Any]:
    """Who made the first message of a GRIB file, as keys that a message of ours takes over."""
    with path.open("rb") as stream:
        handle = eccodes.codes_grib_new_from_file(stream, headers_only=True)
    if handle is None:
        return {}
    try:
        keys = {k: get_key(handle, k, int) for k in ("centre", "subCentre", "localTablesVersion")}
    finally:
        eccodes.codes_release(handle)
    return {k: v for k, v in keys.items() if v is not None}


@functools.cache
def is_grib_key(name: str) -> bool:
    """Whether messages of either edition have a key of this name."""
    for sample in ("GRIB2", "GRIB1", "regular_ll_pl_grib2", "reduced_gg_sfc_grib1"):
        handle = eccodes.codes_grib_new_from_samples(sample)
        try:
            if eccodes.codes_is_defined(handle, name):
                return True
        except eccodes.CodesInternalError:
            continue
        finally:
            eccodes.codes_release(handle)
    # keys of other product templates, such as those of ensembles, which a sample of one analysis lacks
    return name in (
        "number",
        "perturbationNumber",
        "numberOfForecastsInEnsemble",
        "stepRange",
        "startStep",
        "endStep",
        "expver",
    )

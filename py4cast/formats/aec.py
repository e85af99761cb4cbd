"""Adaptive entropy coding (CCSDS 121.0-B-3, 2020), by the library libaec that comes with ecCodes."""

import ctypes
import sys
from ctypes.util import find_library
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["Coding", "decode"]

# of its flags: samples of three octets, and the largest octet first
_THREE, _LARGEST_FIRST = 2, 4
_OK = 0


class Coding(NamedTuple):
    """How the samples of a stream are coded.

    Args:
        bits: of a sample.
        flags: of libaec.
        block_size: samples in a block.
        interval: blocks between two reference samples.
    """

    bits: int
    flags: int
    block_size: int
    interval: int


class _Stream(ctypes.Structure):
    _fields_ = [
        ("next_in", ctypes.c_void_p),
        ("avail_in", ctypes.c_size_t),
        ("total_in", ctypes.c_size_t),
        ("next_out", ctypes.c_void_p),
        ("avail_out", ctypes.c_size_t),
        ("total_out", ctypes.c_size_t),
        ("bits_per_sample", ctypes.c_uint),
        ("block_size", ctypes.c_uint),
        ("rsi", ctypes.c_uint),
        ("flags", ctypes.c_uint),
        ("state", ctypes.c_void_p),
    ]


@cache
def _library() -> Any:
    """libaec, as ecCodes has loaded it or as the system has it; None where there is none."""
    spec = find_spec("eccodeslib")
    folders = [Path(place) for place in (spec.submodule_search_locations or ())] if spec else []
    beside = sorted(path for folder in folders for path in folder.glob("lib*/libaec.*") if path.suffix != ".la")
    for name in (*map(str, beside), find_library("aec")):
        try:
            library = ctypes.CDLL(name) if name else None
        except OSError:
            continue
        if hasattr(library, "aec_buffer_decode"):
            return library
    return None


def decode(octets: memoryview, coding: Coding, number: int) -> NDArray[np.generic] | None:
    """So many samples as whole numbers; None where they cannot be had, for want of the library or of sound data.

    Args:
        octets: in which they lie.
        coding: of the samples.
        number: how many there are; their memory is taken before anything is decoded.
    """
    library = _library()
    if library is None or not 1 <= coding.bits <= 32:
        return None
    width = 1 if coding.bits <= 8 else 2 if coding.bits <= 16 else 4
    source, samples = np.frombuffer(octets, dtype=np.uint8), np.empty(number, dtype=f"u{width}")
    order = _LARGEST_FIRST if sys.byteorder == "big" else 0
    stream = _Stream(
        next_in=source.ctypes.data, avail_in=source.nbytes, next_out=samples.ctypes.data, avail_out=samples.nbytes,
        bits_per_sample=coding.bits, block_size=coding.block_size, rsi=coding.interval,
        flags=coding.flags & ~_THREE & ~_LARGEST_FIRST | order,
    )  # fmt: skip
    if library.aec_buffer_decode(ctypes.byref(stream)) != _OK or stream.total_out != samples.nbytes:
        return None
    return samples

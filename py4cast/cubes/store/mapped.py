"""BlockMap: the shards of all variables of a block, mapped side by side, so that one strided copy reads a sample.

The files are mapped at even distances in one stretch of addresses, which makes them one array
`(variable, time, lat, lon)` that numpy copies in a single call: the calls, not the bytes, are what a loop over
variables would spend a fifth of its time on. Linux only; elsewhere the loop does.
"""

import ctypes
import mmap
import sys
import weakref
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from py4cast.cubes.base import Planes

__all__ = ["BlockMap", "groups"]

_FIXED, _NORESERVE, _FAILED = 0x10, 0x4000, ctypes.c_void_p(-1).value


def groups(rows: Sequence[int]) -> list[tuple[slice, slice]]:
    """Stretches of rows that follow each other: where they go, and where they come from."""
    stretches: list[tuple[slice, slice]] = []
    for place, row in enumerate(rows):
        if stretches and stretches[-1][1].stop == row:
            stretches[-1] = (slice(stretches[-1][0].start, place + 1), slice(stretches[-1][1].start, row + 1))
        else:
            stretches.append((slice(place, place + 1), slice(row, row + 1)))
    return stretches


def _libc() -> Any:
    libc = ctypes.CDLL(None, use_errno=True)
    libc.mmap.restype = ctypes.c_void_p
    libc.mmap.argtypes = (
        ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long,
    )  # fmt: skip
    libc.munmap.argtypes = (ctypes.c_void_p, ctypes.c_size_t)
    return libc


class BlockMap:
    """Creates the map of some open files, or fails with OSError where the system does not do it.

    Args:
        descriptors: of the files, one per variable.
        sizes: of the files.
        shape: `(n, lat, lon)` of the planes in each.
        stride: distance of two planes in a file.

    Attributes:
        values: `(variable, n, lat, lon)`; never to be given away, since it ends with the map.
    """

    def __init__(
        self, descriptors: Sequence[int], sizes: Sequence[int], shape: tuple[int, int, int], stride: int
    ) -> None:
        if not sys.platform.startswith("linux"):
            raise OSError("no map at fixed addresses here")
        libc = _libc()
        # an odd number of pages apart, so that the variables do not fall on the same lines of the cache
        distance = (max(sizes) // mmap.PAGESIZE + 2) | 1
        distance *= mmap.PAGESIZE
        length = distance * len(descriptors)
        nothing = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | _NORESERVE
        base = libc.mmap(None, length, 0, nothing, -1, 0)
        if base is None or base == _FAILED:
            raise OSError(ctypes.get_errno(), "no addresses for the store")
        self._end = weakref.finalize(self, libc.munmap, base, length)
        for i, (descriptor, size) in enumerate(zip(descriptors, sizes, strict=True)):
            address = libc.mmap(base + i * distance, size, mmap.PROT_READ, mmap.MAP_SHARED | _FIXED, descriptor, 0)
            if address is None or address == _FAILED:
                error = ctypes.get_errno()
                self._end()
                raise OSError(error, "the store cannot be mapped")
        room: Any = (ctypes.c_char * length).from_address(base)
        strides = (distance, stride, 4 * shape[2], 4)
        self.values: NDArray[np.float32] = np.ndarray((len(descriptors), *shape), "<f4", room, 0, strides)

    def copy(self, parts: Sequence[tuple[slice, slice]], first: int, last: int, out: Planes) -> None:
        """Copies the instants `first` to `last` of the variables of `parts` into `out`."""
        values = self.values
        for place, rows in parts:
            np.copyto(out[place], values[rows, first:last])

    def copy_window(
        self, parts: Sequence[tuple[slice, slice]], first: int, last: int, window: tuple[slice, slice], out: Planes
    ) -> None:
        """The same of some rows and columns of the grid."""
        for place, rows in parts:
            np.copyto(out[place], self.values[rows, first:last, window[0], window[1]])

"""Shard: one file of a store, a block of instants of one variable.

A plane is first read with `preadv` and its checksum compared. Where memory holds the whole store, a plane that was
compared once is copied from the mapped file from then on: that is the cheapest read there is. Where it does not,
every read comes from the disk and is compared.
"""

import mmap
import os
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from py4cast.cubes.base import Planes
from py4cast.cubes.store.layout import ABSENT, checksum
from py4cast.cubes.store.packing import Packing
from py4cast.errors import DataError

__all__ = ["Shard"]

_MAX_RUN = 256


class Shard:
    """Opens one file of a store: a block of instants of one variable.

    Args:
        path: its file; one that is not there holds nothing.
        block: instants per shard.
        shape: `(lat, lon)`.
        packing: of the variable.
        is_held: whether memory holds the whole store.
        checksums: what the store remembers of its planes; by default what stands beside them is all that is compared.

    Attributes:
        index: offset and length of every chunk, `(block, 2)`.
        is_plain: whether numbers lie in the file as in memory.
        descriptor: of the open file; −1 for none.
        num_bytes: of the file.
        values: the planes in the mapped file, `(n, lat, lon)`, where all of them follow each other; else None.
    """

    def __init__(
        self,
        path: Path,
        block: int,
        shape: tuple[int, int],
        packing: Packing,
        is_held: bool,
        checksums: NDArray[np.uint32] | None = None,
    ) -> None:
        self._checksums = checksums
        self.path, self._shape, self._packing = path, shape, packing
        self.is_plain = packing.kind == "float32"
        self._size = packing.dtype.itemsize * shape[0] * shape[1]
        self.descriptor = -1
        self.index = np.full((block, 2), ABSENT, dtype=np.uint64)
        self.values: NDArray[np.generic] | None = None
        self._seen = np.zeros(block, dtype=bool)
        self._is_seen = False
        self.num_bytes = 0
        if not path.exists():
            return
        self.descriptor = os.open(path, os.O_RDONLY)
        length = 16 * block + 4
        total = self.num_bytes = os.fstat(self.descriptor).st_size
        raw = os.pread(self.descriptor, length, max(0, total - length))
        if len(raw) != length or checksum(raw[:-4]) != raw[-4:]:
            self.close()
            raise DataError(
                f"{path}: damaged shard (its index fails the checksum); remove it and prepare the store again"
            )
        self.index = np.frombuffer(raw[:-4], dtype="<u8").reshape(-1, 2)
        self._map(is_held, total)

    def _map(self, is_held: bool, total: int) -> None:
        """Maps the file where its planes lie at even distances, as they do unless one is missing between others."""
        there = np.flatnonzero(self.index[:, 0] != ABSENT)
        count = there.size
        even = np.arange(count, dtype=np.uint64) * np.uint64(self._size + 4)
        if not is_held or not count or there[-1] != count - 1 or (self.index[:count, 0] != even).any():
            return
        mapped = mmap.mmap(self.descriptor, total, prot=mmap.PROT_READ)
        strides = (self._size + 4, self._packing.dtype.itemsize * self._shape[1], self._packing.dtype.itemsize)
        self.values = np.ndarray((count, *self._shape), self._packing.dtype, mapped, 0, strides)
        self._seen = self._seen[:count]

    @property
    def is_compared(self) -> bool:
        """Whether every plane that can be mapped was compared with its checksum."""
        return self._is_seen

    def copy(self, first: int, last: int, out: Planes) -> bool:
        """Copies planes that were compared before; False when one was not, or is not there."""
        values = self.values
        if values is None or not (self._is_seen or (last <= len(values) and self._seen[first:last].all())):
            return False
        if last > len(values):
            return False
        if self.is_plain:
            np.copyto(out, values[first:last])
        else:
            self._packing.decode(values[first:last], out)
        return True

    def copy_window(self, first: int, last: int, rows: slice, columns: slice, out: Planes) -> bool:
        """The same of some rows and columns."""
        values = self.values
        if values is None or last > len(values) or not (self._is_seen or self._seen[first:last].all()):
            return False
        self._packing.decode(values[first:last, rows, columns], out)
        return True

    def read(self, first: int, last: int, out: Planes) -> int | None:
        """Reads planes from the file and compares their checksums; the position in `out` of a damaged one, or None.

        Neighbours come with as few system calls as their offsets allow; a missing plane becomes NaN.
        """
        done, count, step = 0, last - first, np.uint64(self._size + 4)
        while done < count:
            position = first + done
            if self.index[position, 0] == ABSENT:
                out[done] = np.nan
                done += 1
                continue
            run = 1
            while (
                done + run < count and run < _MAX_RUN
                and self.index[position + run, 0] == self.index[position + run - 1, 0] + step
            ):  # fmt: skip
                run += 1
            damaged = self._read_run(position, out[done : done + run])
            if damaged is not None:
                return done + damaged
            if self.values is not None:
                self._seen[position : position + run] = True
                self._is_seen = bool(self._seen.all())
            done += run
        return None

    def _read_run(self, position: int, out: Planes) -> int | None:
        count, offset = out.shape[0], int(self.index[position, 0])
        is_direct = self.is_plain and out[0].flags.c_contiguous
        raw = out if is_direct else np.empty((count, *self._shape), dtype=self._packing.dtype)
        sums = bytearray(4 * count)
        view = memoryview(sums)
        buffers: list[object] = []
        for i, plane in enumerate(raw):
            buffers += [memoryview(plane).cast("B"), view[4 * i : 4 * i + 4]]
        whole = os.preadv(self.descriptor, buffers, offset) == count * (self._size + 4)  # type: ignore[arg-type]
        for i, plane in enumerate(raw):
            if not whole or checksum(plane) != sums[4 * i : 4 * i + 4]:
                return i
        if self._checksums is not None:
            beside = np.frombuffer(sums, dtype="<u4")
            exchanged = np.flatnonzero(beside != self._checksums[position : position + count])
            if exchanged.size:
                return int(exchanged[0])
        if not is_direct:
            self._packing.decode(raw, out)
        return None

    def close(self) -> None:
        """Closes the file; a mapping goes with its last reader."""
        self.values = None
        if self.descriptor >= 0:
            os.close(self.descriptor)
            self.descriptor = -1

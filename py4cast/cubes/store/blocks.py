"""Writing one block of a store: planes go from the files to the shards one instant at a time.

A block can be written by any process that sees the folder. Its shards go to temporary names and are renamed, then
its moments; what it returns is the line of the journal that says it is whole.
"""

import contextlib
import hashlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from py4cast.atomic import staged_paths, write_bytes
from py4cast.axis import Instant
from py4cast.cubes.store.integrity import crc_of
from py4cast.cubes.store.layout import ABSENT, StoreLayout, checksum, shard_index, write_table
from py4cast.statistics import MOMENTS, moments_of

__all__ = ["BlockJob", "PlaneSource", "counts_path", "timed_block", "write_block"]

Plane = NDArray[np.float32]
# few large writes: the pages that they leave in memory are mapped in few pieces
_BUFFER = 2**20
# moments of nothing: a count of 0 says it and merges as nothing
_NOTHING = np.array([0.0, 0.0, 0.0, np.inf, -np.inf])


class PlaneSource(Protocol):
    """Gives the planes of a store, from files or otherwise."""

    def part(self, instants: Sequence[Instant]) -> Self:
        """What gives these instants, to be sent to another process."""

    def read(self, name: str, instant: Instant) -> Plane | None:
        """The plane of a variable at an instant, `(lat, lon)`; None where it is missing."""

    def close(self) -> None:
        """Closes the files that are open, if any."""


@dataclass(frozen=True, slots=True)
class BlockJob:
    """What is needed to write a block.

    Args:
        folder: the store.
        layout: of the store.
        block: which one.
        planes: reader of its instants and of the one before them.
        instants: of the block, in order.
        before: the instant before the first, None when it begins a run.
    """

    folder: Path
    layout: StoreLayout
    block: int
    planes: PlaneSource
    instants: Sequence[Instant]
    before: Instant | None


class _Shard:
    """Creates the writer of one shard; chunks follow each other, the index comes last."""

    def __init__(self, stream: IO[bytes], block: int) -> None:
        self._stream, self._offset, self._digest = stream, 0, hashlib.sha256()
        self._index = np.full((block, 2), ABSENT, dtype="<u8")
        self.num_bytes = 0
        self.checksums = np.zeros(block, dtype="<u4")

    def add(self, position: int, chunk: Any) -> None:
        """One chunk with its checksum."""
        crc = checksum(chunk)
        self.checksums[position] = int.from_bytes(crc, "little")
        self._digest.update(crc)
        self._write(memoryview(chunk).cast("B"))
        self._write(crc)
        self._index[position] = (self._offset, chunk.nbytes + len(crc))
        self._offset = self.num_bytes

    def finish(self) -> bytes:
        """Writes the index; the SHA-256 of the chunks' checksums and of it."""
        index = shard_index(self._index)
        self._digest.update(index)
        self._write(index)
        return self._digest.digest()

    def _write(self, data: Any) -> None:
        self._stream.write(data)
        self.num_bytes += len(data)


class _Recorder:
    """Creates the moments and counts of a block, filled instant by instant."""

    def __init__(self, layout: StoreLayout, count: int) -> None:
        shape = (count, len(layout.variables), len(MOMENTS))
        self.fields, self.differences = np.tile(_NOTHING, (*shape[:2], 1)), np.tile(_NOTHING, (*shape[:2], 1))
        self.present = np.zeros(shape[:2], dtype=bool)
        masked = [row for row, v in enumerate(layout.variables) if v.nan == "mask"]
        self.counts = {row: np.zeros(layout.grid.shape, dtype=np.int64) for row in masked}

    def add(self, position: int, row: int, plane: Plane, before: Plane | None) -> bool:
        """A plane and the one before it in its run; whether it holds anything."""
        self.fields[position, row] = moments_of(plane)
        self.present[position, row] = self.fields[position, row, 0] > 0
        if before is not None:
            self.differences[position, row] = moments_of(plane - before)
        if row in self.counts:
            self.counts[row] += np.isfinite(plane)
        return bool(self.present[position, row])


def _read(job: BlockJob, instant: Instant) -> list[Plane | None]:
    return [job.planes.read(v.name, instant) for v in job.layout.variables]


def _fill(
    job: BlockJob, shards: Sequence[_Shard], recorder: _Recorder, on_instant: Callable[[], None] | None
) -> dict[str, float]:
    """Reads every instant of the block once and hands it to the shards and to the moments; seconds of each."""
    now, seconds = time.perf_counter, {"decoding": 0.0, "statistics": 0.0, "writing": 0.0}
    layout = job.layout
    begins = layout.axis.is_first[layout.instants(job.block).start :]
    earlier = None if job.before is None else _read(job, job.before)
    for position, instant in enumerate(job.instants):
        begun = now()
        planes = _read(job, instant)
        seconds["decoding"] += now() - begun
        for row, (variable, plane) in enumerate(zip(layout.variables, planes, strict=True)):
            if plane is None:
                continue
            before = None if begins[position] or earlier is None else earlier[row]
            begun = now()
            is_held = recorder.add(position, row, plane, before)
            counted = now()
            if is_held:
                what = f"{variable.name} of {instant[0] + instant[1]}"
                shards[row].add(position, layout.packings[variable.name].encode(plane, what))
            seconds["statistics"] += counted - begun
            seconds["writing"] += now() - counted
        earlier = planes
        if on_instant:
            on_instant()
    return seconds


def write_block(job: BlockJob, on_instant: Callable[[], None] | None = None) -> dict[str, Any]:
    """Writes a block and returns its line of the journal.

    Raises:
        DataError: a field that cannot be read, is NaN where that is forbidden, or out of its physical range.
        SpaceError: the disk is full.
    """
    return timed_block(job, on_instant)[0]


def timed_block(job: BlockJob, on_instant: Callable[[], None] | None = None) -> tuple[dict[str, Any], dict[str, float]]:
    """The same, and the seconds of its parts."""
    layout, names = job.layout, [v.name for v in job.layout.variables]
    recorder = _Recorder(layout, len(job.instants))
    try:
        finals = [layout.shard(job.folder, name, job.block) for name in names]
        # the streams are closed before the files take their places
        with staged_paths(finals) as temporaries, contextlib.ExitStack() as streams:
            shards = [_Shard(streams.enter_context(t.open("xb", buffering=_BUFFER)), layout.block) for t in temporaries]
            seconds = _fill(job, shards, recorder, on_instant)
            begun = time.perf_counter()
            digests = [shard.finish() for shard in shards]
    finally:
        job.planes.close()
    checksums = np.stack([shard.checksums[: len(job.instants)] for shard in shards], axis=1)
    tables = {"moments": recorder.fields, "difference_moments": recorder.differences, "checksums": checksums}
    for name, values in tables.items():
        write_table(job.folder, name, job.block, values, layout.block)
    for row, counts in recorder.counts.items():
        write_bytes(counts_path(job.folder, names[row], job.block), counts.astype("<i4").tobytes())
    seconds["writing"] += time.perf_counter() - begun
    first = layout.instants(job.block).start
    missing = {name: (first + np.flatnonzero(~recorder.present[:, r])).tolist() for r, name in enumerate(names)}
    entry = {
        "block": job.block,
        "count": len(job.instants),
        "sha256": hashlib.sha256(b"".join(digests)).hexdigest(),
        "bytes": [shard.num_bytes for shard in shards],
        "tables": {name: crc_of(values) for name, values in tables.items()},
        "missing": {name: indices for name, indices in missing.items() if indices},
    }
    return entry, seconds


def counts_path(folder: Path, name: str, block: int) -> Path:
    """Where a block says how often each cell of a masked variable holds data."""
    return folder / "counts" / name / f"{block}.i4"

"""The prepared store: Zarr v3 under CF conventions that is also raw memory.

One array per variable `(time, lat, lon)`, or `(init_time, member, lead_time, lat, lon)` for forecasts; an inner
chunk of one instant, sharded over a block of instants, uncompressed, little-endian, crc32c on every chunk. xarray
and zarr open it unchanged. Here a slice of instants goes straight into the caller's buffer: the first time with
`preadv`, and every chunk's checksum is compared; after that from the mapped file, where memory holds the store.
A missing instant is an absent chunk (NaN). `py4cast.json` is written last: a folder without it is unfinished.

    store/
      zarr.json  t2m/zarr.json  t2m/c/0/0/0 ...   the arrays, a shard file per block
      time/ latitude/ longitude/ ...              CF coordinates
      moments/ difference_moments/                (instant, variable, 5): mergeable statistics of every instant
      checksums/                                  (instant, variable): CRC-32C of every plane
      block_moments/ block_difference_moments/    (block, variable, 5): the same of whole blocks
      journal.jsonl  recipe.json  manifest.json   a line per finished block; settings; fingerprints of the files
      py4cast.json                                version, variables, axis, missing instants, digest
"""

import os
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from py4cast.atomic import check_name
from py4cast.axis import TimeAxis
from py4cast.cubes.base import CubeABC, Planes, pairs_of
from py4cast.cubes.store.integrity import Integrity, unsealed
from py4cast.cubes.store.layout import ABSENT, TABLES, StoreLayout
from py4cast.cubes.store.mapped import BlockMap, groups
from py4cast.cubes.store.packing import Packing
from py4cast.cubes.store.shard import Shard
from py4cast.errors import DataError, nearest
from py4cast.grid import Grid
from py4cast.settings import read_json
from py4cast.statistics import MOMENTS, Stats, merge_moments
from py4cast.variables import Variable

__all__ = ["MANIFEST", "MARKER", "VERSION", "PreparedStore"]

MARKER, MANIFEST = "py4cast.json", "manifest.json"
VERSION = 3
# before 3 a store had no checksums but those of its planes and moments
_READ = (2, VERSION)


class PreparedStore(CubeABC):
    """Opens a finished store and reads its planes as raw memory.

    Raises:
        DataError: no store, an unfinished one, one of another version, or a damaged chunk when it is read.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        if not (self.path / MARKER).is_file():
            state = "unfinished" if (self.path / "zarr.json").exists() else "no"
            hint = "; prepare it again to go on" if state == "unfinished" else "; make it with py4cast prepare"
            raise DataError(f"{self.path}: {state} prepared store here{hint}")
        meta = unsealed(self.path / MARKER, _READ)
        self.meta = meta
        self._integrity = Integrity(self.path, meta)
        self.variables = [Variable.from_dict(v) for v in meta["variables"]]
        # they become paths
        for name in [*self.names, *meta["statics"], *meta["coordinates"]]:
            check_name(name, f"{self.path / MARKER}: the name", DataError)
        self._rows = {v.name: row for row, v in enumerate(self.variables)}
        self.axis = TimeAxis.from_dict(meta["axis"])
        self.packings = {name: Packing(*packed) for name, packed in meta["packings"].items()}
        self._shape = (int(meta["shape"][0]), int(meta["shape"][1]))
        self.block = int(meta["block"])
        self._layout: StoreLayout | None = None
        self._shards: dict[tuple[str, int], Shard] = {}
        self._sums: dict[int, NDArray[Any]] = {}
        self._maps: dict[int, BlockMap] = {}
        self._compared: dict[tuple[int, tuple[str, ...]], NDArray[np.bool_]] = {}  # instants of mapped blocks
        self._refused: set[int] = set()
        self._parts: dict[tuple[str, ...], list[tuple[slice, slice]]] = {}
        self._lock = threading.Lock()
        self._is_held = self._fits_memory()

    def _fits_memory(self) -> bool:
        """Whether the machine's memory can hold all of it, so that it is read from the disk once."""
        plane = self._shape[0] * self._shape[1]
        size = self.axis.size * plane * sum(p.dtype.itemsize for p in self.packings.values())
        try:
            return size < 0.5 * os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
        except (ValueError, OSError):
            return False

    @property
    def grid(self) -> Grid:
        return self.layout.grid

    @property
    def shape(self) -> tuple[int, int]:
        return self._shape

    @property
    def fingerprint(self) -> str:
        return str(self.meta["digest"])

    @property
    def disk_block(self) -> int | None:
        return None if self._is_held else self.block

    @property
    def layout(self) -> StoreLayout:
        """Of its arrays; the grid is read when first asked for."""
        if self._layout is None:
            arrays = {n: self._integrity.array(n) for n in self.meta["coordinates"]}
            grid = Grid.unpack(self.meta["grid"], arrays)
            self._layout = StoreLayout(self.variables, grid, self.axis, self.packings, self.block)
        return self._layout

    def manifest(self) -> dict[str, Any]:
        """Fingerprints of the files that it was made of, and of its blocks."""
        return read_json(self.path / MANIFEST, max_bytes=None)

    def recipe(self) -> dict[str, Any]:
        """The settings that it was made with."""
        return read_json(self.path / "recipe.json")

    def available(self, names: Sequence[str]) -> NDArray[np.bool_]:
        mask = np.ones(self.axis.size, dtype=bool)
        for name in names:
            self._row(name)
            for first, last in self.meta["missing"].get(name, ()):
                mask[first : last + 1] = False
        return mask

    def _row(self, name: str) -> int:
        if name not in self._rows:
            raise DataError(f"{self.path}: no variable {name!r}{nearest(name, self.names)}")
        return self._rows[name]

    def static_fields(self) -> dict[str, Planes]:
        return {name: self._integrity.array(f"static_{name}") for name in self.meta["statics"]}

    def valid_mask(self, names: Sequence[str]) -> NDArray[np.bool_]:
        counts = self._integrity.array("finite_count")
        return np.asarray(np.all([counts[self._row(n)] > 0 for n in names], axis=0))

    def statistics(self, inside: NDArray[np.bool_], names: Sequence[str] | None = None) -> tuple[Stats, Stats]:
        chosen = list(names or self.names)
        rows = [self._row(name) for name in chosen]
        fields = self._merged("moments", inside, np.ones(inside.size, dtype=bool))[rows]
        counted = ~self.axis.is_first
        differences = self._merged("difference_moments", pairs_of(self.axis, inside), counted)[rows]
        return Stats.from_moments(chosen, fields), Stats.from_moments(chosen, differences)

    def _merged(self, name: str, wanted: NDArray[np.bool_], counted: NDArray[np.bool_]) -> NDArray[np.float64]:
        """Moments of the wanted instants: whole blocks at once, the others instant by instant."""
        whole, parts = self._integrity.array(f"block_{name}"), []
        shape = (len(self.variables), len(MOMENTS))
        for block in range(len(whole)):
            here = slice(block * self.block, (block + 1) * self.block)
            if not wanted[here].any():
                continue
            if wanted[here][counted[here]].all():
                parts.append(whole[block])
                continue
            values = self._integrity.table(name, block, wanted[here].size, shape, self.block)
            parts.append(merge_moments(values[wanted[here]]))
        return merge_moments(np.stack(parts)) if parts else merge_moments(np.zeros((0, *shape)))

    # Reading -------------------------------------------------------------------------------------------

    def _shard(self, name: str, block: int) -> Shard:
        key = (name, block)
        shard = self._shards.get(key)
        if shard is None:
            row = self._row(name)
            with self._lock:
                shard = self._shards.get(key) or self._open_shard(name, row, block)
                self._shards[key] = shard
        return shard

    def _open_shard(self, name: str, row: int, block: int) -> Shard:
        """A shard that holds all that the store says it does."""
        path, count = self.layout.shard(self.path, name, block), len(self.layout.instants(block))
        sums = self._checksums(block, count)
        shard = Shard(
            path, self.block, self._shape, self.packings[name], self._is_held, None if sums is None else sums[:, row]
        )
        first = block * self.block
        lost = self.available([name])[first : first + count] & (shard.index[:count, 0] == ABSENT)
        if lost.any():
            shard.close()
            when = self.times[first + int(np.flatnonzero(lost)[0])]
            raise DataError(
                f"{path}: {name} of {when} is lost ({lost.sum()} instants); remove it and prepare the store again"
            )
        return shard

    def _checksums(self, block: int, count: int) -> NDArray[Any] | None:
        """Those of the planes of a block, `(instant, variable)`; None in a store that keeps none."""
        if not self._integrity.has_table:
            return None
        if block not in self._sums:
            self._sums[block] = self._integrity.table("checksums", block, count, (len(self.variables),), self.block)
        return self._sums[block]

    def read(self, names: Sequence[str], start: int, stop: int, out: Planes) -> None:
        block, first = divmod(start, self.block)
        last = first + stop - start
        if last <= self.block:
            mapped = self._maps.get(block)
            if mapped is not None and self._is_compared(block, names, first, last):
                # compared with its checksums before: a bare copy is left
                mapped.copy(self._parts.get(tuple(names)) or self._group(names), first, last, out)
                return
            for row, name in enumerate(names):
                shard = self._shard(name, block)
                if shard.values is None or not shard.copy(first, last, out[row]):
                    self._explained(shard, name, start, first, last, out[row])
            self._note_compared(block, names, first, last)
            return
        at = start
        while at < stop:
            end = min(stop, (at // self.block + 1) * self.block)
            self.read(names, at, end, out[:, at - start : end - start])
            at = end

    def _group(self, names: Sequence[str]) -> list[tuple[slice, slice]]:
        stretches = self._parts[tuple(names)] = groups([self._row(name) for name in names])
        return stretches

    def _is_compared(self, block: int, names: Sequence[str], first: int, last: int) -> bool:
        """Whether these instants of these variables of a mapped block were read with their checksums."""
        compared = self._compared.get((block, tuple(names)))
        return compared is not None and bool(compared[first:last].all())

    def _note_compared(self, block: int, names: Sequence[str], first: int, last: int) -> None:
        """Notes instants that were read with their checksums, in a block that is mapped where it can be."""
        if block not in self._maps:
            self._map(block)
        if block in self._maps:
            self._compared.setdefault((block, tuple(names)), np.zeros(self.block, dtype=bool))[first:last] = True

    def _map(self, block: int) -> None:
        """Maps the whole block where it has no hole, is not packed and all variables are open."""
        if not self._is_held or block in self._refused:
            return
        count = len(self.layout.instants(block))
        shards = [self._shards.get((name, block)) for name in self.names]
        if None in shards:
            return
        chosen = [s for s in shards if s is not None]
        try:
            if not all(s.is_plain and s.values is not None and len(s.values) == count for s in chosen):
                raise OSError("holes or packing")
            shape = (count, *self._shape)
            stride = 4 * self._shape[0] * self._shape[1] + 4
            self._maps[block] = BlockMap([s.descriptor for s in chosen], [s.num_bytes for s in chosen], shape, stride)
        except OSError:
            self._refused.add(block)

    def _explained(self, shard: Shard, name: str, start: int, first: int, last: int, out: Planes) -> None:
        damaged = shard.read(first, last, out)
        if damaged is not None:
            when = self.times[start + damaged]
            raise DataError(
                f"{shard.path}: {name} of {when} is damaged (checksum); remove it and prepare the store again"
            )

    def read_window(
        self, names: Sequence[str], start: int, stop: int, rows: slice, columns: slice, out: Planes
    ) -> None:
        block, first = divmod(start, self.block)
        last = first + stop - start
        if not self._is_held or last > self.block:
            super().read_window(names, start, stop, rows, columns, out)
            return
        mapped = self._maps.get(block)
        if mapped is not None and self._is_compared(block, names, first, last):
            parts = self._parts.get(tuple(names)) or self._group(names)
            mapped.copy_window(parts, first, last, (rows, columns), out)
            return
        for row, name in enumerate(names):
            shard = self._shard(name, block)
            if not shard.copy_window(first, last, rows, columns, out[row]):
                # once in full, with its checksums
                whole = np.empty((stop - start, *self._shape), dtype=np.float32)
                self._explained(shard, name, start, first, last, whole)
                np.copyto(out[row], whole[:, rows, columns])
        self._note_compared(block, names, first, last)

    def _table_problems(self) -> Iterator[str]:
        for name in TABLES:
            if name == "checksums" and not self._integrity.has_table:
                continue
            for block in range(self.layout.num_blocks):
                count, width = len(self.layout.instants(block)), self.layout.table_width(name)
                try:
                    self._integrity.table(name, block, count, width, self.block)
                except DataError as error:
                    yield str(error)

    def verify(self) -> list[str]:
        """Reads everything and returns one line per damaged or lost part."""
        problems = list(self._integrity.problems())
        try:
            problems += self._table_problems()
        except DataError as error:
            # where its coordinates are damaged no plane can be read
            return [*problems, str(error)]
        buffer = np.empty(self._shape, dtype=np.float32)[None]
        for name in self.names:
            for index in np.flatnonzero(self.available([name])):
                try:
                    shard = self._shard(name, int(index) // self.block)
                    position = int(index) % self.block
                    self._explained(shard, name, int(index), position, position + 1, buffer)
                except DataError as error:
                    problems.append(str(error))
        return list(dict.fromkeys(problems))

    def close(self) -> None:
        with self._lock:
            for shard in self._shards.values():
                shard.close()
            self._shards.clear()
            self._maps.clear()
            self._compared.clear()
            self._refused.clear()

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_shards": {}, "_maps": {}, "_compared": {}, "_lock": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._lock = threading.Lock()

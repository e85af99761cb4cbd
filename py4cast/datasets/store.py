"""The prepared store: Zarr v3 under CF conventions that is also raw memory.

One array per variable `(time, lat, lon)`, an inner chunk of one instant, sharded over a block of instants,
uncompressed, little-endian float32, crc32c on every chunk. xarray and zarr open it unchanged; here a slice of
instants is read with `os.preadv` straight into the caller's buffer, and every chunk's checksum is verified.
A missing instant is an absent chunk (NaN). `py4cast.json` beside it is written last: a folder without it is
an unfinished store and is refused.

    store/
      zarr.json  t2m/zarr.json  t2m/c/0/0/0 ...   the arrays, a shard file per block
      time/ latitude/ longitude/ ...              CF coordinates
      moments/ difference_moments/                (time, variable, 5): mergeable statistics of every instant
      journal.jsonl                               a line per finished block
      py4cast.json                                version, variables, recipe, inputs, missing instants, digest
"""

import json
import os
import shutil
import struct
import threading
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import google_crc32c
import numpy as np
from numpy.typing import NDArray

from py4cast.atomic import write_bytes
from py4cast.datasets.cube import CubeABC
from py4cast.errors import DataError, nearest
from py4cast.grid import Grid
from py4cast.settings import read_json
from py4cast.statistics import MOMENTS, Stats, merge_moments
from py4cast.variables import Variable

__all__ = ["MARKER", "VERSION", "PreparedStore", "StoreLayout", "shard_bytes"]

MARKER = "py4cast.json"
VERSION = 1
_ABSENT = np.uint64(2**64 - 1)
_MAX_IOVECS = 512


def _crc(data: Any) -> bytes:
    return struct.pack("<I", google_crc32c.value(data))


def shard_bytes(planes: NDArray[np.float32], present: Sequence[bool], block: int) -> bytes:
    """A shard of Zarr v3: the chunks with their checksums, then the index of offsets and lengths with its own.

    Args:
        planes: `(n, lat, lon)` with n ≤ `block`.
        present: whether each plane is there; an absent one takes no room.
        block: instants per shard.
    """
    index = np.full((block, 2), _ABSENT, dtype="<u8")
    parts, offset = [], 0
    for i, is_present in enumerate(present):
        if is_present:
            data = np.ascontiguousarray(planes[i], dtype="<f4").tobytes()
            parts += [data, _crc(data)]
            index[i] = (offset, len(data) + 4)
            offset += len(data) + 4
    raw = index.tobytes()
    return b"".join([*parts, raw, _crc(raw)])


class StoreLayout:
    """Creates the description of a store's arrays: what there is before any data is."""

    def __init__(self, variables: Sequence[Variable], grid: Grid, times: NDArray[np.datetime64], block: int) -> None:
        self.variables, self.grid, self.times, self.block = list(variables), grid, times, block

    @property
    def num_blocks(self) -> int:
        """Number of blocks of instants."""
        return -(-self.times.size // self.block)

    @property
    def num_bytes(self) -> int:
        """Size of the data."""
        return self.times.size * len(self.variables) * (4 * self.grid.shape[0] * self.grid.shape[1] + 100)

    def create(self, folder: Path) -> None:
        """Writes the metadata and the coordinates; no data."""
        import zarr
        from zarr.codecs import BytesCodec, Crc32cCodec

        from py4cast.formats.netcdf import grid_coordinates

        dims, coords, mapping = grid_coordinates(self.grid)
        group = zarr.create_group(folder, zarr_format=3, attributes={"Conventions": "CF-1.11"})
        shape = self.grid.shape
        for variable in self.variables:
            attrs: dict[str, Any] = {
                "units": variable.units,
                "long_name": variable.name,
                "coordinates": "latitude longitude",
            }
            if variable.standard_name:
                attrs["standard_name"] = variable.standard_name
            if mapping:
                attrs["grid_mapping"] = "projection"
            group.create_array(
                variable.name, shape=(self.times.size, *shape), dtype="float32", chunks=(1, *shape), shards=(self.block, *shape),
                compressors=None, filters=None, fill_value=float("nan"), dimension_names=("time", *dims), attributes=attrs,
                serializer=BytesCodec(endian="little"),
            )  # fmt: skip
            _use_crc_inside(folder / variable.name / "zarr.json")
        for name, (dim_names, values, attrs) in coords.items():
            _small_array(group, name, values, (dim_names,) if isinstance(dim_names, str) else dim_names, attrs)
        if mapping:
            _small_array(group, "projection", np.int32(0), (), mapping)
        seconds = self.times.astype("datetime64[s]").astype("int64")
        units = {
            "standard_name": "time",
            "units": "seconds since 1970-01-01",
            "calendar": "proleptic_gregorian",
        }
        _small_array(group, "time", seconds, ("time",), units)
        for name in ("moments", "difference_moments"):
            group.create_array(
                name, shape=(self.times.size, len(self.variables), len(MOMENTS)), dtype="float64",
                chunks=(self.block, len(self.variables), len(MOMENTS)), compressors=[Crc32cCodec()], filters=None,
                fill_value=0.0, dimension_names=("time", "variable", "moment"),
                attributes={"variables": [v.name for v in self.variables], "moments": list(MOMENTS)},
            )  # fmt: skip

    def add(self, folder: Path, fields: Mapping[str, NDArray[Any]]) -> None:
        """Adds fields `(lat, lon)` or `(variable, lat, lon)` beside the data, and gathers all metadata in one file."""
        import zarr

        from py4cast.formats.netcdf import grid_coordinates

        dims, _, _ = grid_coordinates(self.grid)
        group = zarr.open_group(folder, mode="r+")
        for name, values in fields.items():
            # a build that was killed here left some of them
            shutil.rmtree(folder / name, ignore_errors=True)
            names = dims if values.ndim == 2 else ("variable", *dims)
            _small_array(group, name, values, names, {})
        with warnings.catch_warnings():
            # consolidated metadata lets xarray open the store without a word, though it is not yet in the v3 text
            warnings.simplefilter("ignore")
            zarr.consolidate_metadata(group.store)


def _small_array(group: Any, name: str, values: Any, dims: Sequence[str], attrs: Mapping[str, Any]) -> None:
    values = np.asarray(values)
    array = group.create_array(
        name, shape=values.shape, dtype=values.dtype, chunks=values.shape or (), compressors=None,
        dimension_names=tuple(dims), attributes=dict(attrs),
    )  # fmt: skip
    array[...] = values


def _use_crc_inside(path: Path) -> None:
    """Puts crc32c on the inner chunks: zarr's `create_array` has no word for it beside a sharding codec."""
    document = json.loads(path.read_text())
    document["codecs"][0]["configuration"]["codecs"].append({"name": "crc32c"})
    path.write_text(json.dumps(document, indent=2))


class PreparedStore(CubeABC):
    """Opens a finished store.

    Raises:
        DataError: no store, an unfinished one, one of a later version, or a damaged chunk when it is read.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        if not (self.path / MARKER).is_file():
            state = "unfinished" if (self.path / "zarr.json").exists() else "no"
            raise DataError(f"{self.path}: {state} prepared store here; make it with bin/prepare.py")
        meta = read_json(self.path / MARKER)
        if meta.get("version") != VERSION:
            raise DataError(
                f"{self.path}: store of version {meta.get('version')}, this py4cast reads version {VERSION}; prepare it again"
            )
        self.meta = meta
        self.variables = [Variable.from_dict(v) for v in meta["variables"]]
        self.names = [v.name for v in self.variables]
        start, step = np.datetime64(meta["start"], "s"), np.timedelta64(meta["step_s"], "s")
        self.times = start + np.arange(meta["num_times"]) * step
        self.shape = (int(meta["shape"][0]), int(meta["shape"][1]))
        self.block = int(meta["block"])
        self._missing = {name: np.array(found, dtype=np.int64) for name, found in meta["missing"].items()}
        self._files: dict[tuple[str, int], tuple[int, NDArray[np.uint64]]] = {}
        self._lock = threading.Lock()

    def available(self, names: Sequence[str]) -> NDArray[np.bool_]:
        mask = np.ones(self.times.size, dtype=bool)
        for name in names:
            mask[self._missing[name]] = False
        return mask

    def grid(self) -> Grid:
        """The grid, from the coordinates."""
        arrays = {n: self._small(n) for n in ("latitude", "longitude", "x", "y") if (self.path / n).is_dir()}
        return Grid.unpack(self.meta["grid"], arrays)

    def _small(self, name: str) -> NDArray[Any]:
        import zarr

        return np.asarray(zarr.open_array(self.path / name, mode="r")[...])

    def static_fields(self) -> dict[str, NDArray[np.float32]]:
        """Fixed fields by name, `(lat, lon)`."""
        return {name: self._small(f"static_{name}") for name in self.meta["statics"]}

    def valid_mask(self, names: Sequence[str]) -> NDArray[np.bool_]:
        """True where every one of these variables ever holds data, `(lat, lon)`."""
        counts = self._small("finite_count")
        return np.asarray(np.all([counts[self.names.index(n)] > 0 for n in names], axis=0))

    def statistics(self, inside: NDArray[np.bool_]) -> tuple[Stats, Stats]:
        """Statistics of the fields, and of their one-step differences, over the instants `inside`, `(time,)`.

        A difference counts when both of its instants are inside; all in physical units.
        """
        fields, differences = self._small("moments")[inside], self._small("difference_moments")
        pairs = inside.copy()
        pairs[1:] &= inside[:-1]
        pairs[0] = False
        first = Stats.from_moments(self.names, merge_moments(fields))
        return first, Stats.from_moments(self.names, merge_moments(differences[pairs]))

    def _open(self, name: str, block: int) -> tuple[int, NDArray[np.uint64]]:
        """Descriptor and index of a shard; both are kept."""
        with self._lock:
            if (name, block) not in self._files:
                path = self.path / name / "c" / str(block) / "0" / "0"
                if not path.exists():
                    self._files[name, block] = (-1, np.full((self.block, 2), _ABSENT, dtype=np.uint64))
                    return self._files[name, block]
                descriptor = os.open(path, os.O_RDONLY)
                length = 16 * self.block + 4
                raw = os.pread(descriptor, length, os.fstat(descriptor).st_size - length)
                if len(raw) != length or _crc(raw[:-4]) != raw[-4:]:
                    os.close(descriptor)
                    raise DataError(f"{path}: damaged shard (its index fails the checksum); prepare the store again")
                self._files[name, block] = (descriptor, np.frombuffer(raw[:-4], dtype="<u8").reshape(-1, 2))
            return self._files[name, block]

    def read(self, names: Sequence[str], start: int, stop: int, out: NDArray[np.float32]) -> None:
        for row, name in enumerate(names):
            if name not in self.names:
                raise DataError(f"{self.path}: no variable {name!r}{nearest(name, self.names)}")
            at = start
            while at < stop:
                block = at // self.block
                end = min(stop, (block + 1) * self.block)
                self._read_block(name, block, at - block * self.block, out[row, at - start : end - start])
                at = end

    def _read_block(self, name: str, block: int, first: int, out: NDArray[np.float32]) -> None:
        """Reads `out.shape[0]` neighbouring planes with as few system calls as their offsets allow."""
        descriptor, index = self._open(name, block)
        count, done = out.shape[0], 0
        size = out[0].nbytes + 4
        while done < count:
            if index[first + done, 0] == _ABSENT:
                out[done] = np.nan
                done += 1
                continue
            run = 1
            while (
                done + run < count and run < _MAX_IOVECS // 2
                and index[first + done + run, 0] == index[first + done + run - 1, 0] + np.uint64(size)
            ):  # fmt: skip
                run += 1
            self._read_run(descriptor, int(index[first + done, 0]), out[done : done + run], (name, block, first + done))
            done += run

    def _read_run(self, descriptor: int, offset: int, out: NDArray[np.float32], where: tuple[str, int, int]) -> None:
        sums = bytearray(4 * out.shape[0])
        view = memoryview(sums)
        buffers: list[Any] = []
        for i, plane in enumerate(out):
            buffers += [memoryview(plane).cast("B"), view[4 * i : 4 * i + 4]]
        read = os.preadv(descriptor, buffers, offset)
        wanted = out.nbytes + len(sums)
        for i, plane in enumerate(out):
            if read != wanted or _crc(plane) != sums[4 * i : 4 * i + 4]:
                name, block, first = where
                when = self.times[block * self.block + first + i]
                path = self.path / name / "c" / str(block) / "0" / "0"
                raise DataError(f"{path}: {name} of {when} is damaged (checksum); prepare the store again")

    def verify(self) -> list[str]:
        """Reads everything and returns one line per damaged or lost part."""
        problems = []
        for name in self.names:
            buffer = np.empty((1, 1, *self.shape), dtype=np.float32)
            for i in np.flatnonzero(self.available([name])):
                try:
                    self.read([name], int(i), int(i) + 1, buffer)
                    _, index = self._open(name, int(i) // self.block)
                    if index[i % self.block, 0] == _ABSENT:
                        problems.append(f"{self.path / name}: {self.times[i]} is lost")
                except DataError as error:
                    problems.append(str(error))
        return problems

    def close(self) -> None:
        """Closes the shard files."""
        with self._lock:
            for descriptor, _ in self._files.values():
                if descriptor >= 0:
                    os.close(descriptor)
            self._files.clear()

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_files": {}, "_lock": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._lock = threading.Lock()


def write_moments(folder: Path, name: str, block: int, values: NDArray[np.float64], full: int) -> None:
    """Writes one block of an array `(time, variable, moment)`, padded to `full` instants, with its checksum."""
    padded = np.zeros((full, *values.shape[1:]), dtype="<f8")
    padded[: values.shape[0]] = values
    raw = padded.tobytes()
    write_bytes(folder / name / "c" / str(block) / "0" / "0", raw + _crc(raw))

"""StoreLayout: the arrays of a store and the bytes of its files; what there is before any data is."""

import json
import math
import shutil
import struct
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import google_crc32c
import numpy as np
from numpy.typing import NDArray

from py4cast.atomic import check_name, write_bytes
from py4cast.axis import TimeAxis
from py4cast.cubes.store.packing import Packing
from py4cast.errors import DataError, SettingsError
from py4cast.grid import Grid
from py4cast.statistics import MOMENTS
from py4cast.variables import Variable

__all__ = ["ABSENT", "TABLES", "StoreLayout", "checksum", "read_array", "read_table", "shard_index", "write_table"]

ABSENT = np.uint64(2**64 - 1)
# arrays over all instants with one chunk per block, which ends in its checksum
TABLES: Mapping[str, str] = {"moments": "<f8", "difference_moments": "<f8", "checksums": "<u4"}
_FILES = ("zarr.json", "py4cast.json", "manifest.json", "recipe.json", "journal.jsonl", "lock", "counts")
_BLOCK_BYTES = 64_000_000
_MAX_BLOCK = 256


def checksum(data: Any) -> bytes:
    """CRC-32C of some bytes, as Zarr's codec writes it."""
    return struct.pack("<I", google_crc32c.value(data))


def shard_index(offsets: NDArray[np.uint64]) -> bytes:
    """The end of a shard: offset and length of every chunk, and their checksum."""
    raw = np.ascontiguousarray(offsets, dtype="<u8").tobytes()
    return raw + checksum(raw)


class StoreLayout:
    """Creates the description of a store's arrays.

    Args:
        variables: what it holds, in order.
        grid: where the cells are.
        axis: its instants.
        packings: by variable; float32 where none is given.
        block: instants per shard; by default some 64 MB, at most 256, and whole forecasts.
    """

    def __init__(
        self,
        variables: Sequence[Variable],
        grid: Grid,
        axis: TimeAxis,
        packings: Mapping[str, Packing] | None = None,
        block: int | None = None,
    ) -> None:
        self.variables, self.grid, self.axis = list(variables), grid, axis
        self.packings = {v.name: (packings or {}).get(v.name, Packing()) for v in variables}
        self.block = block or self._default_block()
        taken = {*grid.pack()[1], *axis.dims, "projection", *TABLES, *_FILES}
        for variable in variables:
            check_name(variable.name, "variables: the name")
            if variable.name in taken or variable.name.startswith(("static_", "block_", "finite_")):
                raise SettingsError(
                    f"variables: the name {variable.name!r} is the store's own; call the variable otherwise"
                )

    def _default_block(self) -> int:
        most = max(1, _BLOCK_BYTES // (4 * self.grid.shape[0] * self.grid.shape[1]))
        if self.axis.is_series:
            return min(most, _MAX_BLOCK, self.axis.size)
        length, start = self.axis.length, self.axis.length * self.axis.num_members
        if start > most:
            return length
        return start * max(1, min(most, _MAX_BLOCK) // start)

    @property
    def num_blocks(self) -> int:
        """Number of blocks of instants."""
        return -(-self.axis.size // self.block)

    def instants(self, block: int) -> range:
        """Indices of the instants of a block."""
        return range(block * self.block, min((block + 1) * self.block, self.axis.size))

    @property
    def num_bytes(self) -> int:
        """The size of all its values on the disk [bytes]."""
        plane = self.grid.shape[0] * self.grid.shape[1]
        return self.axis.size * sum(p.dtype.itemsize * plane + 100 for p in self.packings.values())

    def shard(self, folder: Path, name: str, block: int) -> Path:
        """The file of one block of a variable."""
        shape = self.axis.shape
        if len(shape) == 3 and self.block == self.axis.length and shape[1] > 1:
            leading = [block // shape[1], block % shape[1], 0]
        else:
            leading = [block] + [0] * (len(shape) - 1)
        return folder.joinpath(name, "c", *(str(i) for i in leading), "0", "0")

    def _shard_shape(self) -> tuple[int, ...]:
        if self.axis.is_series:
            return (self.block,)
        length, members = self.axis.length, len(self.axis.members)
        middle = (members,) if members else ()
        if members > 1 and self.block == length:
            return 1, 1, length
        return self.block // (length * self.axis.num_members), *middle, length

    def create(self, folder: Path) -> None:
        """Writes the metadata and the coordinates; no data."""
        import zarr

        from py4cast.formats.conventions import grid_coordinates

        dims, coords, mapping = grid_coordinates(self.grid)
        group = zarr.create_group(folder, zarr_format=3, attributes={"Conventions": "CF-1.11"})
        for variable in self.variables:
            self._create_variable(group, folder, variable, dims, bool(mapping))
        for name, (dim_names, values, attrs) in coords.items():
            _small_array(group, name, values, (dim_names,) if isinstance(dim_names, str) else dim_names, attrs)
        if self.grid.areas is not None:
            size = {"standard_name": "cell_area", "units": "m2"}
            _small_array(group, "areas", self.grid.areas, dims, size)
        if mapping:
            _small_array(group, "projection", np.int32(0), (), mapping)
        self._create_times(group)
        self._create_tables(group)

    def _create_variable(
        self, group: Any, folder: Path, variable: Variable, dims: Sequence[str], is_mapped: bool
    ) -> None:
        from zarr.codecs import BytesCodec

        packing, shape = self.packings[variable.name], self.grid.shape
        attrs: dict[str, Any] = {
            "units": variable.units, "long_name": variable.name, "coordinates": "latitude longitude", **packing.attributes,
        }  # fmt: skip
        if variable.standard_name:
            attrs["standard_name"] = variable.standard_name
        if is_mapped:
            attrs["grid_mapping"] = "projection"
        ones = (1,) * len(self.axis.shape)
        group.create_array(
            variable.name, shape=(*self.axis.shape, *shape), dtype=packing.kind, chunks=(*ones, *shape),
            shards=(*self._shard_shape(), *shape), compressors=None, filters=None, fill_value=packing.fill_value,
            dimension_names=(*self.axis.dims, *dims), attributes=attrs, serializer=BytesCodec(endian="little"),
        )  # fmt: skip
        _use_crc_inside(folder / variable.name / "zarr.json")

    def _create_times(self, group: Any) -> None:
        since = {"units": "seconds since 1970-01-01", "calendar": "proleptic_gregorian"}
        axis = self.axis
        if axis.is_series:
            _small_array(group, "time", _seconds(axis.times), ("time",), {"standard_name": "time", **since})
            return
        reference = {"standard_name": "forecast_reference_time", **since}
        _small_array(group, "init_time", _seconds(axis.init_times), ("init_time",), reference)
        leads = axis.lead_times.astype("timedelta64[s]").astype("int64")
        period = {"standard_name": "forecast_period", "units": "seconds"}
        _small_array(group, "lead_time", leads, ("lead_time",), period)
        if axis.members:
            members = np.array(axis.members, dtype="int64")
            _small_array(group, "member", members, ("member",), {"standard_name": "realization", "units": "1"})

    def table_width(self, name: str) -> tuple[int, ...]:
        """The shape of one instant of a table."""
        count = len(self.variables)
        return (count,) if name == "checksums" else (count, len(MOMENTS))

    def _create_tables(self, group: Any) -> None:
        from zarr.codecs import Crc32cCodec

        for name, kind in TABLES.items():
            width, attrs = self.table_width(name), {"variables": [v.name for v in self.variables]}
            group.create_array(
                name, shape=(self.axis.size, *width), dtype=np.dtype(kind), chunks=(self.block, *width),
                compressors=[Crc32cCodec()], filters=None, fill_value=0,
                dimension_names=("instant", "variable", "moment")[: 1 + len(width)],
                attributes={**attrs, "moments": list(MOMENTS)} if len(width) == 2 else attrs,
            )  # fmt: skip

    def grow(self, folder: Path) -> None:
        """Gives the arrays of a store this layout's number of instants; the data come first."""
        import zarr

        group: Any = zarr.open_group(folder, mode="r+", use_consolidated=False)
        shape = self.axis.shape
        for variable in self.variables:
            group[variable.name].resize((*shape, *self.grid.shape))
        for name in TABLES:
            group[name].resize((self.axis.size, *self.table_width(name)))
        first = self.axis.dims[0]
        # a single chunk: made anew, since a chunk's size is fixed
        shutil.rmtree(folder / first, ignore_errors=True)
        for name in ("lead_time", "member"):
            shutil.rmtree(folder / name, ignore_errors=True)
        self._create_times(group)

    def add(self, folder: Path, fields: Mapping[str, NDArray[Any]]) -> None:
        """Adds small arrays beside the data, and gathers all metadata in one file.

        They are fields `(lat, lon)`, counts `(variable, lat, lon)` or moments `(block, variable, moment)`.
        """
        import zarr

        from py4cast.formats.conventions import grid_coordinates

        names, _, _ = grid_coordinates(self.grid)
        group = zarr.open_group(folder, mode="r+", use_consolidated=False)
        for name, values in fields.items():
            # a build that was killed here left some of them
            shutil.rmtree(folder / name, ignore_errors=True)
            dims = ("block", "variable", "moment") if name.startswith("block_") else names
            _small_array(group, name, values, dims if len(dims) == values.ndim else ("variable", *dims), {})
        with warnings.catch_warnings():
            # consolidated metadata lets xarray open the store without a word, though it is not yet in the v3 text
            warnings.simplefilter("ignore")
            zarr.consolidate_metadata(group.store)


def _seconds(times: NDArray[np.datetime64]) -> NDArray[np.int64]:
    return times.astype("datetime64[s]").astype("int64")


def _small_array(group: Any, name: str, values: Any, dims: Sequence[str], attrs: Mapping[str, Any]) -> None:
    values = np.asarray(values)
    array = group.create_array(
        name, shape=values.shape, dtype=values.dtype, chunks=values.shape or (), compressors=None, filters=None,
        dimension_names=tuple(dims), attributes=dict(attrs), config={"write_empty_chunks": True},
    )  # fmt: skip
    array[...] = values


def _use_crc_inside(path: Path) -> None:
    """Puts crc32c on the inner chunks: zarr's `create_array` has no word for it beside a sharding codec."""
    document = json.loads(path.read_text())
    document["codecs"][0]["configuration"]["codecs"].append({"name": "crc32c"})
    path.write_text(json.dumps(document, indent=2))


def read_array(folder: Path) -> NDArray[Any]:
    """A small array that `add` or `create` wrote, read without the zarr library, which takes longer to import."""
    meta = json.loads((folder / "zarr.json").read_text())
    chunk = folder.joinpath("c", *("0" for _ in meta["shape"]))
    dtype = "bool" if meta["data_type"] == "bool" else np.dtype(meta["data_type"]).newbyteorder("<")
    return np.fromfile(chunk, dtype=dtype).reshape(meta["shape"])


def write_table(folder: Path, name: str, block: int, values: NDArray[Any], full: int) -> None:
    """Writes one block of a table `(instant, ...)`, padded to `full` instants, with its checksum."""
    padded = np.zeros((full, *values.shape[1:]), dtype=TABLES[name])
    padded[: values.shape[0]] = values
    raw = padded.tobytes()
    write_bytes(_table_path(folder, name, block, values.ndim), raw + checksum(raw))


def read_table(folder: Path, name: str, block: int, full: int, width: Sequence[int]) -> NDArray[Any]:
    """One block of a table, `(full, *width)`.

    Raises:
        DataError: it is lost or damaged.
    """
    path = _table_path(folder, name, block, 1 + len(width))
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        raise DataError(f"{path}: lost; remove it and prepare the store again") from None
    size = np.dtype(TABLES[name]).itemsize * full * math.prod(width)
    if len(raw) != size + 4 or checksum(raw[:-4]) != raw[-4:]:
        raise DataError(f"{path}: damaged (checksum); remove it and prepare the store again")
    return np.frombuffer(raw[:-4], dtype=TABLES[name]).reshape(full, *width)


def _table_path(folder: Path, name: str, block: int, ndim: int) -> Path:
    return folder.joinpath(name, "c", str(block), *("0" for _ in range(ndim - 1)))

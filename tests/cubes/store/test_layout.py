import json
import struct
from pathlib import Path
from typing import Any

import google_crc32c
import numpy as np
import pytest
import xarray as xr
import zarr

from py4cast.axis import TimeAxis
from py4cast.cubes.store import layout as module
from py4cast.cubes.store.layout import ABSENT, StoreLayout, checksum, read_array, shard_index, write_table
from py4cast.cubes.store.packing import Packing
from py4cast.errors import SettingsError
from py4cast.grid import Grid
from py4cast.variables import Variable
from tests.cubes.numbered import GRID, forecasts, hours, value
from tests.weather_files import HOUR, START

VARIABLES = [Variable(name="t", units="K", standard_name="air_temperature"), Variable(name="u", units="m s-1")]


def layout_of(axis: TimeAxis, block: int | None = None, grid: Grid = GRID, **packings: Packing) -> StoreLayout:
    return StoreLayout(VARIABLES, grid, axis, packings, block)


def test_a_checksum_is_the_castagnoli_crc_in_little_endian() -> None:
    assert checksum(b"123456789") == struct.pack("<I", 0xE3069283), "the check value of CRC-32C"


def test_the_index_of_a_shard_is_pairs_and_their_checksum() -> None:
    raw = shard_index(np.array([[0, 52], [ABSENT, ABSENT]], dtype=np.uint64))
    assert raw[:-4] == struct.pack("<4Q", 0, 52, 2**64 - 1, 2**64 - 1)
    assert raw[-4:] == struct.pack("<I", google_crc32c.value(raw[:-4]))


@pytest.mark.parametrize(
    ("axis", "most", "expected"),
    [
        (hours(0, 10), 100, 10),
        (hours(0, 1000), 100, 100),
        (hours(0, 1000), 1000, 256),
        (hours(0, 10), 0, 1),
        (forecasts([0, 12, 24], [1, 2, 3, 4], (0, 1)), 20, 16),
        (forecasts([0, 12, 24], [1, 2, 3, 4], (0, 1)), 8, 8),
        (forecasts([0, 12, 24], [1, 2, 3, 4], (0, 1)), 7, 4),
        (forecasts([0, 12, 24], [1, 2, 3, 4]), 7, 4),
        (forecasts([0, 12, 24], [1, 2, 3, 4]), 3, 4),
    ],
)
def test_a_block_is_some_megabytes_and_whole_forecasts(
    monkeypatch: pytest.MonkeyPatch, axis: TimeAxis, most: int, expected: int
) -> None:
    """`most` planes fit the bytes of a block."""
    monkeypatch.setattr(module, "_BLOCK_BYTES", most * 4 * 12)
    assert layout_of(axis).block == expected


def test_blocks_cover_every_instant_once() -> None:
    layout = layout_of(hours(0, 10), block=4)
    assert layout.num_blocks == 3 and [list(layout.instants(b)) for b in range(3)] == [
        [0, 1, 2, 3],
        [4, 5, 6, 7],
        [8, 9],
    ]


def test_its_size_counts_packed_values_in_half() -> None:
    plain, packed = layout_of(hours(0, 10)), layout_of(hours(0, 10), u=Packing("uint16"))
    assert plain.num_bytes == 10 * 2 * (4 * 12 + 100) and plain.num_bytes - packed.num_bytes == 10 * 2 * 12


@pytest.mark.parametrize(
    ("axis", "block", "number", "expected"),
    [
        (hours(0, 10), 4, 2, "t/c/2/0/0"),
        (forecasts([0, 12], [1, 2]), 2, 1, "t/c/1/0/0/0"),
        (forecasts([0, 12], [1, 2], (0, 1, 2)), 6, 1, "t/c/1/0/0/0/0"),
        (forecasts([0, 12], [1, 2], (0, 1, 2)), 2, 4, "t/c/1/1/0/0/0"),
    ],
)
def test_the_file_of_a_block(tmp_path: Path, axis: TimeAxis, block: int, number: int, expected: str) -> None:
    assert layout_of(axis, block).shard(tmp_path, "t", number) == tmp_path / expected


@pytest.mark.parametrize(
    "name", ["latitude", "time", "moments", "counts", "projection", "static_z", "block_x", "finite_count"]
)
def test_names_of_the_stores_own_are_refused(name: str) -> None:
    with pytest.raises(SettingsError, match=f"variables: the name '{name}' is the store's own; call the variable"):
        StoreLayout([Variable(name=name)], GRID, hours(0, 2))


def test_the_dimensions_of_another_axis_are_free_names() -> None:
    assert StoreLayout([Variable(name="member")], GRID, hours(0, 2)).block == 2
    with pytest.raises(SettingsError, match="'member' is the store's own"):
        StoreLayout([Variable(name="member")], GRID, forecasts([0], [1], (0, 1)))


def meta_of(path: Path) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((path / "zarr.json").read_text())
    return document


def test_a_series_is_made_with_its_metadata_and_coordinates(tmp_path: Path) -> None:
    layout = layout_of(hours(0, 10), block=4, u=Packing("uint16", 0.5, -10.0))
    layout.create(tmp_path / "s")
    layout.add(tmp_path / "s", {})
    with xr.open_dataset(tmp_path / "s", engine="zarr", mask_and_scale=False) as data:
        assert data["t"].dims == ("time", "latitude", "longitude") and data["t"].shape == (10, 3, 4)
        assert data["t"].attrs["units"] == "K" and data["t"].attrs["standard_name"] == "air_temperature"
        assert data["time"].values.astype("datetime64[s]").tolist() == (START + np.arange(10) * HOUR).tolist()
        assert data["latitude"].values.tolist() == [52.0, 51.0, 50.0]
        assert (data["u"].attrs["scale_factor"], data["u"].attrs["add_offset"]) == (0.5, -10.0)
        assert data["u"].dtype == np.uint16 and "standard_name" not in data["u"].attrs
    array = meta_of(tmp_path / "s" / "t")
    assert array["chunk_grid"]["configuration"]["chunk_shape"] == [4, 3, 4]
    inner = array["codecs"][0]["configuration"]
    assert inner["chunk_shape"] == [1, 3, 4] and [c["name"] for c in inner["codecs"]] == ["bytes", "crc32c"]
    assert meta_of(tmp_path / "s" / "moments")["shape"] == [10, 2, 5]
    assert meta_of(tmp_path / "s" / "moments")["attributes"]["moments"] == ["count", "mean", "m2", "min", "max"]
    assert not list((tmp_path / "s" / "t").glob("c")), "no data"


@pytest.mark.parametrize(
    ("members", "block", "shape", "shard"),
    [
        ((), 4, [3, 2, 3, 4], [2, 2, 3, 4]),
        ((4, 9), 4, [3, 2, 2, 3, 4], [1, 2, 2, 3, 4]),
        ((4, 9), 2, [3, 2, 2, 3, 4], [1, 1, 2, 3, 4]),
    ],
)
def test_forecasts_have_starts_members_and_lead_times(
    tmp_path: Path, members: tuple[int, ...], block: int, shape: list[int], shard: list[int]
) -> None:
    layout = layout_of(forecasts([0, 6, 24], [3, 6], members), block)
    layout.create(tmp_path / "s")
    array = meta_of(tmp_path / "s" / "t")
    assert array["shape"] == shape and array["chunk_grid"]["configuration"]["chunk_shape"] == shard
    dims = ["init_time", *(["member"] if members else []), "lead_time", "latitude", "longitude"]
    assert array["dimension_names"] == dims
    starts = read_array(tmp_path / "s" / "init_time")
    assert (starts - starts[0]).tolist() == [0, 6 * 3600, 24 * 3600]
    assert starts[0] == 1577836800 and read_array(tmp_path / "s" / "lead_time").tolist() == [10800, 21600]
    assert (tmp_path / "s" / "member").exists() == bool(members)
    if members:
        assert read_array(tmp_path / "s" / "member").tolist() == [4, 9]


def test_a_projection_is_told(tmp_path: Path) -> None:
    lat, lon = np.meshgrid([50.0, 51.0], [1.0, 2.0, 3.0], indexing="ij")
    mapping = {"grid_mapping_name": "lambert_conformal_conic", "standard_parallel": 46.5}
    grid = Grid(lat, lon, np.arange(3.0) * 1e5, np.arange(2.0) * 1e5, mapping)
    layout_of(hours(0, 2), grid=grid).create(tmp_path / "s")
    assert meta_of(tmp_path / "s" / "t")["attributes"]["grid_mapping"] == "projection"
    assert meta_of(tmp_path / "s" / "t")["dimension_names"] == ["time", "y", "x"]
    assert meta_of(tmp_path / "s" / "projection")["attributes"] == mapping
    np.testing.assert_array_equal(read_array(tmp_path / "s" / "longitude"), lon)
    assert read_array(tmp_path / "s" / "x").tolist() == [0.0, 1e5, 2e5]


def test_small_arrays_come_back_and_take_the_place_of_earlier_ones(tmp_path: Path) -> None:
    layout = layout_of(hours(0, 4), block=2)
    layout.create(tmp_path / "s")
    moments = np.arange(20.0).reshape(2, 2, 5)
    counts = np.arange(24, dtype=np.int32).reshape(2, 3, 4)
    layout.add(tmp_path / "s", {"static_z": np.zeros((3, 4))})
    fields = {"static_z": value(3, 0), "finite_count": counts, "block_moments": moments, "mask": value(0, 0) > 0.2}
    layout.add(tmp_path / "s", fields)
    for name, values in fields.items():
        np.testing.assert_array_equal(read_array(tmp_path / "s" / name), values)
    for name, dims in (
        ("static_z", ("latitude", "longitude")),
        ("finite_count", ("variable", "latitude", "longitude")),
        ("block_moments", ("block", "variable", "moment")),
    ):
        assert meta_of(tmp_path / "s" / name)["dimension_names"] == list(dims)


def test_moments_are_padded_and_read_back_by_zarr(tmp_path: Path) -> None:
    layout = layout_of(hours(0, 7), block=4)
    layout.create(tmp_path / "s")
    moments = np.random.default_rng(0).standard_normal((7, 2, 5))
    for block, part in enumerate((moments[:4], moments[4:])):
        write_table(tmp_path / "s", "moments", block, part, 4)
    np.testing.assert_array_equal(zarr.open_array(tmp_path / "s" / "moments", mode="r")[...], moments)
    raw = (tmp_path / "s" / "moments" / "c" / "1" / "0" / "0").read_bytes()
    assert len(raw) == 4 * 2 * 5 * 8 + 4 and raw[3 * 80 : 4 * 80] == bytes(80)


def test_a_longer_axis_grows_every_array_and_keeps_what_is_there(tmp_path: Path) -> None:
    layout_of(hours(0, 4), block=4).create(tmp_path / "s")
    kept = np.ones((4, 2, 5))
    write_table(tmp_path / "s", "moments", 0, kept, 4)
    layout_of(hours(0, 6), block=4).grow(tmp_path / "s")
    shapes = {name: meta_of(tmp_path / "s" / name)["shape"] for name in ("t", "u", "time", "difference_moments")}
    assert shapes == {"t": [6, 3, 4], "u": [6, 3, 4], "time": [6], "difference_moments": [6, 2, 5]}
    assert np.diff(read_array(tmp_path / "s" / "time")).tolist() == [3600] * 5
    np.testing.assert_array_equal(zarr.open_array(tmp_path / "s" / "moments", mode="r")[:4], kept)

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import pytest

from py4cast.cubes.base import Planes
from py4cast.cubes.store.layout import ABSENT, checksum, shard_index
from py4cast.cubes.store.packing import Packing
from py4cast.cubes.store.shard import Shard
from py4cast.errors import DataError
from tests.cubes.numbered import value

BLOCK, SHAPE = 5, (3, 4)
PACKED = Packing("uint16", 2.0**-5, 0.0)


def write_shard(path: Path, planes: Mapping[int, Planes], packing: Packing, order: tuple[int, ...] = ()) -> Path:
    """A file of these planes by position, in this order or in theirs."""
    index, raw = np.full((BLOCK, 2), ABSENT, dtype=np.uint64), b""
    for position in order or planes:
        chunk = packing.encode(planes[position], "x").tobytes()
        index[position] = (len(raw), len(chunk) + 4)
        raw += chunk + checksum(chunk)
    path.write_bytes(raw + shard_index(index))
    return path


@pytest.fixture(params=["float32", "uint16"])
def packing(request: pytest.FixtureRequest) -> Packing:
    return Packing() if request.param == "float32" else PACKED


@pytest.fixture
def shard(tmp_path: Path, packing: Packing) -> Iterator[Shard]:
    path = write_shard(tmp_path / "0", {i: value(0, i) for i in range(4)}, packing)
    opened = Shard(path, BLOCK, SHAPE, packing, True)
    yield opened
    opened.close()


def empty(count: int, shape: tuple[int, int] = SHAPE) -> Planes:
    return np.full((count, *shape), -9, dtype=np.float32)


def test_a_plane_is_compared_once_and_then_copied(shard: Shard, packing: Packing) -> None:
    out = empty(2)
    assert shard.is_plain == (packing.kind == "float32") and shard.values is not None and len(shard.values) == 4
    assert not shard.copy(1, 3, out) and (out == -9).all(), "nothing was compared as yet"
    assert shard.read(1, 3, out) is None
    np.testing.assert_array_equal(out, [value(0, 1), value(0, 2)])
    again = empty(2)
    assert shard.copy(1, 3, again) and not shard.copy(0, 2, empty(2))
    np.testing.assert_array_equal(again, out)
    assert shard.read(0, 1, empty(1)) is None and shard.read(3, 4, empty(1)) is None
    assert shard.is_compared and shard.copy(0, 4, empty(4)) and not shard.copy(3, 5, empty(2)), "the last is absent"


def test_a_window_is_copied_of_planes_that_were_compared(shard: Shard) -> None:
    rows, columns, out = slice(0, 3, 2), slice(1, 3), empty(2, (2, 2))
    assert not shard.copy_window(1, 3, rows, columns, out)
    shard.read(1, 3, empty(2))
    assert shard.copy_window(1, 3, rows, columns, out) and not shard.copy_window(0, 2, rows, columns, empty(2, (2, 2)))
    np.testing.assert_array_equal(out, [value(0, 1)[rows, columns], value(0, 2)[rows, columns]])
    shard.read(0, 5, empty(5))
    assert shard.is_compared and not shard.copy_window(3, 5, rows, columns, empty(2, (2, 2)))


@pytest.mark.parametrize("order", [(0, 1, 3, 4), (4, 1, 0, 3)])
def test_missing_planes_are_nan_and_the_order_in_the_file_is_free(
    tmp_path: Path, packing: Packing, order: tuple[int, ...]
) -> None:
    path = write_shard(tmp_path / "0", {i: value(0, i) for i in (0, 1, 3, 4)}, packing, order)
    shard, out = Shard(path, BLOCK, SHAPE, packing, True), empty(5)
    assert shard.values is None, "planes at uneven distances are not mapped"
    assert shard.read(0, 5, out) is None and not shard.copy(0, 1, empty(1)) and not shard.is_compared
    np.testing.assert_array_equal(out[[0, 1, 3, 4]], [value(0, i) for i in (0, 1, 3, 4)])
    assert np.isnan(out[2]).all()
    shard.close()


def test_rows_that_do_not_follow_each_other_in_memory_are_filled_too(shard: Shard) -> None:
    whole = np.full((2, 3, 9), -9, dtype=np.float32)
    assert shard.read(2, 4, whole[:, :, 2:6]) is None
    np.testing.assert_array_equal(whole[:, :, 2:6], [value(0, 2), value(0, 3)])
    assert (whole[:, :, :2] == -9).all() and (whole[:, :, 6:] == -9).all()


def test_a_store_that_memory_does_not_hold_is_read_and_compared_each_time(tmp_path: Path, packing: Packing) -> None:
    path = write_shard(tmp_path / "0", {i: value(0, i) for i in range(4)}, packing)
    shard = Shard(path, BLOCK, SHAPE, packing, False)
    assert shard.values is None and shard.read(0, 4, empty(4)) is None and not shard.copy(0, 4, empty(4))
    raw = bytearray(path.read_bytes())
    raw[packing.dtype.itemsize * 12 + 4 + 7] ^= 1
    path.write_bytes(raw)
    assert shard.read(0, 4, empty(4)) == 1, "the second plane"
    assert shard.read(2, 4, empty(2)) is None
    shard.close()


def test_a_damaged_plane_is_told_by_its_place_and_never_copied(tmp_path: Path, packing: Packing) -> None:
    path = write_shard(tmp_path / "0", {i: value(0, i) for i in range(4)}, packing)
    raw = bytearray(path.read_bytes())
    raw[2 * (packing.dtype.itemsize * 12 + 4) + 3] ^= 64
    path.write_bytes(raw)
    shard = Shard(path, BLOCK, SHAPE, packing, True)
    assert shard.read(0, 4, empty(4)) == 2 and shard.read(2, 3, empty(1)) == 0 and shard.read(1, 3, empty(2)) == 1
    assert not shard.copy(2, 3, empty(1)) and not shard.copy_window(2, 3, slice(0, 1), slice(0, 1), empty(1, (1, 1)))
    assert shard.read(0, 2, empty(2)) is None and shard.copy(0, 2, empty(2)) and not shard.is_compared
    shard.close()


def test_a_file_that_is_not_there_holds_nothing(tmp_path: Path) -> None:
    shard, out = Shard(tmp_path / "0", BLOCK, SHAPE, Packing(), True), empty(5)
    assert shard.descriptor == -1 and shard.num_bytes == 0 and (shard.index == ABSENT).all()
    assert shard.read(0, 5, out) is None and np.isnan(out).all()


@pytest.mark.parametrize("spoil", ["flip", "cut", "empty"])
def test_a_damaged_index_is_refused_and_the_file_closed(tmp_path: Path, spoil: str) -> None:
    path = write_shard(tmp_path / "0", {i: value(0, i) for i in range(4)}, Packing())
    raw = bytearray(path.read_bytes())
    raw[-30] ^= 1
    path.write_bytes({"flip": bytes(raw), "cut": path.read_bytes()[:-8], "empty": b""}[spoil])
    open_files = len(list(Path("/proc/self/fd").iterdir()))
    with pytest.raises(
        DataError, match=r"0: damaged shard \(its index fails the checksum\); remove it and prepare the store again"
    ):
        Shard(path, BLOCK, SHAPE, Packing(), True)
    assert len(list(Path("/proc/self/fd").iterdir())) <= open_files


def test_a_closed_shard_gives_nothing_back(shard: Shard) -> None:
    shard.read(0, 4, empty(4))
    shard.close()
    shard.close()
    assert shard.descriptor == -1 and shard.values is None and not shard.copy(0, 1, empty(1))

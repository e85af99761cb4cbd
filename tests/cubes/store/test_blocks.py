import hashlib
import struct
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest
import zarr

from py4cast.axis import Instant, TimeAxis
from py4cast.cubes.base import Planes
from py4cast.cubes.store.blocks import BlockJob, counts_path, write_block
from py4cast.cubes.store.layout import StoreLayout, checksum
from py4cast.cubes.store.packing import Packing
from py4cast.errors import DataError
from py4cast.variables import Variable
from tests.cubes.numbered import GRID, forecasts, hours, value

CHUNK = 4 * 12 + 4
NOTHING = [0.0, 0.0, 0.0, np.inf, -np.inf]


class Held:
    """Planes that are held by the place of their instant on an axis."""

    def __init__(self, axis: TimeAxis, planes: Mapping[str, Mapping[int, Planes]]) -> None:
        self.places = {axis.instant(i): i for i in range(axis.size)}
        self.planes, self.is_closed = planes, False

    def part(self, instants: Sequence[Instant]) -> "Held":
        return self

    def read(self, name: str, instant: Instant) -> Planes | None:
        return self.planes[name].get(self.places[instant])

    def close(self) -> None:
        self.is_closed = True


def job_of(
    folder: Path, axis: TimeAxis, planes: Mapping[str, Mapping[int, Planes]], number: int = 0, block: int = 4,
    nan: str = "forbid", **packings: Packing,
) -> BlockJob:  # fmt: skip
    """The job of one block of a store that is created where there is none."""
    variables = [Variable(name=n, units="K", nan="mask" if nan == "mask" else "forbid") for n in planes]
    layout = StoreLayout(variables, GRID, axis, packings, block)
    if not folder.exists():
        layout.create(folder)
    places = layout.instants(number)
    before = None if axis.is_first[places.start] else axis.instant(places.start - 1)
    return BlockJob(folder, layout, number, Held(axis, planes), [axis.instant(i) for i in places], before)


def moments_in(folder: Path, name: str) -> np.ndarray:
    return np.asarray(zarr.open_array(folder / name, mode="r")[...])


def test_a_shard_is_chunks_with_checksums_and_an_index(tmp_path: Path) -> None:
    planes = {i: value(0, i) for i in (0, 1, 3)}
    line = write_block(job_of(tmp_path / "s", hours(0, 4), {"t": planes}))
    chunks = [planes[i].astype("<f4").tobytes() for i in (0, 1, 3)]
    index = struct.pack("<8Q", 0, CHUNK, CHUNK, CHUNK, 2**64 - 1, 2**64 - 1, 2 * CHUNK, CHUNK)
    raw = b"".join(c + checksum(c) for c in chunks) + index + checksum(index)
    assert (tmp_path / "s" / "t" / "c" / "0" / "0" / "0").read_bytes() == raw
    digest = hashlib.sha256(b"".join(checksum(c) for c in chunks) + index + checksum(index)).digest()
    sums = np.array([[struct.unpack("<I", checksum(c))[0]] for c in chunks], dtype="<u4")[[0, 1, 1, 2]]
    sums[2] = 0
    tables = line.pop("tables")
    assert tables["checksums"] == struct.unpack("<I", checksum(sums.tobytes()))[0]
    assert set(tables) == {"moments", "difference_moments", "checksums"}
    np.testing.assert_array_equal(zarr.open_array(tmp_path / "s" / "checksums", mode="r")[...], sums)
    assert line == {
        "block": 0,
        "count": 4,
        "sha256": hashlib.sha256(digest).hexdigest(),
        "bytes": [len(raw)],
        "missing": {"t": [2]},
    }
    held = zarr.open_array(tmp_path / "s" / "t", mode="r")[...]
    np.testing.assert_array_equal(held, [planes[i] if i in planes else np.full((3, 4), np.nan) for i in range(4)])


def test_moments_are_of_each_plane_and_of_its_step(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    planes = {n: {i: rng.standard_normal((3, 4)).astype(np.float32) for i in range(6)} for n in "tu"}
    del planes["u"][4]
    job = job_of(tmp_path / "s", hours(0, 6), planes)
    write_block(job)
    write_block(job_of(tmp_path / "s", hours(0, 6), planes, 1))
    fields, steps = (moments_in(tmp_path / "s", n) for n in ("moments", "difference_moments"))
    for row, name in enumerate("tu"):
        for i in range(6):
            plane, before = planes[name].get(i), planes[name].get(i - 1)
            step = None if plane is None or before is None else plane - before
            for held, values in ((fields, plane), (steps, step)):
                if values is None:
                    assert held[i, row].tolist() == NOTHING
                    continue
                wide = values.astype(np.float64)
                spread = ((wide - wide.mean()) ** 2).sum()
                expected = [12, wide.mean(), spread, wide.min(), wide.max()]
                np.testing.assert_allclose(held[i, row], expected, rtol=1e-9)


def test_no_step_crosses_the_start_of_a_run(tmp_path: Path) -> None:
    planes = {"t": {i: value(0, i) for i in range(6)}}
    for number in range(2):
        write_block(job_of(tmp_path / "s", forecasts([0, 12], [1, 2, 3]), planes, number, 3))
    steps = moments_in(tmp_path / "s", "difference_moments")[:, 0]
    assert steps[:, 0].tolist() == [0, 12, 12, 0, 12, 12] and steps[[1, 2, 4, 5], 1].tolist() == [1.0] * 4


def test_of_masked_variables_it_counts_where_they_hold_data(tmp_path: Path) -> None:
    planes = {"t": {i: value(0, i) for i in range(4)}, "u": {i: value(1, i) for i in (0, 3)}}
    planes["t"][1][0, 0] = np.nan
    planes["t"][2][:] = np.nan
    line = write_block(job_of(tmp_path / "s", hours(0, 4), planes, nan="mask"))
    counts = {n: np.fromfile(counts_path(tmp_path / "s", n, 0), dtype="<i4").reshape(3, 4) for n in "tu"}
    expected = np.full((3, 4), 3)
    expected[0, 0] = 2
    np.testing.assert_array_equal(counts["t"], expected)
    assert (counts["u"] == 2).all()
    assert line["missing"] == {"t": [2], "u": [1, 2]}, "a plane that holds nothing is a missing one"
    assert moments_in(tmp_path / "s", "moments")[:, 0, 0].tolist() == [12, 11, 0, 12]


def test_no_counts_are_kept_of_what_has_no_holes(tmp_path: Path) -> None:
    write_block(job_of(tmp_path / "s", hours(0, 2), {"t": {0: value(0, 0), 1: value(0, 1)}}))
    assert not (tmp_path / "s" / "counts").exists()


def test_places_of_missing_planes_count_from_the_start_of_the_store(tmp_path: Path) -> None:
    job = job_of(tmp_path / "s", hours(0, 6), {"t": {4: value(0, 4)}}, 1)
    told: list[int] = []
    line = write_block(job, lambda: told.append(1))
    assert (line["block"], line["count"], line["missing"]) == (1, 2, {"t": [5]})
    assert len(told) == 2 and isinstance(job.planes, Held) and job.planes.is_closed
    assert line["bytes"] == [CHUNK + 4 * 16 + 4], "the index is of a whole block"


def test_values_are_packed_and_what_does_not_fit_is_named_and_leaves_nothing(tmp_path: Path) -> None:
    planes = {"a": {0: value(0, 0), 1: value(0, 1)}, "t": {0: value(0, 0), 1: value(0, 1)}}
    packing = Packing("uint16", 2.0**-5, 0.0)
    write_block(job_of(tmp_path / "s", hours(0, 2), planes, t=packing))
    raw = (tmp_path / "s" / "t" / "c" / "0" / "0" / "0").read_bytes()
    np.testing.assert_array_equal(np.frombuffer(raw[:24], "<u2").reshape(3, 4), value(0, 0) * 32)
    planes["t"][1] = planes["t"][1] - 9
    job = job_of(tmp_path / "other", hours(0, 2), planes, t=packing)
    with pytest.raises(DataError, match=r"t of 2020-01-01T01:00:00: values from -8 to .* do not fit the packing"):
        write_block(job)
    assert isinstance(job.planes, Held) and job.planes.is_closed
    left = [p for n in ("a", "t") for p in (tmp_path / "other" / n).rglob("*") if p.is_file() and p.name != "zarr.json"]
    assert left == []

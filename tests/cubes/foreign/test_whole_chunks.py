"""Chunks that hold a whole entry are what zarr reads, whatever packs them; others are left to zarr."""

import json
from pathlib import Path

import numpy as np
import pytest
import zarr
from numcodecs import Blosc, Zlib

from py4cast.cubes.foreign.whole_chunks import whole_chunks
from py4cast.errors import DataError

VALUES = np.random.default_rng(0).standard_normal((4, 3, 2, 50)).astype(np.float32)


def array(path: Path, chunks: tuple[int, ...] = (1, 3, 2, 50), **words) -> Path:
    made = zarr.create_array(
        path, shape=VALUES.shape, chunks=chunks, dtype="<f4", zarr_format=2, fill_value=np.nan, **words
    )
    made[...] = VALUES
    return path


@pytest.mark.parametrize("compressor", [Blosc("lz4"), Zlib(1), None], ids=["blosc", "zlib", "plain"])
def test_entries_are_those_of_zarr(tmp_path: Path, compressor) -> None:
    reader = whole_chunks(array(tmp_path / "a", compressors=compressor))
    assert reader is not None
    room = reader.room()
    for index in (2, 0, 3):
        np.testing.assert_array_equal(reader.read(index, room), VALUES[index])
    next(tmp_path.glob("a/1.0*")).unlink()
    assert np.isnan(reader.read(1)).all(), "a chunk that was never written"


def test_others_are_left_to_zarr(tmp_path: Path) -> None:
    assert whole_chunks(array(tmp_path / "parts", chunks=(1, 3, 2, 25))) is None
    assert whole_chunks(array(tmp_path / "two", chunks=(2, 3, 2, 50))) is None
    zarr.create_array(tmp_path / "three", shape=(4, 3), chunks=(1, 3), dtype="<f4", zarr_format=3)
    assert whole_chunks(tmp_path / "three") is None and whole_chunks(tmp_path / "none") is None


def test_a_forged_separator_leads_nowhere(tmp_path: Path) -> None:
    path = array(tmp_path / "a", compressors=Zlib(1))
    document = json.loads((path / ".zarray").read_text())
    (path / ".zarray").write_text(json.dumps({**document, "dimension_separator": "/../../../etc/"}))
    assert whole_chunks(path) is None
    (path / ".zarray").write_text(json.dumps({**document, "dimension_separator": "/"}))
    for old in list(path.glob("[0-9]*")):
        (path / old.name[0] / "0" / "0").mkdir(parents=True)
        old.rename(path / old.name[0] / "0" / "0" / "0")
    reader = whole_chunks(path)
    assert reader is not None
    np.testing.assert_array_equal(reader.read(2), VALUES[2])


@pytest.mark.parametrize("content", [b"", b"nonsense", None], ids=["empty", "nonsense", "another size"])
def test_a_damaged_chunk_is_named(tmp_path: Path, content: bytes | None) -> None:
    reader = whole_chunks(array(tmp_path / "a", compressors=Zlib(1)))
    chunk = next(tmp_path.glob("a/1.0*"))
    chunk.write_bytes(Zlib(1).encode(VALUES[1, :2].tobytes()) if content is None else content)
    assert reader is not None
    with pytest.raises(DataError, match=r"1\.0\.0\.0: the chunk cannot be read"):
        reader.read(1)

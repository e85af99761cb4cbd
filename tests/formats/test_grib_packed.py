"""Fields read without a handle of ecCodes have its values, to the last bit, or are left to it."""

import random
from pathlib import Path
from typing import Any

import eccodes
import numpy as np
import pytest

from py4cast.formats import open_reader
from py4cast.formats.grib import GribReader
from py4cast.formats.grib_headers import message_length
from py4cast.formats.grib_packed import packed_values

ROWS, COLUMNS = 7, 9


def message(edition: int, bits: int = 16, decimal: int = 0, packing: str = "grid_simple", holes: int = 0, mean: float = 280.0) -> bytes:  # fmt: skip
    handle = eccodes.codes_grib_new_from_samples(f"regular_ll_sfc_grib{edition}")
    try:
        keys: dict[str, Any] = {
            "Ni": COLUMNS, "Nj": ROWS, "latitudeOfFirstGridPointInDegrees": 60, "latitudeOfLastGridPointInDegrees": 54,
            "longitudeOfFirstGridPointInDegrees": 0, "longitudeOfLastGridPointInDegrees": 8,
            "iDirectionIncrementInDegrees": 1, "jDirectionIncrementInDegrees": 1, "decimalPrecision": decimal,
        }  # fmt: skip
        for key, value in keys.items():
            eccodes.codes_set(handle, key, value)
        values = mean + np.random.default_rng(bits).normal(0, 5, ROWS * COLUMNS)
        if holes:
            eccodes.codes_set(handle, "bitmapPresent", 1)
            eccodes.codes_set(handle, "missingValue", 1e30)
            values[:: ROWS * COLUMNS // holes] = 1e30
        eccodes.codes_set_values(handle, values)
        if packing != "grid_simple":
            eccodes.codes_set(handle, "packingType", packing)
        if not decimal:
            eccodes.codes_set(handle, "bitsPerValue", bits)
        if packing != "grid_simple" or not decimal:
            eccodes.codes_set_values(handle, values)
        return bytes(eccodes.codes_get_message(handle))
    finally:
        eccodes.codes_release(handle)


def by_eccodes(data: bytes) -> tuple[np.ndarray, dict[str, Any]]:
    handle = eccodes.codes_new_from_message(data)
    try:
        eccodes.codes_set(handle, "missingValue", -1e34)
        keys = ("packingType", "bitsPerValue", "decimalScaleFactor", "binaryScaleFactor")
        told = {key: eccodes.codes_get(handle, key) for key in keys}
        values = eccodes.codes_get_values(handle)
        return np.where(values == -1e34, np.nan, values), told
    finally:
        eccodes.codes_release(handle)


@pytest.mark.parametrize(("edition", "packing"), [(1, "grid_simple"), (2, "grid_simple"), (2, "grid_ccsds")])
@pytest.mark.parametrize("holes", [0, 5])
def test_every_width_gives_the_values_of_eccodes(edition: int, packing: str, holes: int) -> None:
    widths = set()
    for bits in (*range(1, 25), 28, 32):
        data = message(edition, bits, packing=packing, holes=holes)
        expected, told = by_eccodes(data)
        values = packed_values(data, ROWS * COLUMNS)
        assert told["packingType"] == packing and values is not None, told
        np.testing.assert_array_equal(values, expected)
        widths.add(told["bitsPerValue"])
    assert len(widths) > 20


@pytest.mark.parametrize("edition", [1, 2])
@pytest.mark.parametrize("decimal", [-2, 1, 2, 3, 5])
def test_decimal_scales_give_the_values_of_eccodes(edition: int, decimal: int) -> None:
    data = message(edition, decimal=decimal, mean=-3e4 if decimal < 0 else -12.5)
    expected, told = by_eccodes(data)
    assert told["decimalScaleFactor"] == decimal
    np.testing.assert_array_equal(packed_values(data, ROWS * COLUMNS), expected)


@pytest.mark.parametrize("packing", ["grid_complex", "grid_ieee"])
def test_other_packings_are_left_to_eccodes(packing: str) -> None:
    data = message(2, packing=packing)
    assert by_eccodes(data)[1]["packingType"] == packing and packed_values(data, ROWS * COLUMNS) is None


def test_a_constant_field_is_left_to_eccodes() -> None:
    handle = eccodes.codes_grib_new_from_samples("regular_ll_sfc_grib2")
    eccodes.codes_set_values(handle, np.full(eccodes.codes_get(handle, "numberOfValues"), 3.0))
    data = bytes(eccodes.codes_get_message(handle))
    eccodes.codes_release(handle)
    assert by_eccodes(data)[1]["bitsPerValue"] == 0 and packed_values(data, ROWS * COLUMNS) is None


def test_without_the_library_ccsds_is_left_to_eccodes(monkeypatch: pytest.MonkeyPatch) -> None:
    data = message(2, packing="grid_ccsds")
    assert packed_values(data, ROWS * COLUMNS) is not None
    monkeypatch.setattr("py4cast.formats.aec._library", lambda: None)
    assert packed_values(data, ROWS * COLUMNS) is None


@pytest.mark.parametrize("packing", ["grid_simple", "grid_ccsds"])
def test_a_message_of_another_size_takes_no_memory(packing: str) -> None:
    data = bytearray(message(2, packing=packing))
    at = bytes(data).index(b"\x05", 100)
    while int.from_bytes(data[at - 4 : at], "big") not in (21, 25) or data[at] != 5:
        at = bytes(data).index(b"\x05", at + 1)
    data[at + 1 : at + 5] = (2**32 - 1).to_bytes(4, "big")
    assert packed_values(bytes(data), ROWS * COLUMNS) is None and packed_values(message(2), 62) is None


@pytest.mark.parametrize(("edition", "packing"), [(1, "grid_simple"), (2, "grid_simple"), (2, "grid_ccsds")])
def test_damaged_messages_raise_nothing(edition: int, packing: str) -> None:
    rng, counts = random.Random(edition), {"read": 0, "left": 0}
    data = message(edition, 12, packing=packing, holes=4)
    for _ in range(2000):
        broken = bytearray(data)
        for _ in range(rng.randint(1, 4)):
            broken[rng.randrange(4, len(broken))] = rng.randrange(256)
        if rng.random() < 0.3:
            broken = broken[: rng.randrange(20, len(broken))] + b"7777"
        values = packed_values(bytes(broken), ROWS * COLUMNS)
        counts["left" if values is None else "read"] += 1
        assert values is None or values.size <= 8 * len(data)
    assert min(counts.values()) > 100, counts


def test_lengths_of_messages() -> None:
    for edition in (1, 2):
        data = message(edition)
        assert message_length(data[:16]) == len(data)
    assert message_length(b"GRIB") == 0 and message_length(b"BUFR" + bytes(12)) == 0
    assert message_length(b"GRIB" + b"\x80\x00\x10\x01" + bytes(8)) == 0, "the other way of edition 1"


@pytest.mark.parametrize("edition", [1, 2])
def test_a_reader_gives_the_same_either_way(edition: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.grib"
    path.write_bytes(b"".join(message(edition, bits, holes=holes) for bits, holes in ((16, 0), (12, 0), (16, 5))))
    calls: list[int] = []
    real = eccodes.codes_get_values
    monkeypatch.setattr(eccodes, "codes_get_values", lambda handle: calls.append(1) or real(handle))
    with open_reader(path) as reader:
        assert type(reader) is GribReader
        records = reader.records()
        fields = [reader.read(r) for r in records]
        assert len(calls) == 1, "the first on its grid; then ecCodes is not asked"
        again = [reader.read(r) for r in records]
        assert len(calls) == 1
        monkeypatch.setattr(GribReader, "_packed", lambda self, record: None)
        expected = [reader.read(r) for r in records]
    for field, other, whole in zip(fields, again, expected, strict=True):
        np.testing.assert_array_equal(field, whole)
        np.testing.assert_array_equal(other, whole)
        assert field.dtype == np.float32 and field.shape == (ROWS, COLUMNS) and field.flags.c_contiguous
    assert np.isnan(fields[2]).sum() == 5 + 1


def test_a_file_that_shrinks_is_named(tmp_path: Path) -> None:
    from py4cast.errors import DataError

    path, data = tmp_path / "a.grib", message(2)
    path.write_bytes(2 * data)
    with open_reader(path) as reader:
        first, second = reader.records()
        reader.read(first)
        path.write_bytes(data + data[:40])
        with pytest.raises(DataError, match=r"a\.grib"):
            reader.read(second)

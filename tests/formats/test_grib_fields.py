from pathlib import Path

import eccodes
import numpy as np
import pytest

from py4cast.errors import DataError
from py4cast.formats import open_reader
from py4cast.formats.grib_fields import fields_of


def sections(message: bytes) -> list[tuple[int, bytes]]:
    """Number and bytes of the sections between the first and the end."""
    parts, place = [], 16
    while place < len(message) - 4:
        size = int.from_bytes(message[place : place + 4], "big")
        parts.append((message[place + 4], message[place : place + size]))
        place += size
    return parts


def single(number: int, value: float) -> bytes:
    """A GRIB 2 message of wind component `number`, the same value in all cells but one."""
    handle = eccodes.codes_grib_new_from_samples("regular_ll_sfc_grib2")
    size = eccodes.codes_get_size(handle, "values")
    eccodes.codes_set(handle, "parameterCategory", 2)
    eccodes.codes_set(handle, "parameterNumber", number)
    eccodes.codes_set_values(handle, np.append(np.full(size - 1, value), 0.0))
    message = bytes(eccodes.codes_get_message(handle))
    eccodes.codes_release(handle)
    return message


def together(*messages: bytes) -> bytes:
    """One message of the fields of several on the same grid."""
    body = b"".join(part for _, part in sections(messages[0]))
    for message in messages[1:]:
        body += b"".join(part for number, part in sections(message) if number >= 4)
    head = messages[0][:8] + (16 + len(body) + 4).to_bytes(8, "big")
    return head + body + b"7777"


def test_a_message_of_two_fields_is_taken_apart_into_those_it_was_made_of() -> None:
    u, v = single(2, 3.0), single(3, -7.0)
    assert fields_of(together(u, v)) == [u, v]
    assert fields_of(u) == [u]
    first = b"GRIB" + bytes(3) + b"\x01" + bytes(20)
    assert fields_of(first) == [first], "edition 1 holds one"


def test_all_fields_of_a_message_are_read(tmp_path: Path) -> None:
    path = tmp_path / "uv.grib2"
    path.write_bytes(together(single(2, 3.0), single(3, -7.0)) + single(2, 11.0))
    with open_reader(path) as reader:
        records = reader.records()
        assert [r.short_name for r in records] == ["u", "v", "u"]
        values = [float(reader.read(r).ravel()[0]) for r in reversed(records)]
    assert values == pytest.approx([11.0, -7.0, 3.0], abs=1e-2)


def test_sections_that_do_not_fit_are_refused() -> None:
    message = bytearray(together(single(2, 3.0), single(3, -7.0)))
    message[16:20] = (10**6).to_bytes(4, "big")
    with pytest.raises(DataError, match="a section at byte 16 of a message does not fit it"):
        fields_of(bytes(message))

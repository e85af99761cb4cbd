import struct
from collections.abc import Callable
from pathlib import Path

import eccodes
import numpy as np
import pytest

from py4cast.formats.grib_headers import Header, headers_of

TIME = (2024, 2, 29, 18, 30)
CENTURY_AND_YEAR = {1999: (20, 99), 2000: (20, 100), 2001: (21, 1), 2024: (21, 24)}


def section(number: int, content: bytes) -> bytes:
    return struct.pack(">IB", 5 + len(content), number) + content


def second(
    time: tuple[int, ...] = TIME, discipline: int = 0, grid: bytes = b"grid", product: bytes = b"2t", extra: bytes = b""
) -> bytes:
    """A message of edition 2, by its sections (WMO-No. 306, FM 92)."""
    when = struct.pack(">H5B", *time, 0)
    identification = section(1, struct.pack(">HHBBB", 98, 0, 30, 0, 1) + when + bytes([0, 1]))
    body = identification + section(3, grid) + section(4, product) + section(7, bytes(12)) + extra + b"7777"
    return b"GRIB" + bytes([0, 0, discipline, 2]) + struct.pack(">Q", 16 + len(body)) + body


def first(time: tuple[int, ...] = TIME, parameter: int = 167, grid: bytes = b"grid", size: int = 28) -> bytes:
    """A message of edition 1, by its sections."""
    century, year = CENTURY_AND_YEAR[time[0]]
    flags = 0x80 if grid else 0
    product = size.to_bytes(3, "big") + bytes([128, 98, 145, 255, flags, parameter, 1, 0, 0, year, *time[1:]])
    product += bytes([1, 6, 0, 0, 0, 0, 0, century, 0, 0, 0])
    description = (3 + len(grid)).to_bytes(3, "big") + grid if grid else b""
    body = product[:size] + description + bytes(12) + b"7777"
    return b"GRIB" + (8 + len(body)).to_bytes(3, "big") + b"\x01" + body


def parsed(tmp_path: Path, content: bytes) -> list[Header] | None:
    path = tmp_path / "f.grib"
    path.write_bytes(content)
    return headers_of(path)


def headers(tmp_path: Path, *messages: bytes) -> list[Header]:
    given = parsed(tmp_path, b"".join(messages))
    assert given is not None
    return given


def test_messages_of_both_editions_stand_where_they_begin(tmp_path: Path) -> None:
    heading, between = b"\x01\r\r\n123 HEAD ", b"\0" * 7
    given = headers(tmp_path, heading, second(), between, first(), second())
    begin = [len(heading), len(heading + second() + between), len(heading + second() + between + first())]
    assert [h.offset for h in given] == begin
    assert [h.init_time for h in given] == [np.datetime64("2024-02-29T18:30", "s")] * 3
    assert given[0].identity == given[2].identity != given[1].identity


@pytest.mark.parametrize("make", [first, second])
@pytest.mark.parametrize("later", [(1999, 12, 31, 23, 59), (2000, 1, 1, 0, 0), (2001, 3, 4, 5, 6)])
def test_the_reference_time_alone_makes_no_other_field(
    tmp_path: Path, make: Callable[..., bytes], later: tuple[int, ...]
) -> None:
    one, other = headers(tmp_path, make(), make(later))
    assert (one.identity, one.geometry) == (other.identity, other.geometry)
    year, month, day, hour, minute = later
    assert other.init_time == np.datetime64(f"{year}-{month:02}-{day:02}T{hour:02}:{minute:02}", "s")


def test_another_parameter_or_grid_is_another_field(tmp_path: Path) -> None:
    known, *others = headers(
        tmp_path, second(), second(discipline=10), second(product=b"2d"), second(grid=b"GRID"), first(),
        first(parameter=168), first(grid=b"GRID"),
    )  # fmt: skip
    assert [(h.identity != known.identity, h.geometry != known.geometry) for h in others[:3]] == [
        (True, False), (True, False), (False, True),
    ]  # fmt: skip
    old, *others = others[3:]
    assert [(h.identity != old.identity, h.geometry != old.geometry) for h in others] == [(True, False), (False, True)]


def test_sections_of_the_grid_are_given_whole(tmp_path: Path) -> None:
    given = headers(tmp_path, second(), first(), first(grid=b""))
    assert [h.geometry for h in given] == [section(3, b"grid"), b"\0\0\x07grid", b""]


@pytest.mark.parametrize("make", [first, second])
def test_an_impossible_date_is_no_time(tmp_path: Path, make: Callable[..., bytes]) -> None:
    (header,) = headers(tmp_path, make((2001, 2, 29, 0, 0)))
    assert header.init_time is None


@pytest.mark.parametrize("edition", [1, 2])
def test_samples_of_eccodes_are_dated_as_it_does(tmp_path: Path, edition: int) -> None:
    handle = eccodes.codes_grib_new_from_samples(f"regular_ll_sfc_grib{edition}")
    eccodes.codes_set(handle, "dataDate", 20241231)
    eccodes.codes_set(handle, "dataTime", 2145)
    message = eccodes.codes_get_message(handle)
    eccodes.codes_release(handle)
    one, other = headers(tmp_path, message, message)
    assert one.init_time == np.datetime64("2024-12-31T21:45", "s")
    assert other == one._replace(offset=len(message))


LARGE = first()[:4] + (0x800000 | len(first())).to_bytes(3, "big") + first()[7:]
SHORT = first()[:4] + (39).to_bytes(3, "big") + first()[7:]


@pytest.mark.parametrize(
    "content",
    [
        b"", b"no message", b"GRIB", second()[:7] + b"\x03" + second()[8:], second()[:12], second()[:-1], first()[:-1],
        second()[:-4] + b"7778", second(extra=section(4, b"2d")), second(extra=section(9, b"")),
        second(extra=struct.pack(">IB", 4, 6)), second(grid=b"").replace(section(3, b""), section(2, b"")), LARGE, SHORT,
        first(size=27), second() + second()[:-1],
    ],
    ids=[
        "empty", "no message", "only a mark", "unknown edition", "cut in section 0", "cut", "cut, edition 1",
        "no end", "two fields", "unknown section", "too short a section", "no grid", "large", "too short",
        "short product", "second one cut",
    ],
)  # fmt: skip
def test_what_is_out_of_the_ordinary_is_left_to_eccodes(tmp_path: Path, content: bytes) -> None:
    assert parsed(tmp_path, content) is None

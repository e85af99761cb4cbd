"""The headers of GRIB messages, read without decoding: where each begins, when it starts, and the bytes that say what it is.

Of every message the identification, grid and product sections are looked at (WMO, 2019, Manual on Codes, WMO-No. 306,
FM 92). Bytes that are equal but for the reference time mean the same field, so that ecCodes is asked once for each.
"""

import mmap
import struct
from pathlib import Path
from typing import NamedTuple

import numpy as np

__all__ = ["Header", "headers_of", "message_length"]

_END = b"7777"
_LARGE = 0x800000


class Header(NamedTuple):
    """Where a message begins, what its field is, on which grid, and from when."""

    offset: int
    identity: bytes
    geometry: bytes
    init_time: np.datetime64 | None


def headers_of(path: Path) -> list[Header] | None:
    """The headers of a file's messages; None where anything is out of the ordinary, for ecCodes to tell what."""
    headers: list[Header] = []
    with path.open("rb") as stream:
        try:
            data = mmap.mmap(stream.fileno(), 0, prot=mmap.PROT_READ)
        except (ValueError, OSError):
            return None
        with data:
            at = data.find(b"GRIB")
            while at >= 0:
                edition = data[at + 7] if at + 8 <= len(data) else 0
                parsed = {1: _first, 2: _second}.get(edition, _unknown)(data, at)
                if parsed is None:
                    return None
                header, length = parsed
                if at + length > len(data) or data[at + length - 4 : at + length] != _END:
                    return None
                headers.append(header)
                at = data.find(b"GRIB", at + length)
    return headers or None


def message_length(head: bytes) -> int:
    """The length of a message whose first 16 bytes are given; 0 where they tell none."""
    if len(head) < 16 or head[:4] != b"GRIB":
        return 0
    if head[7] == 2:
        return int(struct.unpack(">Q", head[8:16])[0])
    length = int.from_bytes(head[4:7], "big")
    # edition 1 has another way to tell lengths of more than 8 MB
    return 0 if head[7] != 1 or length & _LARGE else length


def _unknown(data: mmap.mmap, at: int) -> tuple[Header, int] | None:
    return None


def _time(year: int, month: int, day: int, hour: int, minute: int) -> np.datetime64 | None:
    try:
        return np.datetime64(f"{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}", "s")
    except ValueError:
        return None


def _first(data: mmap.mmap, at: int) -> tuple[Header, int] | None:
    """Edition 1: product definition, then grid description."""
    length = message_length(data[at : at + 16])
    if length < 40:
        return None
    size = int.from_bytes(data[at + 8 : at + 11], "big")
    product = data[at + 8 : at + 8 + size]
    if len(product) < 28:
        return None
    grid = b""
    if product[7] & 0x80:
        start = at + 8 + size
        grid = data[start : start + int.from_bytes(data[start : start + 3], "big")]
    year = (product[24] - 1) * 100 + product[12]
    when = _time(year, product[13], product[14], product[15], product[16])
    identity = b"1" + product[:12] + product[17:24] + product[25:]
    return Header(at, identity, grid, when), length


def _second(data: mmap.mmap, at: int) -> tuple[Header, int] | None:
    """Edition 2: identification, grid definition, product definition; one field per message."""
    if at + 16 > len(data):
        return None
    length = message_length(data[at : at + 16])
    place, sections = at + 16, dict[int, bytes]()
    while place < at + length - 4 and place + 5 <= len(data):
        size, number = struct.unpack(">IB", data[place : place + 5])
        if size < 5 or number > 7 or number in sections:
            return None  # damaged, or several fields in one message
        sections[number] = data[place : place + size] if number in (1, 3, 4) else b""
        place += size
    section = sections.get(1, b"")
    if len(section) < 21 or not sections.get(3) or not sections.get(4):
        return None
    when = _time(struct.unpack(">H", section[12:14])[0], section[14], section[15], section[16], section[17])
    identity = b"2" + data[at + 6 : at + 7] + section[:12] + section[19:] + sections[4]
    return Header(at, identity, sections[3], when), length

"""GRIB 2 messages that hold several fields, taken apart into messages of one field each.

Sections 2 to 7, 3 to 7 or 4 to 7 may stand again before the end (WMO, 2019, Manual on Codes, WMO-No. 306, FM 92); a field takes
what was said last before its data, and a bitmap that is "as before" is the one that was said before.
"""

import struct

from py4cast.errors import DataError

__all__ = ["fields_of"]

_END = b"7777"
_DATA, _BITMAP = 7, 6
_AS_BEFORE, _INDICATOR = 254, 5


def fields_of(message: bytes) -> list[bytes]:
    """The message as one per field; itself alone where it holds one, or is of edition 1.

    Raises:
        DataError: sections that do not fit its length.
    """
    if message[7] != 2:
        return [message]
    sections: dict[int, bytes] = {}
    bitmap = b""
    fields: list[bytes] = []
    place = 16
    while place < len(message) - 4:
        size, number = struct.unpack(">IB", message[place : place + 5])
        if size < 5 or not 1 <= number <= _DATA or place + size > len(message) - 4:
            raise DataError(f"a section at byte {place} of a message does not fit it")
        section = message[place : place + size]
        if number == _BITMAP:
            if section[_INDICATOR] == _AS_BEFORE:
                section = bitmap or section
            bitmap = section
        sections[number] = section
        place += size
        if number == _DATA:
            body = b"".join(sections[n] for n in sorted(sections))
            fields.append(message[:8] + struct.pack(">Q", 16 + len(body) + len(_END)) + body + _END)
    return fields if len(fields) > 1 else [message]

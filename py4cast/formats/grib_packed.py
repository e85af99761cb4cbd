"""Values of GRIB messages in simple and CCSDS packing, without a handle of ecCodes, whose making takes as long as reading them.

    value = (X·2^E + R)·10^(−D)

X whole numbers of up to 32 bits, R the reference value, E and D the scale factors (WMO, 2019, Manual on Codes, WMO-No. 306,
FM 92: templates 5.0 and 5.42 of edition 2, section 4 of edition 1). The same operations in the same order as in ecCodes, so that
the values are the same to the last bit; what is out of the ordinary is left to it.
"""

import struct
from math import isfinite
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from py4cast.formats.aec import Coding, decode

__all__ = ["packed_values"]

_END = b"7777"
_SIGN = 0x8000
_NO_BITMAP = 255
_SIMPLE, _CCSDS = 0, 42
# a scale beyond it is damage, and would overflow
_LARGE = 1e100


class _Packed(NamedTuple):
    """The packed values of a message.

    Args:
        reference: R.
        binary: E.
        decimal: D.
        bits: of X.
        number: how many X there are.
        octets: in which they lie.
        is_there: where the grid has one; None for everywhere.
        coding: of CCSDS; None for simple packing.
    """

    reference: float
    binary: int
    decimal: int
    bits: int
    number: int
    octets: memoryview
    is_there: NDArray[np.bool_] | None
    coding: Coding | None = None

    @property
    def whole(self) -> NDArray[np.generic] | None:
        """X; None where the data do not hold them."""
        if self.coding is not None:
            return decode(self.octets, self.coding, self.number)
        if self.number * self.bits > 8 * len(self.octets):
            return None
        return _whole(self.octets, self.bits, self.number)


def packed_values(message: bytes, num_cells: int) -> NDArray[np.float64] | None:
    """The values of a message of one field in simple or CCSDS packing, NaN where its bitmap has none; None for any other.

    Args:
        message: whole.
        num_cells: of its grid, as it is known; a message that says otherwise is none of it.
    """
    if len(message) < 40 or message[-4:] != _END:
        return None
    packed = {1: _first, 2: _second}.get(message[7], _unknown)(memoryview(message))
    if packed is None or not 1 <= packed.bits <= 32:
        return None
    told = packed.number if packed.is_there is None else packed.is_there.size
    # before any memory is taken for them
    if told != num_cells or not 0 < packed.number <= num_cells:
        return None
    scale, unit = _power(packed.binary, 2), _power(-packed.decimal, 10)
    if not (isfinite(packed.reference) and 0 < scale < _LARGE and 0 < unit < _LARGE):
        return None
    whole = packed.whole
    if whole is None:
        return None
    values = whole.astype(np.float64)
    if packed.binary:
        values *= scale
    values += packed.reference
    if packed.decimal:
        values *= unit
    if packed.is_there is None:
        return values
    if np.count_nonzero(packed.is_there) != values.size:
        return None
    field = np.full(packed.is_there.size, np.nan)
    field[packed.is_there] = values
    return field


def _unknown(message: memoryview) -> _Packed | None:
    return None


def _second(message: memoryview) -> _Packed | None:
    """Edition 2: sections 5 to 7 of a message that has each once."""
    place, sections = 16, dict[int, memoryview]()
    while place < len(message) - 4:
        size, number = struct.unpack_from(">IB", message, place) if place + 5 <= len(message) else (0, 0)
        if size < 5 or number in sections or place + size > len(message) - 4:
            return None
        sections[number] = message[place : place + size]
        place += size
    if not {3, 5, 6, 7} <= sections.keys() or len(sections[3]) < 10 or len(sections[5]) < 21 or len(sections[6]) < 6:
        return None
    number, template, reference, binary, decimal, bits = struct.unpack_from(">IHfHHB", sections[5], 5)
    (num_cells,) = struct.unpack_from(">I", sections[3], 6)
    is_there, kind = None, sections[6][5]
    if kind != _NO_BITMAP:
        is_there = None if kind else _bits(sections[6][6:], num_cells)
        if is_there is None:
            return None
    elif number != num_cells:
        return None
    coding = None
    if template == _CCSDS and len(sections[5]) >= 25:
        coding = Coding(bits, *struct.unpack_from(">BBH", sections[5], 21))
    elif template != _SIMPLE:
        return None
    return _Packed(float(reference), _signed(binary), _signed(decimal), bits, number, sections[7][5:], is_there, coding)


def _first(message: memoryview) -> _Packed | None:
    """Edition 1: the scale of the product section, and the binary data section."""
    product, place = _section(message, 8)
    if len(product) < 28:
        return None
    if product[7] & 0x80:
        place = _section(message, place)[1]
    is_there = None
    if product[7] & 0x40:
        bitmap, place = _section(message, place)
        # one with a number is kept by the centre, not in the message
        if len(bitmap) < 7 or bitmap[4] or bitmap[5]:
            return None
        is_there = _bits(bitmap[6:], 8 * (len(bitmap) - 6) - bitmap[3])
    section, _ = _section(message, place)
    # of grid points, simple, no flags beside: spherical harmonics and packing of second order have one of these bits
    if len(section) < 12 or place + len(section) > len(message) - 4 or section[3] & 0xF0:
        return None
    bits, unused = section[10], section[3] & 0x0F
    number = (8 * (len(section) - 11) - unused) // max(bits, 1)
    if is_there is not None:
        number = min(number, int(np.count_nonzero(is_there)))
    binary, decimal = (struct.unpack_from(">H", part, at)[0] for part, at in ((section, 4), (product, 26)))
    return _Packed(_ibm(section[6:10]), _signed(binary), _signed(decimal), bits, number, section[11:], is_there)


def _section(message: memoryview, place: int) -> tuple[memoryview, int]:
    """A section of edition 1, and where the next one begins."""
    end = place + int.from_bytes(message[place : place + 3], "big")
    return message[place:end], end


def _bits(octets: memoryview, count: int) -> NDArray[np.bool_] | None:
    """The first bits of some octets; None where there are fewer."""
    if not 0 < count <= 8 * len(octets):
        return None
    return np.unpackbits(np.frombuffer(octets, dtype=np.uint8), count=count).view(np.bool_)


def _signed(number: int) -> int:
    """A number whose first bit of 16 is its sign."""
    return -(number & ~_SIGN) if number & _SIGN else number


def _ibm(octets: memoryview) -> float:
    """A number of IBM's: a sign, a power of 16 from −64, 24 bits of a fraction."""
    mantissa = int.from_bytes(octets[1:], "big")
    value = mantissa * 2.0**-24 * 16.0 ** ((octets[0] & 0x7F) - 64)
    return -value if octets[0] & 0x80 else value


def _power(exponent: int, base: int) -> float:
    """base^exponent by repeated products or quotients, as ecCodes makes it: 10^−3 is 1/10/10/10."""
    value = 1.0
    for _ in range(min(abs(exponent), 1000)):
        value = value / base if exponent < 0 else value * base
    return value


def _whole(octets: memoryview, bits: int, number: int) -> NDArray[np.generic]:
    """Whole numbers of so many bits each, one behind the other, the largest bit first."""
    if bits in (8, 16, 32):
        return np.frombuffer(octets, dtype=f">u{bits // 8}", count=number)
    # eight of them fill as many octets as one has bits: a row each, and a column of numbers at a time
    rows = -(-number // 8)
    padded = np.zeros(rows * bits, dtype=np.uint8)
    num_octets = min(len(octets), padded.size)
    padded[:num_octets] = np.frombuffer(octets, dtype=np.uint8, count=num_octets)
    columns = np.ascontiguousarray(padded.reshape(rows, bits).T)
    numbers = np.empty((rows, 8), dtype=np.uint64)
    for place in range(8):
        begin, end = place * bits, (place + 1) * bits
        last = (end - 1) // 8
        whole = columns[begin // 8].astype(np.uint64)
        for octet in range(begin // 8 + 1, last + 1):
            whole = whole << np.uint64(8) | columns[octet]
        numbers[:, place] = whole >> np.uint64(8 * (last + 1) - end) & np.uint64(2**bits - 1)
    return numbers.reshape(-1)[:number]

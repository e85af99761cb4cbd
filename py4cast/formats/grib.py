"""GRIB 1 and 2, read with ecCodes.

Every message is checked against its own length, so that a file that was cut or damaged is named instead of
read in part. No index files are written or read beside the data.
"""

import contextlib
import hashlib
import logging
import os
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import eccodes
import numpy as np
from numpy.typing import NDArray

from py4cast.errors import DataError
from py4cast.formats.base import ReaderABC, Record
from py4cast.formats.grib_fields import fields_of
from py4cast.formats.grib_headers import headers_of, message_length
from py4cast.formats.grib_keys import get_key, is_grib_key
from py4cast.formats.grib_maps import Order, map_grid
from py4cast.formats.grib_packed import packed_values
from py4cast.formats.grib_points import POINT_TYPES, mark_of, points_of
from py4cast.grid import Grid
from py4cast.variables import cf_name_in

__all__ = ["GribReader"]

# of one process: what the headers mean, and the grids that they describe, which many files share
logger = logging.getLogger(__name__)
_KNOWN: "OrderedDict[tuple[bytes, bytes], Record]" = OrderedDict()
_GRIDS: "OrderedDict[str, Grid]" = OrderedDict()
_MAX_KNOWN, _MAX_GRIDS = 20_000, 16
_SCANNING = ("jPointsAreConsecutive", "alternativeRowScanning", "iScansNegatively")
# number of a field that is alone in its message
_ALONE = -1
_STEP_SECONDS = {"s": 1, "m": 60, "h": 3600, "D": 86400}
_KEYS = (
    "stepType",
    "uvRelativeToGrid",
    "derivedForecast",
    "percentileValue",
    "probabilityType",
    "stepRange",
    "dataType",
    "expver",
    "paramId",
    "typeOfLevel",
    "discipline",
    "parameterCategory",
    "parameterNumber",
)
_GEOMETRY = (
    "gridType", "Ni", "Nj", "Nx", "Ny", "latitudeOfFirstGridPointInDegrees", "longitudeOfFirstGridPointInDegrees",
    "latitudeOfLastGridPointInDegrees", "longitudeOfLastGridPointInDegrees", "iScansNegatively", "jScansPositively",
    "LoVInDegrees", "Latin1InDegrees", "Latin2InDegrees", "DxInMetres", "DyInMetres", "alternativeRowScanning",
    "jPointsAreConsecutive", "LaDInDegrees", "orientationOfTheGridInDegrees", "projectionCentreFlag", "radius",
    "shapeOfTheEarth", "angleOfRotationInDegrees", "latitudeOfSouthernPoleInDegrees", "longitudeOfSouthernPoleInDegrees",
)  # fmt: skip


def _time(handle: int, date_key: str, time_key: str) -> np.datetime64 | None:
    date, time = get_key(handle, date_key, int), get_key(handle, time_key, int)
    if date is None or time is None:
        return None
    text = f"{date:08d}"
    try:
        day = np.datetime64(f"{text[:4]}-{text[4:6]}-{text[6:8]}", "s")
    except ValueError:
        return None
    return day + np.timedelta64(time // 100 * 60 + time % 100, "m")


def _duration(text: Any) -> np.timedelta64:
    """A GRIB step such as `6`, `30m` or the end of `0-6`."""
    end = str(text).split("-")[-1] or "0"
    unit = end[-1] if end[-1] in _STEP_SECONDS else "h"
    return np.timedelta64(int(float(end.rstrip("smhD"))) * _STEP_SECONDS[unit], "s")


def _start(text: Any) -> np.timedelta64:
    """The beginning of a GRIB step range such as `6-12`; 0 without one."""
    first, dash, last = str(text or "0").partition("-")
    unit = last[-1] if last[-1:] in _STEP_SECONDS else ""
    return _duration(first if first[-1:] in _STEP_SECONDS else first + unit) if dash else np.timedelta64(0, "s")


class GribReader(ReaderABC):
    """Creates a reader of the messages of one GRIB file."""

    suffixes: ClassVar[tuple[str, ...]] = (".grib", ".grb", ".grib1", ".grib2", ".grb2")
    beginnings: ClassVar[tuple[bytes, ...]] = (b"GRIB",)

    @classmethod
    def fits(cls, path: Path, first_bytes: bytes) -> bool:
        # a header of a transmission may stand before the first message
        return b"GRIB" in first_bytes

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._orders: dict[str, Order] = {}
        self._stream: Any = None

    def _messages(self) -> Iterator[tuple[int, tuple[int, int]]]:
        """Handles of the fields with the offset of their message and their number in it; each is released after use."""
        number = 0
        try:
            with self.path.open("rb") as stream:
                size = self.path.stat().st_size
                while True:
                    try:
                        handle = eccodes.codes_grib_new_from_file(stream)
                    except eccodes.CodesInternalError as error:
                        raise DataError(f"{self.path}: damaged or truncated after message {number}: {error}") from None
                    if handle is None:
                        break
                    number += 1
                    try:
                        offset = int(eccodes.codes_get(handle, "offset"))
                        length = int(eccodes.codes_get(handle, "totalLength"))
                        if offset + length > size:
                            raise DataError(f"{self.path}: message {number} ends at byte {offset + length} of {size}")
                        yield from self._fields(handle, offset)
                    finally:
                        eccodes.codes_release(handle)
        except OSError as error:
            raise DataError(f"{self.path}: cannot be read: {error.strerror}") from None
        if number == 0:
            raise DataError(f"{self.path}: holds no GRIB message")

    def _fields(self, handle: int, offset: int) -> Iterator[tuple[int, tuple[int, int]]]:
        """The fields of a message, one by one."""
        fields = self._taken_apart(eccodes.codes_get_message(handle), offset)
        if len(fields) == 1:
            yield handle, (offset, _ALONE)
            return
        for number, field in enumerate(fields):
            single = eccodes.codes_new_from_message(field)
            try:
                yield single, (offset, number)
            finally:
                eccodes.codes_release(single)

    def _taken_apart(self, message: bytes, offset: int) -> list[bytes]:
        try:
            return fields_of(message)
        except DataError as error:
            raise DataError(f"{self.path}: message at byte {offset}: {error}") from None

    def records(self) -> list[Record]:
        headers = headers_of(self.path)
        if headers is None:
            return [self._record(handle, place) for handle, place in self._messages()]
        records = []
        for header in headers:
            known = _KNOWN.get((header.identity, header.geometry))
            if known is None:
                with self._message_at(header.offset, _ALONE) as handle:
                    known = self._record(handle, (header.offset, _ALONE))
                if known.init_time == header.init_time:
                    # equal bytes mean an equal field at another time; what ecCodes reads otherwise is asked for anew
                    _KNOWN[header.identity, header.geometry] = known
                    if len(_KNOWN) > _MAX_KNOWN:
                        _KNOWN.popitem(last=False)
                records.append(known)
                continue
            records.append(replace(known, init_time=header.init_time, locator=(header.offset, _ALONE)))
        return records

    def _record(self, handle: int, place: tuple[int, int]) -> Record:
        level_type = get_key(handle, "typeOfLevel", str)
        level = get_key(handle, "level", float)
        geometry = repr([get_key(handle, key) for key in _GEOMETRY]) + mark_of(handle)
        keys = {key: get_key(handle, key) for key in _KEYS}
        keys["cf_name"] = get_key(handle, "cfVarName", str)
        member = get_key(handle, "number", int)
        keys["since"] = _start(get_key(handle, "stepRange", str))
        name = get_key(handle, "shortName", str)
        return Record(
            short_name=name if name not in (None, "unknown") else f"param{keys['paramId']}",
            level=level if level_type not in (None, "unknown") else None,
            type_of_level=level_type,
            init_time=_time(handle, "dataDate", "dataTime"),
            lead_time=_duration(get_key(handle, "endStep", str) or get_key(handle, "stepRange", str) or "0"),
            member=member,
            units=get_key(handle, "units", str) or "",
            locator=place,
            grid_key=hashlib.sha256(geometry.encode()).hexdigest()[:16],
            standard_name=cf_name_in(get_key(handle, "cfName", str)),
            keys=keys,
        )

    @contextlib.contextmanager
    def _message_at(self, offset: int, number: int) -> Iterator[int]:
        """The handle of a field: of the message at `offset` the `number`-th one, or the only one."""
        try:
            if self._stream is None:
                self._stream = self.path.open("rb")
            self._stream.seek(offset)
            handle = eccodes.codes_grib_new_from_file(self._stream)
        except (OSError, eccodes.CodesInternalError) as error:
            raise DataError(f"{self.path}: the message at byte {offset} cannot be read: {error}") from None
        if handle is None:
            raise DataError(f"{self.path}: no message at byte {offset}; has the file changed?")
        if number != _ALONE:
            fields = self._taken_apart(eccodes.codes_get_message(handle), offset)
            eccodes.codes_release(handle)
            if number >= len(fields):
                raise DataError(f"{self.path}: no field {number} at byte {offset}; has the file changed?")
            handle = eccodes.codes_new_from_message(fields[number])
        try:
            yield handle
        finally:
            eccodes.codes_release(handle)

    @contextlib.contextmanager
    def _message(self, record: Record) -> Iterator[int]:
        with self._message_at(*record.locator) as handle:
            try:
                yield handle
            except DataError:
                raise
            except (eccodes.CodesInternalError, ValueError, OverflowError) as error:
                # a damaged header shows as a size that does not fit its values
                when = record.valid_time
                raise DataError(f"{self.path}: {record.short_name} of {when} cannot be decoded: {error}") from None

    def key(self, record: Record, name: str) -> Any:
        if name in record.keys:
            return record.keys[name]
        with self._message(record) as handle:
            value = get_key(handle, name)
        if value is None and not is_grib_key(name):
            raise KeyError(name)
        return value

    def _packed(self, record: Record) -> NDArray[np.float32] | None:
        """The field of a message on a grid that was met before, read without a handle; None where ecCodes must read it."""
        order, (offset, number) = self._orders.get(record.grid_key), record.locator
        if order is None or number != _ALONE or self._stream is None:
            return None
        # where the stream stands is left to ecCodes
        descriptor = self._stream.fileno()
        length = message_length(os.pread(descriptor, 16, offset))
        if not 0 < length <= os.fstat(descriptor).st_size - offset:
            return None
        values = packed_values(os.pread(descriptor, length, offset), order.shape[0] * order.shape[1])
        return None if values is None else np.ascontiguousarray(order.arrange(values), dtype=np.float32)

    def read(self, record: Record) -> NDArray[np.float32]:
        field = self._packed(record)
        if field is not None:
            return field
        with self._message(record) as handle:
            order = self._order(handle, record)
            missing, has_holes = -1e34, bool(get_key(handle, "bitmapPresent", int))
            if has_holes:
                eccodes.codes_set(handle, "missingValue", missing)
            values = eccodes.codes_get_values(handle)
            if has_holes:
                values = np.where(values == missing, np.nan, values)
            return np.ascontiguousarray(order.arrange(values), dtype=np.float32)

    def _order(self, handle: int, record: Record) -> Order:
        """How the values of this grid lie; asked of ecCodes once."""
        if record.grid_key not in self._orders:
            self._orders[record.grid_key] = self._order_of(handle)
        return self._orders[record.grid_key]

    def _order_of(self, handle: int) -> Order:
        shape = self._shape(handle)
        scanning = [bool(get_key(handle, k, int)) for k in _SCANNING]
        return Order(shape, scanning[0], scanning[1], scanning[2], _num_repeated(handle, shape[1]))

    def grid(self, record: Record) -> Grid:
        if record.grid_key not in _GRIDS:
            with self._message(record) as handle:
                _GRIDS[record.grid_key] = self._read_grid(handle)
            if len(_GRIDS) > _MAX_GRIDS:
                _GRIDS.popitem(last=False)
        return _GRIDS[record.grid_key]

    def _shape(self, handle: int) -> tuple[int, int]:
        kind = get_key(handle, "gridType", str)
        if kind in POINT_TYPES:
            return 1, int(get_key(handle, "numberOfDataPoints", int) or get_key(handle, "numberOfPoints", int) or 0)
        columns, rows = get_key(handle, "Ni", int), get_key(handle, "Nj", int)
        points = int(get_key(handle, "numberOfDataPoints", int) or get_key(handle, "numberOfPoints", int) or 0)
        if columns is None or rows is None or rows * columns != points:
            raise DataError(f"{self.path}: grid of type {kind!r} is not rectangular; regrid it to a regular one first")
        return rows, columns

    def _read_grid(self, handle: int) -> Grid:
        if get_key(handle, "gridType", str) in POINT_TYPES:
            return points_of(handle, self.path)
        order = self._order_of(handle)
        shape = order.shape[0], order.shape[1] - order.num_repeated
        if order.num_repeated:
            logger.warning(
                "%s: the last %d of %d longitudes are the first again, 360 degrees on (a cyclic column); left out",
                self.path, order.num_repeated, order.shape[1],
            )  # fmt: skip
        kind = get_key(handle, "gridType", str)
        if kind in ("regular_ll", "regular_gg"):
            # ecCodes gives the distinct values sorted; the scanning flags say in which order the rows lie
            lat = np.sort(np.asarray(eccodes.codes_get_array(handle, "distinctLatitudes"), dtype=np.float64))
            lon = np.asarray(eccodes.codes_get_array(handle, "distinctLongitudes"), dtype=np.float64)
            if order.num_repeated:
                lon = np.unique(np.round((lon - lon[0]) % 360.0, 6)) + lon[0]
            if (lat.size, lon.size) == shape:
                lat = lat if get_key(handle, "jScansPositively", int) else lat[::-1]
                first = get_key(handle, "longitudeOfFirstGridPointInDegrees", float)
                last = get_key(handle, "longitudeOfLastGridPointInDegrees", float)
                west = last if get_key(handle, "iScansNegatively", int) else first
                lon = west + (lon - west + 1e-6) % 360.0 - 1e-6
                return Grid(lat, np.sort(lon))
        return map_grid(handle, kind, order, self.path)

    def close(self) -> None:
        if self._stream is not None:
            self._stream.close()
            self._stream = None


def _num_repeated(handle: int, columns: int) -> int:
    """How many columns at the end are the first ones again, 360 degrees further."""
    step = get_key(handle, "iDirectionIncrementInDegrees", float)
    if get_key(handle, "gridType", str) not in ("regular_ll", "regular_gg") or not step:
        return 0
    round_the_globe = round(360.0 / step)
    is_whole = abs(360.0 / step - round_the_globe) < 1e-3
    return columns - round_the_globe if is_whole and round_the_globe < columns <= round_the_globe + 16 else 0

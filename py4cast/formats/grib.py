"""GRIB 1 and 2, read and written with ecCodes.

Every message is checked against its own length, so that a file that was cut or damaged is named instead of
read in part. No index files are written or read beside the data.
"""

import contextlib
import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import eccodes
import numpy as np
from numpy.typing import NDArray

from py4cast.atomic import atomic_path
from py4cast.errors import DataError
from py4cast.formats.base import Fields, ReaderABC, Record, WriterABC
from py4cast.grid import Grid
from py4cast.projection import forward
from py4cast.units import conversion
from py4cast.variables import Variable

__all__ = ["GribReader", "GribWriter"]

_STEP_SECONDS = {"s": 1, "m": 60, "h": 3600, "D": 86400}
_KEYS = (
    "stepType",
    "dataType",
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
    "jPointsAreConsecutive",
)  # fmt: skip


def _get(handle: int, key: str, kind: type | None = None) -> Any:
    try:
        return eccodes.codes_get(handle, key, kind)
    except eccodes.CodesInternalError:
        return None


def _time(handle: int, date_key: str, time_key: str) -> np.datetime64 | None:
    date, time = _get(handle, date_key, int), _get(handle, time_key, int)
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

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._grids: dict[str, Grid] = {}
        self._stream: Any = None

    def _messages(self) -> Iterator[tuple[int, int]]:
        """Handles of the messages with their offsets; each is released after use."""
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
                        yield handle, offset
                    finally:
                        eccodes.codes_release(handle)
        except OSError as error:
            raise DataError(f"{self.path}: cannot be read: {error.strerror}") from None
        if number == 0:
            raise DataError(f"{self.path}: holds no GRIB message")

    def records(self) -> list[Record]:
        return [self._record(handle, offset) for handle, offset in self._messages()]

    def _record(self, handle: int, offset: int) -> Record:
        level_type = _get(handle, "typeOfLevel", str)
        level = _get(handle, "level", float)
        geometry = repr([_get(handle, key) for key in _GEOMETRY])
        keys = {key: _get(handle, key) for key in _KEYS}
        keys["cf_name"] = _get(handle, "cfVarName", str)
        member = _get(handle, "number", int)
        keys["since"] = _start(_get(handle, "stepRange", str))
        name = _get(handle, "shortName", str)
        return Record(
            short_name=name if name not in (None, "unknown") else f"param{keys['paramId']}",
            level=level if level_type not in (None, "unknown") else None,
            type_of_level=level_type,
            init_time=_time(handle, "dataDate", "dataTime"),
            lead_time=_duration(_get(handle, "endStep", str) or _get(handle, "stepRange", str) or "0"),
            member=member,
            units=_get(handle, "units", str) or "",
            locator=(offset,),
            grid_key=hashlib.sha256(geometry.encode()).hexdigest()[:16],
            standard_name=_get(handle, "cfName", str) or "",
            keys=keys,
        )

    @contextlib.contextmanager
    def _message(self, record: Record) -> Iterator[int]:
        try:
            if self._stream is None:
                self._stream = self.path.open("rb")
            self._stream.seek(record.locator[0])
            handle = eccodes.codes_grib_new_from_file(self._stream)
        except (OSError, eccodes.CodesInternalError) as error:
            raise DataError(f"{self.path}: the message at byte {record.locator[0]} cannot be read: {error}") from None
        if handle is None:
            raise DataError(f"{self.path}: no message at byte {record.locator[0]}; has the file changed?")
        try:
            yield handle
        except DataError:
            raise
        except (eccodes.CodesInternalError, ValueError, OverflowError) as error:
            # a damaged header shows as a size that does not fit its values
            when = record.valid_time
            raise DataError(f"{self.path}: {record.short_name} of {when} cannot be decoded: {error}") from None
        finally:
            eccodes.codes_release(handle)

    def read(self, record: Record) -> NDArray[np.float32]:
        with self._message(record) as handle:
            shape = self._shape(handle)
            missing = -1e34
            if _get(handle, "bitmapPresent", int):
                eccodes.codes_set(handle, "missingValue", missing)
            values = eccodes.codes_get_values(handle)
            if _get(handle, "bitmapPresent", int):
                values = np.where(values == missing, np.nan, values)
            return np.ascontiguousarray(self._arrange(handle, values, shape), dtype=np.float32)

    def grid(self, record: Record) -> Grid:
        if record.grid_key not in self._grids:
            with self._message(record) as handle:
                self._grids[record.grid_key] = self._read_grid(handle)
        return self._grids[record.grid_key]

    def _shape(self, handle: int) -> tuple[int, int]:
        kind = _get(handle, "gridType", str)
        columns, rows = _get(handle, "Ni", int), _get(handle, "Nj", int)
        points = int(_get(handle, "numberOfDataPoints", int) or _get(handle, "numberOfPoints", int) or 0)
        if columns is None or rows is None or rows * columns != points:
            raise DataError(f"{self.path}: grid of type {kind!r} is not rectangular; regrid it to a regular one first")
        return rows, columns

    @staticmethod
    def _arrange(handle: int, values: NDArray[Any], shape: tuple[int, int]) -> NDArray[Any]:
        """The values as `(lat, lon)` with longitudes (or x) growing along the columns."""
        if _get(handle, "jPointsAreConsecutive", int):
            field = values.reshape(shape[1], shape[0]).T
        else:
            field = values.reshape(shape)
        if _get(handle, "alternativeRowScanning", int):
            field = field.copy()
            field[1::2] = field[1::2, ::-1]
        return field[:, ::-1] if _get(handle, "iScansNegatively", int) else field

    def _read_grid(self, handle: int) -> Grid:
        shape = self._shape(handle)
        kind = _get(handle, "gridType", str)
        if kind in ("regular_ll", "regular_gg"):
            # ecCodes gives the distinct values sorted; the scanning flags say in which order the rows lie
            lat = np.sort(np.asarray(eccodes.codes_get_array(handle, "distinctLatitudes"), dtype=np.float64))
            lon = np.asarray(eccodes.codes_get_array(handle, "distinctLongitudes"), dtype=np.float64)
            if (lat.size, lon.size) == shape:
                lat = lat if _get(handle, "jScansPositively", int) else lat[::-1]
                first = _get(handle, "longitudeOfFirstGridPointInDegrees", float)
                last = _get(handle, "longitudeOfLastGridPointInDegrees", float)
                west = last if _get(handle, "iScansNegatively", int) else first
                lon = west + (lon - west + 1e-6) % 360.0 - 1e-6
                return Grid(lat, np.sort(lon))
        lat2 = self._arrange(handle, np.asarray(eccodes.codes_get_array(handle, "latitudes")), shape)
        lon2 = self._arrange(handle, np.asarray(eccodes.codes_get_array(handle, "longitudes")), shape)
        projection, steps = _projection(handle, kind)
        x = np.arange(shape[1], dtype=np.float64) * float(steps[0]) if steps else None
        y = np.arange(shape[0], dtype=np.float64) * float(steps[1]) if steps else None
        if x is not None and y is not None:
            x, y = _absolute(projection, float(lat2[0, 0]), float(lon2[0, 0]), x, y)
        lon2 = (lon2 + 180.0) % 360.0 - 180.0
        return Grid(lat2, np.asarray(lon2, dtype=np.float64), x, y, projection)

    def close(self) -> None:
        if self._stream is not None:
            self._stream.close()
            self._stream = None


def _projection(handle: int, kind: str) -> tuple[dict[str, Any], tuple[float, float] | None]:
    """CF grid-mapping attributes and the signed steps along x and y [m]."""
    radius = _get(handle, "radius", float) or 6_367_470.0
    sign = 1.0 if _get(handle, "jScansPositively", int) else -1.0
    steps = (_get(handle, "DxInMetres", float), _get(handle, "DyInMetres", float))
    if kind == "lambert":
        return {
            "grid_mapping_name": "lambert_conformal_conic",
            "standard_parallel": [
                _get(handle, "Latin1InDegrees", float),
                _get(handle, "Latin2InDegrees", float),
            ],
            "longitude_of_central_meridian": _get(handle, "LoVInDegrees", float),
            "latitude_of_projection_origin": _get(handle, "LaDInDegrees", float)
            or _get(handle, "Latin1InDegrees", float),
            "earth_radius": radius,
        }, (steps[0], sign * steps[1])
    if kind == "polar_stereographic":
        south = bool(_get(handle, "projectionCentreFlag", int))
        return {
            "grid_mapping_name": "polar_stereographic",
            "straight_vertical_longitude_from_pole": _get(handle, "orientationOfTheGridInDegrees", float),
            "latitude_of_projection_origin": -90.0 if south else 90.0,
            "standard_parallel": _get(handle, "LaDInDegrees", float) or 60.0,
            "earth_radius": radius,
        }, (steps[0], sign * steps[1])
    return {"grid_mapping_name": str(kind)}, None


def _absolute(
    projection: dict[str, Any], lat: float, lon: float, x: NDArray[Any], y: NDArray[Any]
) -> tuple[NDArray[Any], NDArray[Any]]:
    """x, y counted from the projection's origin instead of the first cell."""
    x0, y0 = forward(projection, lat, lon)
    return x + float(x0), y + float(y0)


class GribWriter(WriterABC):
    """Creates a writer of GRIB 2: one message per variable and lead time, keys from the Variable."""

    suffixes: ClassVar[tuple[str, ...]] = (".grib", ".grib2", ".grb2", ".grb")

    def write(self, path: Path, forecast: Fields) -> None:
        before = [np.timedelta64(0, "s"), *forecast.lead_times[:-1]]
        with atomic_path(path) as temporary, temporary.open("xb") as stream:
            for step, lead_times in enumerate(zip(before, forecast.lead_times, strict=True)):
                for index, variable in enumerate(forecast.variables):
                    handle = self._message(forecast, variable)
                    try:
                        _set_steps(handle, *lead_times, is_sum=variable.accumulated)
                        self._fill(handle, forecast.values[step, :, :, index], variable)
                        eccodes.codes_write(handle, stream)
                    finally:
                        eccodes.codes_release(handle)

    def _message(self, forecast: Fields, variable: Variable) -> int:
        """A message without values: grid, start and identity.

        A parameter that ecCodes knows only on a level of its own keeps that one (`tcc`, `tp`).
        """
        name = variable.short_name or variable.name
        reason = "the keys together name no parameter"
        for with_level in (True, False):
            handle = int(eccodes.codes_grib_new_from_samples("regular_ll_sfc_grib2"))
            try:
                _set_grid(handle, forecast.grid)
                when = forecast.init_time.astype("datetime64[s]").item()
                eccodes.codes_set(handle, "dataDate", int(when.strftime("%Y%m%d")))
                eccodes.codes_set(handle, "dataTime", int(when.strftime("%H%M")))
                eccodes.codes_set(handle, "shortName", name)
                if with_level and variable.type_of_level:
                    eccodes.codes_set(handle, "typeOfLevel", variable.type_of_level)
                if with_level and variable.level is not None:
                    eccodes.codes_set(handle, "level", int(variable.level))
                for key, value in variable.grib.items():
                    eccodes.codes_set(handle, key, value)
                if _get(handle, "shortName", str) != "unknown":
                    return handle
            except eccodes.CodesInternalError as error:
                reason = str(error)
            except DataError:
                eccodes.codes_release(handle)
                raise
            eccodes.codes_release(handle)
        raise DataError(f"{variable.name}: GRIB knows no parameter {name!r} with these keys ({reason}); set grib keys")

    def _fill(self, handle: int, values: NDArray[np.float32], variable: Variable) -> None:
        try:
            scale, offset = conversion(variable.units, _get(handle, "units", str) or variable.units)
        except DataError:
            scale, offset = 1.0, 0.0
        field = values.astype(np.float64) * scale + offset
        missing = ~np.isfinite(field)
        if missing.any():
            eccodes.codes_set(handle, "bitmapPresent", 1)
            eccodes.codes_set(handle, "missingValue", -1e34)
            field = np.where(missing, -1e34, field)
        eccodes.codes_set(handle, "bitsPerValue", 24)
        eccodes.codes_set_values(handle, np.ascontiguousarray(field).ravel())


def _set_steps(handle: int, before: np.timedelta64, lead_time: np.timedelta64, is_sum: bool) -> None:
    """The lead time; a sum runs from the lead time before."""
    start, end = (int(t / np.timedelta64(1, "s")) for t in (before, lead_time))
    whole = next((u, n) for u, n in (("h", 3600), ("m", 60), ("s", 1)) if start % n == 0 and end % n == 0)
    eccodes.codes_set(handle, "stepUnits", whole[0])
    if is_sum:
        eccodes.codes_set(handle, "stepRange", f"{start // whole[1]}-{end // whole[1]}")
    else:
        eccodes.codes_set(handle, "step", end // whole[1])


def _set_grid(handle: int, grid: Grid) -> None:
    rows, columns = grid.shape
    lat, lon = grid.latitude_2d(), grid.longitude_2d() % 360.0
    ascending = bool(lat[-1, 0] > lat[0, 0])
    name = grid.projection.get("grid_mapping_name")
    if not grid.is_projected:
        keys: dict[str, Any] = {
            "gridType": "regular_ll", "Ni": columns, "Nj": rows,
            "latitudeOfLastGridPointInDegrees": lat[-1, 0], "longitudeOfLastGridPointInDegrees": lon[0, -1],
            "iDirectionIncrementInDegrees": float(np.abs(np.diff(grid.longitude)).mean()) if columns > 1 else 1.0,
            "jDirectionIncrementInDegrees": float(np.abs(np.diff(grid.latitude)).mean()) if rows > 1 else 1.0,
        }  # fmt: skip
    elif name == "lambert_conformal_conic" and grid.x is not None and grid.y is not None:
        parallels = np.atleast_1d(np.asarray(grid.projection["standard_parallel"], dtype=float))
        ascending = bool(grid.y[-1] > grid.y[0])
        keys = {
            "gridType": "lambert", "Nx": columns, "Ny": rows, "Latin1InDegrees": parallels[0], "Latin2InDegrees": parallels[-1],
            "LoVInDegrees": float(grid.projection["longitude_of_central_meridian"]) % 360.0,
            "LaDInDegrees": float(grid.projection["latitude_of_projection_origin"]),
            "DxInMetres": abs(float(grid.x[1] - grid.x[0])), "DyInMetres": abs(float(grid.y[1] - grid.y[0])),
        }  # fmt: skip
    else:
        raise DataError(f"GRIB output: no encoding for a grid on {name!r}; write NetCDF instead (--output forecast.nc)")
    keys |= {"latitudeOfFirstGridPointInDegrees": lat[0, 0], "longitudeOfFirstGridPointInDegrees": lon[0, 0]}
    keys |= {"iScansNegatively": 0, "jScansPositively": int(ascending)}
    radius = grid.projection.get("earth_radius")
    if radius is not None:
        keys |= {"shapeOfTheEarth": 1, "scaleFactorOfRadiusOfSphericalEarth": 0}
        keys |= {"scaledValueOfRadiusOfSphericalEarth": round(float(radius))}
    for key, value in keys.items():
        eccodes.codes_set(handle, key, value if isinstance(value, int | str) else float(value))

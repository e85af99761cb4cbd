"""GRIB 2, written with ecCodes."""

from pathlib import Path
from typing import Any, ClassVar

import eccodes
import numpy as np
from numpy.typing import NDArray

from py4cast.atomic import atomic_path
from py4cast.errors import DataError
from py4cast.formats.base import Fields, WriterABC
from py4cast.formats.grib import get_key
from py4cast.grid import Grid
from py4cast.units import conversion
from py4cast.variables import Variable

__all__ = ["GribWriter"]


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
                if get_key(handle, "shortName", str) != "unknown":
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
            scale, offset = conversion(variable.units, get_key(handle, "units", str) or variable.units)
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

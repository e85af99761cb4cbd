"""GRIB 2, written with ecCodes."""

import logging
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, BinaryIO, ClassVar

import eccodes
import numpy as np
from numpy.typing import NDArray

from py4cast.errors import DataError, SettingsError
from py4cast.formats.base import Heading, PutStep, WriterABC, same_key
from py4cast.formats.grib_keys import get_key
from py4cast.formats.grib_points import set_points, write_coordinates
from py4cast.formats.reduced import gaussian_number
from py4cast.grid import Grid
from py4cast.units import conversion
from py4cast.variables import Variable

__all__ = ["GribWriter", "check_identity"]

logger = logging.getLogger(__name__)

# of a message that says nothing else: no centre, no local tables, an unknown process that forecasts
_NOBODY = {"centre": 255, "subCentre": 0, "localTablesVersion": 0, "generatingProcessIdentifier": 255}
# keys by which a user names the parameter: then the short name is not asked for
_PARAMETER = ({"paramId"}, {"shortName"}, {"discipline", "parameterCategory", "parameterNumber"})
_NO_UNITS = ("unknown", "~")
_BITS = 24
_MISSING = -1e34
_MOST_MEMBERS = 254


class GribWriter(WriterABC):
    """Creates a writer of GRIB 2: a message per lead time, variable and member, keys from the Variable.

    Values are packed in 24 bits: the error is at most the range of the field times 2⁻²⁵.
    """

    suffixes: ClassVar[tuple[str, ...]] = (".grib", ".grib2", ".grb2", ".grb")

    @contextmanager
    def begin(self, temporary: Path, heading: Heading) -> Iterator[PutStep]:
        _check_members(heading.members)
        before = [heading.since, *heading.lead_times[:-1]]
        with ExitStack() as stack:
            stream = stack.enter_context(temporary.open("xb"))
            bare = _bare(heading)
            stack.callback(eccodes.codes_release, bare)
            templates: list[_Template] = []
            for variable in heading.variables:
                # finding a parameter by its name takes ecCodes as long as packing several fields
                other = next((t for t in templates if t.is_like(variable)), None)
                level_template = (
                    _Template(bare, variable, len(heading.members)) if other is None else other.on_level(variable)
                )
                stack.callback(level_template.close)
                templates.append(level_template)

            def put(step: int, values: NDArray[np.float32]) -> None:
                # each feature's cells together, in the precision that ecCodes takes
                planes = np.ascontiguousarray(np.moveaxis(values, -1, 0), dtype=np.float64)
                for template, level_template in zip(templates, planes, strict=True):
                    template.set_steps(before[step], heading.lead_times[step])
                    fields = level_template if heading.members else level_template[None]
                    for number, field in zip(heading.members or (None,), fields, strict=True):
                        template.write(stream, field, number)

            yield put
            write_coordinates(temporary.parent, heading.grid, bare)


def _check_members(members: Sequence[int]) -> None:
    """Numbers of members, and their count, stand in one octet each, of which 255 means missing."""
    odd = next((number for number in members if not 0 <= number <= _MOST_MEMBERS), None)
    if odd is not None or len(members) > _MOST_MEMBERS:
        told = f"{len(members)} members" if odd is None else f"member {odd}"
        raise SettingsError(
            f"{told}: GRIB has at most {_MOST_MEMBERS}, numbered 0 to {_MOST_MEMBERS}; write NetCDF or Zarr"
        )


class _Template:
    """Creates the message of a variable, which is filled anew for every lead time and member.

    Raises:
        DataError: GRIB knows no such parameter.
    """

    def __init__(self, bare: int, variable: Variable, num_members: int, handle: int | None = None) -> None:
        self._variable, self._num_members = variable, num_members
        self._handle = _identified(bare, variable, num_members) if handle is None else handle
        # what GRIB itself has as a sum, a mean or an extreme is one over the last step, too
        step_type = get_key(self._handle, "stepType", str) or "instant"
        self._is_over_step = variable.accumulated or step_type != "instant"
        units = get_key(self._handle, "units", str) or variable.units
        try:
            is_bare = not variable.units or units in _NO_UNITS
            self._conversion = (1.0, 0.0) if is_bare else conversion(variable.units, units)
        except DataError as error:
            if handle is None:
                eccodes.codes_release(self._handle)
            raise DataError(
                f"{variable.name}: GRIB has this parameter in {units!r}: {error}; set units or grib keys"
            ) from None
        self._has_holes, self._step_units = False, get_key(self._handle, "stepUnits", str)

    def is_like(self, variable: Variable) -> bool:
        """Whether a variable differs from this one by its name and its pressure level alone."""
        mine = self._variable
        names = (mine.short_name, mine.type_of_level, mine.units, mine.accumulated, dict(mine.grib))
        others = (
            variable.short_name,
            variable.type_of_level,
            variable.units,
            variable.accumulated,
            dict(variable.grib),
        )
        return (
            names == others
            and bool(mine.short_name)
            and mine.type_of_level == "isobaricInhPa"
            and variable.level is not None
        )

    def on_level(self, variable: Variable) -> "_Template":
        """A copy on the level of a variable that is like this one."""
        assert variable.level is not None, "is_like asks for one"
        handle = int(eccodes.codes_clone(self._handle))
        _set_level(handle, variable)
        return _Template(handle, variable, self._num_members, handle)

    def set_steps(self, before: np.timedelta64, lead_time: np.timedelta64) -> None:
        """The lead time; a sum, a mean or an extreme is over the step from the lead time before."""
        start, end = (int(t / np.timedelta64(1, "s")) for t in (before, lead_time))
        whole = next((u, n) for u, n in (("h", 3600), ("m", 60), ("s", 1)) if start % n == 0 and end % n == 0)
        if whole[0] != self._step_units:
            eccodes.codes_set(self._handle, "stepUnits", whole[0])
            self._step_units = whole[0]
        if self._is_over_step:
            eccodes.codes_set(self._handle, "stepRange", f"{start // whole[1]}-{end // whole[1]}")
        else:
            eccodes.codes_set(self._handle, "step", end // whole[1])

    def write(self, stream: BinaryIO, field: NDArray[np.float64], member: int | None) -> None:
        """Writes the message of a field `(lat, lon)`."""
        if member is not None:
            eccodes.codes_set(self._handle, "perturbationNumber", member)
        scale, offset = self._conversion
        if (scale, offset) != (1.0, 0.0):
            field = field * scale + offset
        missing = ~np.isfinite(field)
        has_holes = bool(missing.any())
        if has_holes != self._has_holes:
            eccodes.codes_set(self._handle, "bitmapPresent", int(has_holes))
            eccodes.codes_set(self._handle, "missingValue", _MISSING)
            self._has_holes = has_holes
        eccodes.codes_set_values(
            self._handle, np.where(missing, _MISSING, field).ravel() if has_holes else field.ravel()
        )
        eccodes.codes_write(self._handle, stream)

    def close(self) -> None:
        """Releases the message that is held."""
        eccodes.codes_release(self._handle)


def _bare(heading: Heading) -> int:
    """A message of the grid and the start, without identity and values."""
    handle = int(eccodes.codes_grib_new_from_samples("regular_ll_sfc_grib2"))
    try:
        _set_origin(handle, heading)
        _set_grid(handle, heading.grid)
        when = heading.init_time.astype("datetime64[s]").item()
        eccodes.codes_set(handle, "dataDate", int(when.strftime("%Y%m%d")))
        eccodes.codes_set(handle, "dataTime", int(when.strftime("%H%M")))
        eccodes.codes_set(handle, "second", when.second)
        eccodes.codes_set(handle, "bitsPerValue", _BITS)
    except BaseException:
        eccodes.codes_release(handle)
        raise
    return handle


def _identified(bare: int, variable: Variable, num_members: int) -> int:
    """A copy of a message with the identity of a variable.

    A parameter that ecCodes knows only on a level of its own keeps that one (`tcc`, `tp`).
    """
    name = variable.grib_name
    is_named = any(keys <= set(variable.grib) for keys in _PARAMETER)
    reason = "the keys together name no parameter"
    for with_level in (True, False):
        handle = int(eccodes.codes_clone(bare))
        try:
            if num_members:
                # 1 and 11: a member of an ensemble at an instant, and over a period
                eccodes.codes_set(handle, "productDefinitionTemplateNumber", 11 if variable.accumulated else 1)
                eccodes.codes_set(handle, "numberOfForecastsInEnsemble", num_members)
            if not is_named:
                eccodes.codes_set(handle, "shortName", name)
            if with_level and variable.type_of_level:
                eccodes.codes_set(handle, "typeOfLevel", variable.type_of_level)
            if with_level and variable.level is not None:
                _set_level(handle, variable)
            if variable.axes:
                eccodes.codes_set(handle, "uvRelativeToGrid", int(variable.axes == "grid"))
            for key, value in variable.grib.items():
                eccodes.codes_set(handle, key, value)
            lost = [k for k, v in variable.grib.items() if not same_key(get_key(handle, k, type(v)), v)]
            if lost:
                reason = f"{lost[0]} becomes {get_key(handle, lost[0])} when the others are set"
            elif is_named or _is_of(handle, name, bool(variable.grib)):
                return handle
        except eccodes.CodesInternalError as error:
            reason = str(error)
        eccodes.codes_release(handle)
    raise DataError(
        f"{variable.name}: GRIB knows no parameter {name!r} with these keys ({reason}); set grib keys, or --grib centre=NAME where the name is a centre's own"
    )


def _is_of(handle: int, name: str, is_changed: bool) -> bool:
    """Whether a message still is the parameter of a name, once level and further keys are set.

    On a level a name may become that of the level, `u` `10u`; further keys of a user may make it any that is known.
    """
    now = str(get_key(handle, "shortName", str))
    return now != "unknown" and (is_changed or now.lstrip("0123456789") == name.lstrip("0123456789"))


def _set_level(handle: int, variable: Variable) -> None:
    """The level, whole or not."""
    level = variable.level
    assert level is not None, "asked before"
    if level == int(level):
        eccodes.codes_set(handle, "level", int(level))
        return
    # GRIB 2 holds pressure in Pa, other heights as a whole number and a power of ten
    value = level * 100.0 if variable.type_of_level == "isobaricInhPa" else level
    digits = next((d for d in range(7) if abs(value * 10**d - round(value * 10**d)) < 1e-6), 6)
    eccodes.codes_set(handle, "scaleFactorOfFirstFixedSurface", digits)
    eccodes.codes_set(handle, "scaledValueOfFirstFixedSurface", round(value * 10**digits))


def _set_origin(handle: int, heading: Heading) -> None:
    """Who makes it and what it is: a forecast, of a member where there are several.

    Raises:
        SettingsError: a key that GRIB does not have, or a value that it cannot hold.
    """
    # code tables 4.3 and 1.4: forecast or ensemble forecast; forecast or perturbed forecast products
    process, products = (4, 4) if heading.members else (2, 1)
    keys = {
        **_NOBODY, "significanceOfReferenceTime": 1, "typeOfProcessedData": products, "typeOfGeneratingProcess": process,
        **heading.grib,
    }  # fmt: skip
    for key, value in keys.items():
        try:
            eccodes.codes_set(handle, key, value)
        except eccodes.CodesInternalError as error:
            raise SettingsError(f"GRIB key {key}={value!r}: {error}") from None


def check_identity(variable: Variable) -> None:
    """Tells GRIB keys of a variable that name no parameter, before anything is trained on them.

    Raises:
        SettingsError: keys that should name the parameter do not.
    """
    handle = int(eccodes.codes_grib_new_from_samples("regular_ll_sfc_grib2"))
    try:
        eccodes.codes_release(_identified(handle, variable, 0))
    except DataError as error:
        if any(keys <= set(variable.grib) for keys in _PARAMETER):
            raise SettingsError(f"variables.{variable.name}.grib: {error}") from None
        logger.warning(
            "variables.%s.grib: a forecast cannot be written to GRIB with these keys: %s", variable.name, error
        )
    finally:
        eccodes.codes_release(handle)


def _rows_and_columns(grid: Grid) -> dict[str, Any]:
    """Keys of a grid of rows and columns: evenly spaced, or rows of a Gaussian grid.

    Raises:
        DataError: other spacings, which GRIB has no template for.
    """
    lat, lon = grid.latitude, np.unwrap(grid.longitude, period=360.0)
    keys: dict[str, Any] = {
        "Ni": lon.size, "Nj": lat.size,
        "latitudeOfLastGridPointInDegrees": lat[-1], "longitudeOfLastGridPointInDegrees": lon[-1] % 360.0,
        "iDirectionIncrementInDegrees": float(np.abs(np.diff(lon)).mean()) if lon.size > 1 else 1.0,
    }  # fmt: skip
    # what is even to the last digits is looked at no further: Gaussian rows need scipy
    is_lon_even = _is_even(lon)
    number = gaussian_number(lat) if is_lon_even and not _is_even(lat, 2e-4) else None
    if number is not None:
        return {"gridType": "regular_gg", **keys, "N": number}
    if is_lon_even and _is_even(lat):
        step = float(np.abs(np.diff(lat)).mean()) if lat.size > 1 else 1.0
        return {"gridType": "regular_ll", **keys, "jDirectionIncrementInDegrees": step}
    uneven = "latitudes" if is_lon_even else "longitudes"
    raise DataError(
        f"GRIB output: the {uneven} are not evenly spaced{' and not those of a Gaussian grid' if uneven == 'latitudes' else ''}; write "
        "NetCDF instead (--output forecast.nc)"
    )


def _is_even(axis: NDArray[np.float64], share: float = 0.012) -> bool:
    """Whether no place is further from even spacing than a share of it, by default what rounding does."""
    strays = np.abs(axis - np.linspace(axis[0], axis[-1], axis.size))
    return axis.size < 3 or bool(strays.max() <= share * np.abs(np.diff(axis)).mean())


def _set_grid(handle: int, grid: Grid) -> None:
    if not grid.is_rectangular:
        set_points(handle, grid)
        return
    rows, columns = grid.shape
    lat, lon = grid.latitude_2d(), grid.longitude_2d() % 360.0
    ascending = bool(lat[-1, 0] > lat[0, 0])
    name = grid.projection.get("grid_mapping_name")
    if not grid.is_projected:
        keys = _rows_and_columns(grid)
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

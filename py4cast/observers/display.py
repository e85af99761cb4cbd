"""What people read: units and names of variables as forecasters say them, °C and hPa instead of K and Pa."""

import re
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from py4cast.errors import DataError, SettingsError
from py4cast.units import conversion
from py4cast.variables import Variable

__all__ = ["KNOTS", "Display", "display_of"]

KNOTS = 1.943844  # in a metre per second
_GRAVITY = 9.80665
# units of files, what is shown instead, and how it is written
_SHOWN = {
    "K": ("degree_Celsius", "°C"), "Pa": ("hPa", "hPa"), "kg kg-1": ("g kg-1", "g kg⁻¹"), "m s-1": ("m s-1", "m s⁻¹"),
    "kg m-2": ("kg m-2", "mm"), "s-1": ("1e-5 s-1", "10⁻⁵ s⁻¹"), "1": ("1", ""),
}  # fmt: skip
_WRITTEN = {written[0]: written[1] for written in _SHOWN.values()} | {
    "degC": "°C", "celsius": "°C", "C": "°C", "degF": "°F", "kt": "kn", "knots": "kn", "knot": "kn", "percent": "%",
}  # fmt: skip
# of what falls, whichever units a file has
_RAIN_WORDS = ("precipitation", "rainfall", "snowfall")
_RAIN_SHOWN = {"m": ("kg m-2", "mm"), "kg m-2 s-1": ("kg m-2 h-1", "mm h⁻¹"), "m s-1": ("mm h-1", "mm h⁻¹")}
_RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
_LEVELS = {"isobaricInhPa": "hPa", "heightAboveGround": "m", "heightAboveSea": "m", "depthBelowSea": "m depth"}


class Display(NamedTuple):
    """How a variable is shown.

    Args:
        name: in words, with its level.
        units: as they are written.
        variable: the same in the units that are shown, for its colours.
        scale: factor from its own units.
        offset: what is added behind.
    """

    name: str
    units: str
    variable: Variable
    scale: float
    offset: float

    def values(self, field: NDArray[np.float32]) -> NDArray[np.float64]:
        """A field in the units that are shown."""
        return field.astype(np.float64) * self.scale + self.offset

    @property
    def title(self) -> str:
        """`air temperature at 2 m [°C]`."""
        return f"{self.name} [{self.units}]" if self.units else self.name


def display_of(variable: Variable, units: str = "") -> Display:
    """How a variable is shown; one that nobody knows under its own name and units.

    Args:
        variable: what it is.
        units: that are wanted, such as `kn` or `degF`; by default those that forecasters use.

    Raises:
        SettingsError: units that its own cannot be converted to.
    """
    known = variable.cf_name
    name = known.replace("_", " ") or variable.name
    if variable.level is not None and (variable.level or variable.type_of_level == "isobaricInhPa"):
        name += (
            f" at {variable.level:g} {_LEVELS.get(variable.type_of_level or '', variable.type_of_level or '')}".rstrip()
        )
    if units:
        return _in_units(name, variable, units)
    if known == "geopotential" and variable.units == "m2 s-2":
        return Display(name.replace("geopotential", "geopotential height"), "m", variable, 1 / _GRAVITY, 0.0)
    target, written = _SHOWN.get(variable.units, (variable.units, _written(variable.units)))
    if any(word in known for word in _RAIN_WORDS):
        target, written = _RAIN_SHOWN.get(variable.units, (target, written))
    is_difference = any(
        word in variable.standard_name for word in ("anomaly", "difference", "tendency", "standard_error")
    )
    if variable.units == "K" and ("temperature" not in known or is_difference):
        target, written = "K", "K"
    if variable.units == "s-1":
        return Display(name, written, variable, 1e5, 0.0)
    try:
        scale, offset = conversion(variable.units, target) if variable.units else (1.0, 0.0)
        shown = variable.with_units(target) if variable.units else variable
    except DataError:
        return Display(name, _written(variable.units), variable, 1.0, 0.0)
    return Display(name, written, shown, scale, offset)


def _written(units: str) -> str:
    """Units as people write them: °C for degC, J m⁻² for J m-2."""
    if units in _WRITTEN:
        return _WRITTEN[units]
    return re.sub(r"(?<=[a-zA-Z])-?\d+", lambda match: match.group().translate(_RAISED), units)


def _in_units(name: str, variable: Variable, units: str) -> Display:
    try:
        scale, offset = conversion(variable.units, units)
        shown = variable.with_units(units)
    except DataError as error:
        raise SettingsError(f"--units {variable.name}={units}: its own are [{variable.units}]: {error}") from None
    return Display(name, _written(units), shown, scale, offset)

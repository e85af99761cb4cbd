"""Units of measure: one spelling for each, and conversion between those of one dimension.

Files write units in several dialects (`m s**-1` of ECMWF, `m s-1` of UDUNITS, `m/s`, `degK`, `METERS`).
`normalise` gives the UDUNITS spelling; `conversion` gives y = scale·x + offset.
"""

import functools
import re
from typing import TYPE_CHECKING, Any

from py4cast.errors import DataError

if TYPE_CHECKING:
    import pint

__all__ = ["conversion", "normalise", "same_units"]

_ALIASES = {
    "": "1", "-": "1", "~": "1", "(0-1)": "1", "(0 - 1)": "1", "dimensionless": "1", "none": "1", "numeric": "1",
    "percent": "%", "degk": "K", "kelvin": "K", "kelvins": "K", "k": "K", "deg k": "K", "celsius": "degC", "degc": "degC",
    "deg c": "degC", "degree_celsius": "degC", "degrees_celsius": "degC", "c": "degC", "°c": "degC",
    "degrees_c": "degC", "degree_c": "degC", "deg_c": "degC", "degrees c": "degC", "degree c": "degC", "degreec": "degC",
    "degreesc": "degC", "degf": "degF", "deg f": "degF", "degrees_f": "degF", "fahrenheit": "degF", "f": "degF",
    "fraction": "1", "ratio": "1", "proportion": "1", "(0..1)": "1", "0-1": "1", "[0-1]": "1", "psu": "1e-3", "pss": "1e-3",
    "pss-78": "1e-3", "practical salinity units": "1e-3", "permille": "1e-3", "0.001": "1e-3", "g/kg": "g kg-1",
    "gpdm": "dam", "gpdam": "dam", "geopotential meter": "m", "geopotential metre": "m",
    "dobson": "DU", "dobson units": "DU", "du": "DU", "millimeters": "mm", "millimetres": "mm", "millimeter": "mm",
    "m of water equivalent": "m", "m of water": "m", "mm of water equivalent": "mm", "mm water equivalent": "mm",
    "gpm": "m", "metres": "m", "meters": "m", "metre": "m", "meter": "m", "mb": "hPa", "mbar": "hPa",
    "millibar": "hPa", "millibars": "hPa", "hpa": "hPa", "pascals": "Pa", "pascal": "Pa", "pa": "Pa",
    "degree true": "degree", "degrees": "degree", "degrees_north": "degree", "degree_north": "degree",
    "degrees_east": "degree", "degree_east": "degree", "octas": "okta", "oktas": "okta", "octa": "okta", "code": "1",
}  # fmt: skip
# a power of ten before the unit, as in `10^-3 kg/kg` and `1e-6 m`
_SCALE = re.compile(
    r"(?:1[eE](?P<exponent>[+-]?\d+)|10\s*(?:\*\*|\^)\s*\(?(?P<power>[+-]?\d+)\)?)(?:\s+|\s*\*\s*|(?=$))"
)
# a layer of water as mass per area: 1000 kg m-3, so that 1 mm is 1 kg m-2
_WATER = 1000.0
# a Dobson unit of ozone [kg m-2]
_DOBSON = 2.1415e-5
_WORDS = {"meter": "m", "meters": "m", "metre": "m", "metres": "m", "second": "s", "seconds": "s", "sec": "s"}


@functools.cache
def normalise(units: str) -> str:
    """The UDUNITS spelling of `units`: `"m s**-1"`, `"m/s"` and `"meter second-1"` all give `"m s-1"`."""
    text = " ".join(str(units).split())
    alias = _ALIASES.get(text.lower())
    if alias is not None:
        return alias
    if text.startswith("(Code") or text.startswith("(code"):
        return "1"
    scale = _SCALE.match(text)
    if scale and scale[0] != text:
        power = int(scale["exponent"] or scale["power"])
        rest = normalise(text[scale.end() :])
        return f"1e{power}" if rest == "1" else f"1e{power} {rest}"
    text = re.sub(r"\s*(\*\*|\^)\s*", "", text)
    text = re.sub(r"\s+per\s+", "/", text, flags=re.IGNORECASE)
    text = re.sub(r"\(([^()/]*)\)", r"\1", text)  # kg/(m2 s)
    numerator, *denominators = re.split(r"\s*/\s*", text)
    for part in denominators:
        numerator += " " + " ".join(_inverse(token) for token in re.split(r"[\s.*·]+", part))
    tokens = [_word(token) for token in re.split(r"[\s.*·]+", numerator) if token not in ("", "1")]
    return " ".join(tokens) or "1"


def _inverse(token: str) -> str:
    match = re.fullmatch(r"([A-Za-z_%]+)(\d*)", token)
    return f"{match[1]}-{match[2] or 1}" if match else token


def _word(token: str) -> str:
    match = re.fullmatch(r"([A-Za-z_%]+)(-?\d*)", token)
    return f"{_WORDS.get(match[1].lower(), match[1])}{match[2]}" if match else token


@functools.cache
def _registry() -> "pint.UnitRegistry[Any]":
    import pint

    registry: pint.UnitRegistry[Any] = pint.UnitRegistry(autoconvert_offset_to_baseunit=True)
    return registry


def _pint_text(units: str) -> str:
    if units == "1":
        return "dimensionless"
    return " * ".join(re.sub(r"^([A-Za-z_%]+)(-?\d+)$", r"\1 ** \2", token) for token in units.split())


@functools.cache
def same_units(first: str, second: str) -> bool:
    """Whether two spellings mean the same units."""
    try:
        scale, offset = conversion(first, second)
    except DataError:
        return False
    return abs(scale - 1) < 1e-12 and abs(offset) < 1e-12


@functools.cache
def conversion(source: str, target: str) -> tuple[float, float]:
    """`(scale, offset)` such that target = scale·source + offset.

    A depth of water [m, mm] is also taken as mass per area [kg m-2] (1000 kg m-3), as in precipitation, and their rates too.

    Raises:
        DataError: unknown units, or of another dimension.
    """
    first, second = normalise(source), normalise(target)
    if first == second:
        return 1.0, 0.0
    try:
        return _converted(first, second)
    except DataError as error:
        if (forth := _as_mass(first, second)) is not None:
            return forth, 0.0
        if (back := _as_mass(second, first)) is not None:
            return 1 / back, 0.0
        reason = str(error).partition(": ")[2]
        raise DataError(f"units {source!r} cannot be converted to {target!r}: {reason}") from None


def _as_mass(depth: str, mass: str) -> float | None:
    """What brings a depth of water, or of ozone in Dobson units, or its rate, to mass per area; None for other units."""
    length, _, rate = depth.partition(" ")
    try:
        density = _DOBSON if length == "DU" else _WATER * _converted(length, "m")[0]
        return density * _converted(f"kg m-2 {rate}".strip(), mass)[0]
    except DataError:
        return None


def _converted(first: str, second: str) -> tuple[float, float]:
    """The conversion within one dimension; DataError for unknown units, or of another one."""
    (scale_1, unit_1), (scale_2, unit_2) = (_scaled(u) for u in (first, second))
    if unit_1 == unit_2:
        return scale_1 / scale_2, 0.0
    registry = _registry()
    try:
        zero = registry.Quantity(0.0, registry.parse_units(_pint_text(unit_1))).to(_pint_text(unit_2)).magnitude
        one = registry.Quantity(1.0, registry.parse_units(_pint_text(unit_1))).to(_pint_text(unit_2)).magnitude
    except Exception as error:
        raise DataError(f"units {first!r} cannot be converted to {second!r}: {error}") from None
    return float(one - zero) * scale_1 / scale_2, float(zero) / scale_2


def _scaled(units: str) -> tuple[float, str]:
    """The number before a unit, and the unit: a power of ten, or an eighth of the sky."""
    if units == "okta":
        return 0.125, "1"
    match = re.match(r"1e(-?\d+)(?: |$)", units)
    return (10.0 ** int(match[1]), units[match.end() :] or "1") if match else (1.0, units)

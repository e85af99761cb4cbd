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
    "gpm": "m", "metres": "m", "meters": "m", "metre": "m", "meter": "m", "mb": "hPa", "mbar": "hPa",
    "millibar": "hPa", "millibars": "hPa", "hpa": "hPa", "pascals": "Pa", "pascal": "Pa", "pa": "Pa",
    "degree true": "degree", "degrees": "degree", "degrees_north": "degree", "degree_north": "degree",
    "degrees_east": "degree", "degree_east": "degree", "octas": "1", "code": "1",
}  # fmt: skip
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
    text = re.sub(r"\s*(\*\*|\^)\s*", "", text)
    numerator, *denominators = re.split(r"\s*/\s*", text)
    for part in denominators:
        numerator += " " + " ".join(_inverse(token) for token in part.split())
    tokens = [_word(token) for token in re.split(r"[\s.*]+", numerator) if token not in ("", "1")]
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

    A depth of water [m] is also taken as mass per area [kg m-2] (1000 kg m-3), as in precipitation.

    Raises:
        DataError: unknown units, or of another dimension.
    """
    first, second = normalise(source), normalise(target)
    if first == second:
        return 1.0, 0.0
    if (first, second) in (("m", "kg m-2"), ("kg m-2", "m")):
        return (1000.0, 0.0) if first == "m" else (0.001, 0.0)
    registry = _registry()
    try:
        zero = registry.Quantity(0.0, registry.parse_units(_pint_text(first))).to(_pint_text(second)).magnitude
        one = registry.Quantity(1.0, registry.parse_units(_pint_text(first))).to(_pint_text(second)).magnitude
    except Exception as error:
        raise DataError(f"units {source!r} cannot be converted to {target!r}: {error}") from None
    return float(one - zero), float(zero)

"""Colour tables that meteorologists expect: by what a variable is, with its levels where the table has steps.

Temperature runs from violet through blue and white to red, rain in steps from white through blue and green to
red, wind from white through yellow to violet, humidity from brown to green; differences are blue and red about white.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from py4cast.errors import DataError
from py4cast.units import conversion
from py4cast.variables import Variable

if TYPE_CHECKING:
    from matplotlib.colors import Colormap

__all__ = ["DIFFERENCE", "ColourTable", "ink_on", "table_of"]

_TEMPERATURE = (
    "#4b0082",
    "#3b3bd1",
    "#2f8fe0",
    "#7cc9ea",
    "#dff3f7",
    "#ffffff",
    "#fff3b0",
    "#fdc05a",
    "#f46d2a",
    "#c51b1b",
    "#67001f",
)
_RAIN_COLOURS = (
    "#ffffff",
    "#c9e4f6",
    "#8cc6ec",
    "#4393d6",
    "#2062b5",
    "#2fa35a",
    "#8cd04a",
    "#f7e04b",
    "#f59b2c",
    "#e0402b",
    "#a01a5b",
    "#5a0f6e",
)
_RAIN_LEVELS = (0.0, 0.1, 0.5, 1.0, 2.0, 5.0, 10.0, 15.0, 20.0, 30.0, 50.0, 80.0, 150.0)
_WIND = ("#ffffff", "#d9f0d3", "#a6dba0", "#ffffb2", "#fecc5c", "#fd8d3c", "#e31a1c", "#9e0142", "#5e2c82")
_HUMIDITY = ("#8c510a", "#d8b365", "#f6e8c3", "#f5f5f5", "#c7eae5", "#5ab4ac", "#01665e")
# viridis without its dark end, on which lines and barbs could not be seen
_PLAIN = ("#3b528b", "#2c728e", "#21918c", "#28ae80", "#5ec962", "#addc30", "#fde725")
DIFFERENCE = "RdBu_r"


@dataclass(frozen=True, slots=True)
class ColourTable:
    """Creates the colours of one kind of field, and the limits between them.

    Args:
        name: of a matplotlib map, or of the table itself.
        colours: from low to high; empty for a matplotlib map.
        levels: bounds of the steps, one more than colours; empty for a smooth table.
        is_symmetric: whether the limits lie evenly about 0.
        is_from_zero: whether the lower limit is 0.
    """

    name: str
    colours: tuple[str, ...] = ()
    levels: tuple[float, ...] = ()
    is_symmetric: bool = False
    is_from_zero: bool = False

    def colormap(self) -> "Colormap":
        """The table as matplotlib's colour map."""
        import matplotlib
        from matplotlib.colors import LinearSegmentedColormap, ListedColormap

        if self.levels:
            return ListedColormap(list(self.colours), name=self.name)
        if self.colours:
            return LinearSegmentedColormap.from_list(self.name, self.colours)
        return matplotlib.colormaps[self.name]

    def span(self, *fields: NDArray[Any]) -> tuple[float, float]:
        """Limits for these fields: the table's levels, else their 1st and 99th percentile, never empty."""
        if self.levels:
            return self.levels[0], self.levels[-1]
        held = np.concatenate([f[np.isfinite(f)].ravel() for f in fields]) if fields else np.array([])
        if not held.size:
            return 0.0, 1.0
        low, high = (float(q) for q in np.quantile(held, (0.01, 0.99)))
        if self.is_symmetric:
            high = max(abs(low), abs(high))
            low = -high
        low = 0.0 if self.is_from_zero else low
        return (low, high) if high > low else (low - 0.5, high + 0.5)


def table_of(variable: Variable) -> ColourTable:
    """The colour table of a variable, by its CF name and units."""
    name = variable.cf_name
    if "temperature" in name and "sea" not in name:
        return ColourTable("temperature", _TEMPERATURE)
    if "sea_surface_temperature" in name or "sea_water_temperature" in name:
        return ColourTable("RdYlBu_r")
    if "precipitation" in name or "rainfall" in name or "snowfall" in name:
        return ColourTable("rain", _RAIN_COLOURS, levels=_in_units(variable, _RAIN_LEVELS, "kg m-2"))
    if name.startswith("wind_speed"):
        return ColourTable("wind", _WIND)
    if (
        "ward_wind" in name
        or name in ("x_wind", "y_wind")
        or "velocity" in name
        or "vorticity" in name
        or "tendency" in name
    ):
        return ColourTable("PuOr_r", is_symmetric=True)
    if "humidity" in name or "dew_point" in name:
        return ColourTable("humidity", _HUMIDITY)
    if "cloud" in name:
        return ColourTable("Greys_r")
    return ColourTable("plain", _PLAIN)


def _in_units(variable: Variable, levels: tuple[float, ...], units: str) -> tuple[float, ...]:
    try:
        scale, offset = conversion(units, variable.units or units)
    except DataError:
        return ()
    return tuple(scale * level + offset for level in levels)


def ink_on(shade: "Sequence[float] | NDArray[np.float64]") -> str:
    """Black or white, whichever is read better on a colour `(red, green, blue, ...)` of 0 to 1."""
    light = 0.299 * shade[0] + 0.587 * shade[1] + 0.114 * shade[2]
    return "black" if light > 0.5 else "white"

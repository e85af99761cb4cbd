"""Vertical profiles: variables by pressure at a place, a line per time; and what skew-T diagrams are made of."""

import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from py4cast.observers.display import KNOTS, Display
from py4cast.observers.style import FAINT, LABEL, NOTE, PANEL, SERIES, TICK, TITLE, WARM

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["Profile", "dew_point", "dew_point_of_relative", "draw_profiles", "draw_skewt"]


class Profile(NamedTuple):
    """A variable at all levels and times.

    Args:
        shown: how it is shown.
        levels: [hPa], rising.
        values: `(time, level)`, in the units that are shown.
    """

    shown: Display
    levels: NDArray[np.float64]
    values: NDArray[np.float64]


def draw_profiles(profiles: Sequence[Profile], titles: Sequence[str], title: str) -> "Figure":
    """The figure of some variables, one beside the other, pressure downwards on a logarithmic axis.

    Args:
        profiles: the variables.
        titles: of the times.
        title: above all.
    """
    import matplotlib
    from matplotlib.figure import Figure
    from matplotlib.ticker import FixedFormatter, FixedLocator, NullLocator

    figure = Figure(figsize=(3.2 * len(profiles) + 0.6, 5.2), layout="constrained")
    figure.suptitle(title, fontsize=TITLE)
    colours = matplotlib.colormaps["viridis"](np.linspace(0, 0.9, len(titles)))
    for axes, profile in zip(figure.subplots(1, len(profiles), squeeze=False)[0], profiles, strict=True):
        for values, label, colour in zip(profile.values, titles, colours, strict=True):
            axes.plot(values, profile.levels, color=colour, marker=".", linewidth=1.2, label=label)
        axes.set_yscale("log")
        axes.invert_yaxis()
        axes.yaxis.set_major_locator(FixedLocator(profile.levels.tolist()))
        axes.yaxis.set_major_formatter(FixedFormatter([f"{level:g}" for level in profile.levels]))
        axes.yaxis.set_minor_locator(NullLocator())
        axes.set_xlabel(profile.shown.title, fontsize=LABEL)
        axes.tick_params(labelsize=TICK)
        axes.grid(color=FAINT, linewidth=0.5)
    figure.axes[0].set_ylabel("pressure [hPa]", fontsize=LABEL)
    figure.axes[0].legend(fontsize=NOTE)
    return figure


def dew_point(specific_humidity: NDArray[Any], pressure: NDArray[Any]) -> NDArray[np.float64]:
    """The dew point [°C] of air of a specific humidity [kg kg-1] at a pressure [hPa].

    e = q·p/(ε + (1 − ε)·q), T_d = 243.5·ln(e/6.112)/(17.67 − ln(e/6.112)).

    Reference: D. Bolton (1980), The computation of equivalent potential temperature, doi 10.1175/1520-0493(1980)108<1046:TCOEPT>2.0.CO;2.
    """
    humidity = np.maximum(np.asarray(specific_humidity, dtype=np.float64), 1e-8)
    vapour = humidity * pressure / (0.622 + 0.378 * humidity)
    logarithm = np.log(vapour / 6.112)
    return np.asarray(243.5 * logarithm / (17.67 - logarithm))


def dew_point_of_relative(relative_humidity: NDArray[Any], temperature: NDArray[Any]) -> NDArray[np.float64]:
    """The dew point [°C] of air of a relative humidity [%] and a temperature [°C], by the same formula."""
    humidity = np.clip(np.asarray(relative_humidity, dtype=np.float64), 0.01, None) / 100
    logarithm = np.log(humidity) + 17.67 * temperature / (243.5 + temperature)
    return np.asarray(243.5 * logarithm / (17.67 - logarithm))


def draw_skewt(
    levels: NDArray[np.float64], temperature: NDArray[np.float64], dew_points: NDArray[np.float64] | None,
    wind: NDArray[np.float64] | None, title: str,
) -> "Figure":  # fmt: skip
    """A skew-T log-p diagram, by MetPy.

    Args:
        levels: [hPa].
        temperature: [°C], `(level,)`.
        dew_points: [°C], `(level,)`; None where no humidity is known.
        wind: both components, `(2, level)` [m s-1]; None where it is not known.
        title: above it.

    Raises:
        ImportError: MetPy is not installed.
    """
    from matplotlib.figure import Figure
    from metpy.plots import SkewT  # type: ignore[import-not-found,import-untyped,unused-ignore]
    from metpy.units import units  # type: ignore[import-not-found,import-untyped,unused-ignore]

    # of MetPy's own making when the figure is drawn, and nothing that a user can mend
    warnings.filterwarnings("ignore", "The interval_contains function was deprecated", module=r"metpy\.")
    figure = Figure(figsize=(6.0, 6.5))
    diagram = SkewT(figure, rotation=45)
    order = np.argsort(levels)[::-1]
    bottom, top = max(1050.0, float(levels.max()) + 10), max(100.0, float(levels.min()) - 20)
    diagram.ax.set_ylim(bottom, top)
    low, high = _skewed_span(levels, [temperature, *([] if dew_points is None else [dew_points])], bottom, top)
    diagram.ax.set_xlim(low, high)
    # the limits come first: adiabats are drawn for what they show, the dry ones aloft begin far to the right below
    begins = units.Quantity(np.arange(low // 10 * 10, high + 160, 10), "degC")
    diagram.plot_dry_adiabats(begins, linewidth=0.5, alpha=0.5)
    diagram.plot_moist_adiabats(linewidth=0.5, alpha=0.5)
    diagram.plot(levels[order], temperature[order], color=WARM, marker=".", label="temperature")
    if dew_points is not None:
        diagram.plot(levels[order], dew_points[order], color=SERIES[2], marker=".", label="dew point")
    if wind is not None:
        diagram.plot_barbs(levels[order], *(KNOTS * wind[:, order]))
    diagram.ax.legend(fontsize=NOTE, loc="upper left")
    diagram.ax.set_xlabel("temperature [°C]", fontsize=LABEL)
    diagram.ax.set_ylabel("pressure [hPa]", fontsize=LABEL)
    diagram.ax.set_title(title, fontsize=PANEL)
    return figure


def _skewed_span(
    levels: NDArray[np.float64], curves: Sequence[NDArray[np.float64]], bottom: float, top: float
) -> tuple[float, float]:
    """Limits of the temperature [°C] at the lower side within which all of some curves lie, at 45 degrees on a square diagram.

    A curve at pressure p stands further right by the share log(p₀/p)/log(p₀/p₁) of the width between the limits.
    """
    shares = np.log(bottom / levels) / np.log(bottom / top)
    low, high = -40.0, 40.0
    for _ in range(20):  # the width moves the curves, and they the width
        width = high - low
        places = np.concatenate([(curve + shares * width)[np.isfinite(curve)] for curve in curves])
        if not places.size:
            return low, high
        low, high = float(places.min()) - 5, max(float(places.max()) + 8, float(places.min()) + 65)
        if abs((high - low) - width) < 0.5:
            break
    return low, high

"""Hovmöller diagrams: a field along longitude or latitude, time downwards, so that what travels is a slanted band.

Reference: E. Hovmöller (1949), The trough-and-ridge diagram, doi 10.3402/tellusa.v1i2.8498.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from py4cast.observers.colours import ColourTable, table_of
from py4cast.observers.display import Display
from py4cast.observers.style import LABEL, TICK, TITLE

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["Band", "draw_hovmoller"]


class Band(NamedTuple):
    """A variable along a line at all times.

    Args:
        shown: how it is shown.
        values: `(time, place)`, in the units that are shown.
        table: its colours; by default those of its kind.
    """

    shown: Display
    values: NDArray[np.float64]
    table: ColourTable | None = None


def draw_hovmoller(
    bands: Sequence[Band], places: NDArray[np.float64], along: str, times: NDArray[np.float64], ylabel: str, title: str
) -> "Figure":
    """The figure of some variables, one beside the other.

    Args:
        bands: the variables.
        places: degrees along the line.
        along: longitude or latitude.
        times: of the rows, hours or days.
        ylabel: what they are.
        title: above all.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(4.4 * len(bands) + 0.4, 5.2), layout="constrained")
    figure.suptitle(title, fontsize=TITLE)
    for axes, band in zip(figure.subplots(1, len(bands), squeeze=False, sharey=True)[0], bands, strict=True):
        table = band.table or table_of(band.shown.variable)
        low, high = table.span(band.values)
        mesh = axes.pcolormesh(
            places, times, np.ma.masked_invalid(band.values), cmap=table.colormap(), vmin=low, vmax=high, shading="nearest",
            rasterized=True,
        )  # fmt: skip
        axes.invert_yaxis() if not axes.yaxis_inverted() else None
        axes.set_xlabel(f"{along} [°{'E' if along == 'longitude' else 'N'}]", fontsize=LABEL)
        axes.tick_params(labelsize=TICK)
        bar = figure.colorbar(mesh, ax=axes, shrink=0.9)
        bar.set_label(band.shown.title, fontsize=LABEL)
        bar.ax.tick_params(labelsize=TICK)
    figure.axes[0].set_ylabel(ylabel, fontsize=LABEL)
    return figure

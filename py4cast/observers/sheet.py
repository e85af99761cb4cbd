"""A sheet of charts: a row per variable, a column per time, a colour bar at the end of each row."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from py4cast.grid import Grid
from py4cast.observers.chart import LEGENDS, Isolines, Wind, draw_chart
from py4cast.observers.colours import ColourTable, table_of
from py4cast.observers.display import Display, display_of
from py4cast.observers.images import proportions
from py4cast.observers.raster import rectangle_of
from py4cast.variables import Variable

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["Row", "draw_sheet"]

_COLUMNS = 3  # of a single variable; the rest goes below


class Row(NamedTuple):
    """One variable at some times.

    Args:
        variable: what it is.
        fields: `(lat, lon)` each, in its units.
        shown: how it is shown; by default as forecasters do.
        table: its colours; by default those of its kind.
        marks: cells that are stippled at each time, `(lat, lon)`; None for none.
    """

    variable: Variable
    fields: Sequence[NDArray[np.float32]]
    shown: Display | None = None
    table: ColourTable | None = None
    marks: Sequence[NDArray[np.bool_] | None] = ()


def draw_sheet(
    grid: Grid,
    rows: Sequence[Row],
    titles: Sequence[str],
    isolines: Sequence[Isolines] | None,
    winds: Sequence[Wind] | None,
) -> "Figure":
    """The figure of some variables at some times, each variable under one span of colours.

    Args:
        grid: where the cells are.
        rows: the variables.
        titles: of the times.
        isolines: of each time, over every chart.
        winds: of each time, over every chart.
    """
    from matplotlib.figure import Figure

    wide = min(2.2, max(0.6, proportions(rectangle_of(grid))))
    shape = (len(rows), len(titles)) if len(rows) > 1 else (-(-len(titles) // _COLUMNS), min(_COLUMNS, len(titles)))
    size = (4.2 * shape[1] * wide**0.5 + 0.9, 3.6 * shape[0] / wide**0.5 + 0.3)
    figure = Figure(figsize=size, layout="constrained")
    places = figure.subplots(*shape, squeeze=False)
    for row, line in zip(rows, places if len(rows) > 1 else places.reshape(1, -1), strict=True):
        shown = row.shown or display_of(row.variable)
        table = row.table or table_of(shown.variable)
        span = table.span(*(shown.values(f) for f in row.fields))
        mesh: Any = None
        for i, (axes, title, field) in enumerate(zip(line, titles, row.fields, strict=False)):
            over = (None if isolines is None else isolines[i], None if winds is None else winds[i])
            marks = row.marks[i] if row.marks else None
            mesh = draw_chart(
                axes, grid, row.variable, field, title, span, *over, shown=shown, table=table, marks=marks
            )
        for axes in line[len(titles) :]:
            axes.set_visible(False)
        bar = figure.colorbar(mesh, ax=list(line), shrink=0.85)
        bar.set_label(shown.title, fontsize=8)
        bar.ax.tick_params(labelsize=7)
    legend = [f"lines: {display_of(isolines[0].variable, isolines[0].units).title}"] if isolines else []
    legend += [_of_wind(winds[0])] if winds else []
    legend += (
        ["dots: more than what members differ by"] if any(m is not None for row in rows for m in row.marks) else []
    )
    if legend:
        figure.supxlabel("; ".join(legend), fontsize=7)
    return figure


def _of_wind(wind: Wind) -> str:
    """What is said of a wind below: its level too, where it is none near the ground."""
    level = display_of(wind.variable).name.partition(" at ")[2]
    is_aloft = wind.variable.type_of_level == "isobaricInhPa" and level
    return LEGENDS[wind.style].replace("wind", f"wind at {level}", 1) if is_aloft else LEGENDS[wind.style]

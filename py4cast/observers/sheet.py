"""A sheet of charts: a row per variable, a column per time, a colour bar at the end of each row."""

from collections.abc import Sequence
from textwrap import wrap
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from py4cast.grid import Grid
from py4cast.observers.chart import LEGENDS, Isolines, Wind, draw_chart, line_levels
from py4cast.observers.colours import ColourTable, table_of
from py4cast.observers.display import Display, display_of
from py4cast.observers.images import proportions
from py4cast.observers.raster import rectangle_of
from py4cast.observers.style import LABEL, NOTE, TICK, plain_numbers
from py4cast.variables import Variable

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["Row", "draw_sheet"]

_COLUMNS = 3  # of a single variable; the rest goes below
# around each map, for its title and the numbers beside it [inch]
_LEFT, _RIGHT, _TITLE, _BELOW, _LEGEND = 0.48, 0.12, 0.36, 0.22, 0.2
# of a square as large as a map [inch]
_SIDE = 3.2
# the colour bar of a row with its numbers and its title [inch]
_BAR, _BAR_WIDTH, _BAR_GAP, _BAR_SHARE = 0.95, 0.14, 0.14, 0.85
# letters of one point in an inch
_LETTERS = 120.0

# left, bottom, width and height, in shares of the figure
Slot = tuple[float, float, float, float]


class Row(NamedTuple):
    """One variable at some times.

    Args:
        variable: what it is.
        fields: `(lat, lon)` each, in its units.
        shown: how it is shown; by default as forecasters do.
        table: its colours; by default those of its kind.
        marks: cells that are stippled at each time, `(lat, lon)`; None for none.
        span: limits of the colours, in the units that are shown; by default those of the fields.
    """

    variable: Variable
    fields: Sequence[NDArray[np.float32]]
    shown: Display | None = None
    table: ColourTable | None = None
    marks: Sequence[NDArray[np.bool_] | None] = ()
    span: tuple[float, float] | None = None


def draw_sheet(
    grid: Grid,
    rows: Sequence[Row],
    titles: Sequence[str],
    isolines: Sequence[Isolines] | None,
    winds: Sequence[Wind] | None,
    note: str = "",
) -> "Figure":
    """The figure of some variables at some times, each variable under one span of colours.

    Args:
        grid: where the cells are.
        rows: the variables.
        titles: of the times.
        isolines: of each time, over every chart.
        winds: of each time, over every chart.
        note: a line below.
    """
    from matplotlib.figure import Figure

    isolines = None if isolines is None else _on_one_scale(isolines)
    wide = min(2.2, max(0.6, proportions(rectangle_of(grid))))
    shape = (len(rows), len(titles)) if len(rows) > 1 else (-(-len(titles) // _COLUMNS), min(_COLUMNS, len(titles)))
    width, height = _SIDE * wide**0.5 + _LEFT + _RIGHT, _SIDE / wide**0.5 + _TITLE + _BELOW
    legend = wrap(
        "; ".join(filter(None, [note, *_legend_of(rows, isolines, winds)])),
        int(_LETTERS / 7 * (width * shape[1] + _BAR)),
    )
    size = (width * shape[1] + _BAR, height * shape[0] + _LEGEND * len(legend))
    figure = Figure(figsize=size)
    slots = _slots(*shape, size, (width, height))
    for row, line in zip(rows, slots if len(rows) > 1 else [[slot for part in slots for slot in part]], strict=True):
        shown = row.shown or display_of(row.variable)
        table = row.table or table_of(shown.variable)
        span = row.span or table.span(*(shown.values(f) for f in row.fields))
        mesh: Any = None
        maps = []
        for i, (slot, title, field) in enumerate(zip(line, titles, row.fields, strict=False)):
            axes = figure.add_axes(slot)
            over = (None if isolines is None else isolines[i], None if winds is None else winds[i])
            marks = row.marks[i] if row.marks else None
            mesh = draw_chart(
                axes, grid, row.variable, field, title, span, *over, shown=shown, table=table, marks=marks
            )
            maps.append(axes)
        beyond = "neither" if table.levels else _beyond(span, [shown.values(f) for f in row.fields])
        bar = figure.colorbar(mesh, cax=_beside(figure, maps), extend=beyond, extendfrac=0.03)
        bar.set_label(_wrapped(shown.title, bar.ax.get_position().height * size[1]), fontsize=LABEL)
        bar.ax.tick_params(labelsize=TICK)
        plain_numbers(bar.ax.yaxis)
    if legend:
        figure.text(0.5, 0.06 / size[1], "\n".join(legend), fontsize=NOTE, ha="center", va="bottom")
    return figure


def _on_one_scale(isolines: Sequence[Isolines]) -> list[Isolines]:
    """Lines at the same levels at all times, so that a gradient that grows is seen to."""
    if len(isolines) < 2:
        return list(isolines)
    shown = display_of(isolines[0].variable, isolines[0].units)
    levels = line_levels(np.concatenate([shown.values(lines.field).ravel() for lines in isolines]))
    return [lines._replace(levels=levels) for lines in isolines]


def _beyond(span: tuple[float, float], fields: Sequence[NDArray[np.float64]]) -> str:
    """At which ends of a colour bar fields go on, as matplotlib says it."""
    held = np.concatenate([field[np.isfinite(field)].ravel() for field in fields])
    below, above = (bool(held.size and is_out) for is_out in ((held < span[0]).any(), (held > span[1]).any()))
    return {(True, True): "both", (True, False): "min", (False, True): "max"}.get((below, above), "neither")


def _slots(rows: int, columns: int, size: tuple[float, float], each: tuple[float, float]) -> list[list[Slot]]:
    """Where each map may lie, the first row above.

    The margins are known beforehand; to measure every letter for them costs a quarter of a chart.
    """
    width, height = each
    return [
        [
            (
                (width * column + _LEFT) / size[0], (size[1] - height * (row + 1) + _BELOW) / size[1],
                (width - _LEFT - _RIGHT) / size[0], (height - _TITLE - _BELOW) / size[1],
            )
            for column in range(columns)
        ]
        for row in range(rows)
    ]  # fmt: skip


def _beside(figure: "Figure", maps: Sequence["Axes"]) -> "Axes":
    """Where the colour bar goes: to the right of some maps, as tall as they are together."""
    for axes in maps:
        axes.apply_aspect()
    places = [axes.get_position() for axes in maps]
    bottom, top = min(p.y0 for p in places), max(p.y1 for p in places)
    width, height = figure.get_size_inches()
    tall = min(top - bottom, 2 * _SIDE / height) * _BAR_SHARE
    left = max(p.x1 for p in places) + _BAR_GAP / width
    return figure.add_axes((left, (bottom + top - tall) / 2, _BAR_WIDTH / width, tall))


def _wrapped(title: str, tall: float) -> str:
    """A title in lines that are no longer than the colour bar beside them [inch]."""
    # units stay together
    name, bracket, units = title.partition("[")
    whole = name + bracket + units.replace(" ", "\u00a0")
    return "\n".join(wrap(whole, max(12, int(_LETTERS / 8 * tall)), break_long_words=False))


def _legend_of(rows: Sequence[Row], isolines: Sequence[Isolines] | None, winds: Sequence[Wind] | None) -> list[str]:
    """What is said below of lines, wind and dots."""
    legend = [f"lines: {display_of(isolines[0].variable, isolines[0].units).title}"] if isolines else []
    legend += [_of_wind(winds[0])] if winds else []
    told = [m for row in rows for m in row.marks if m is not None]
    if told:
        legend.append("dots: more than what members differ by" + ("" if any(m.any() for m in told) else " (nowhere)"))
    if any(not np.isfinite(field).all() for row in rows for field in row.fields):
        legend.append("grey: no value")
    return legend


def _of_wind(wind: Wind) -> str:
    """What is said of a wind below: its level too, where it is none near the ground."""
    if "wind" not in wind.variable.cf_name:
        return LEGENDS[wind.style].replace("wind", "current", 1)
    level = display_of(wind.variable).name.partition(" at ")[2]
    is_aloft = wind.variable.type_of_level == "isobaricInhPa" and level
    return LEGENDS[wind.style].replace("wind", f"wind at {level}", 1) if is_aloft else LEGENDS[wind.style]

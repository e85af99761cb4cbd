"""Charts that a forecaster reads: a filled field with the coast, isobars with lows and highs, wind as barbs."""

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from py4cast.grid import Grid
from py4cast.observers.coast import joined
from py4cast.observers.colours import ColourTable, table_of
from py4cast.observers.display import KNOTS, Display, display_of
from py4cast.observers.graticule import graticule
from py4cast.observers.maps import _places as places_of
from py4cast.observers.maps import draw_field
from py4cast.observers.numbers import fixed, label_of
from py4cast.observers.raster import as_rectangle, rectangle_of
from py4cast.observers.style import COLD, INK, LINE, MARK, PANEL, SOFT, TICK, TITLE, WARM
from py4cast.observers.towns import towns_on
from py4cast.variables import Variable
from py4cast.vectors import VectorTurn

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = [
    "LEGENDS",
    "WINDS",
    "Isolines",
    "Wind",
    "centres_of",
    "draw_chart",
    "line_levels",
    "smoothed",
    "value_of_centre",
]

_ACROSS = 22  # barbs along the longer side
_DOTS_ACROSS = 60
# a light ground behind letters: an outline of each would be drawn as paths, which takes thrice as long
_GROUND = {"facecolor": "white", "alpha": 0.6, "linewidth": 0, "pad": 0.4}
_LETTER_INCHES = 0.54 * PANEL / 72  # the mean width of a letter of a title
_SMOOTHED_M = 25_000.0
# of a field's range, and of its rows and columns: a centre stands out by so much, and so far from the edge
_FLAT, _EDGE = 0.02, 0.025
_ALIKE = 0.005  # of the range, by which cells of a plateau differ
_STEPS = (1.0, 2.0, 4.0, 5.0)


class Isolines(NamedTuple):
    """A field that is drawn as lines.

    Args:
        variable: pressure or geopotential.
        field: `(lat, lon)`, in its units.
        units: that are written on the lines; by default those that forecasters use.
        levels: of the lines, in the units that are shown; by default some twelve round ones.
    """

    variable: Variable
    field: NDArray[np.float32]
    units: str = ""
    levels: NDArray[np.float64] | None = None


class Wind(NamedTuple):
    """The components of a wind.

    Args:
        variable: the first one; its axes say along which both run.
        u: `(lat, lon)` [m s-1].
        v: `(lat, lon)` [m s-1].
        style: how it is drawn, of `WINDS`.
    """

    variable: Variable
    u: NDArray[np.float32]
    v: NDArray[np.float32]
    style: str = "barbs"


def line_levels(field: NDArray[np.float64], count: int = 12) -> NDArray[np.float64]:
    """Round numbers a round step apart, some twelve over a field; every 4 hPa of a pressure near the sea is such a step."""
    held = field[np.isfinite(field)]
    if held.size < 2 or np.ptp(held) == 0:
        return np.array([])
    raw = float(np.ptp(held)) / count
    power = 10.0 ** np.floor(np.log10(raw))
    step = next((f * power for f in _STEPS if f * power >= raw), 10 * power)
    return np.asarray(np.arange(np.ceil(held.min() / step), np.floor(held.max() / step) + 1) * step)


def smoothed(field: NDArray[np.float64], grid: Grid) -> NDArray[np.float64]:
    """A field without what is smaller than some 50 km, which lines of pressure do not show; as it is on a coarser grid."""
    from scipy.ndimage import gaussian_filter

    spacing = float(np.nanmin(grid.spacing())) if not grid.is_periodic else np.inf
    width = _SMOOTHED_M / spacing if np.isfinite(spacing) and spacing > 0 else 0.0
    if width < 1:
        return field
    held = np.isfinite(field)
    if held.all():
        return np.asarray(gaussian_filter(field.astype(np.float64), width))
    sums, shares = (gaussian_filter(v.astype(np.float64), width) for v in (np.where(held, field, 0.0), held))
    return np.where(held, sums / np.maximum(shares, 1e-12), np.nan)


def centres_of(
    field: NDArray[np.float64], size: int | None = None, is_round: bool = False
) -> list[tuple[int, int, str]]:
    """Rows and columns of the lows `L` and highs `H`: the least and largest within `size` cells, not at the edge.

    What is hardly lower or higher than the mean about it is no centre.

    Args:
        field: `(lat, lon)`.
        size: cells to each side; by default a fourteenth of the shorter side, at least four.
        is_round: whether the first column follows the last one.
    """
    from scipy.ndimage import maximum_filter, minimum_filter, uniform_filter

    size = max(4, min(field.shape) // 14) if size is None else size
    centres: list[tuple[int, int, str]] = []
    (rows, columns), held = field.shape, np.isfinite(field)
    filled = np.where(held, field, np.nanmean(field))
    modes = ("nearest", "wrap" if is_round else "nearest")
    about = uniform_filter(filled, size=2 * size + 1, mode=modes)
    stands_out = held & (np.abs(filled - about) > _FLAT * np.ptp(filled))
    edge = max(2, round(_EDGE * rows)), 0 if is_round else max(2, round(_EDGE * columns))
    stands_out[: edge[0]] = stands_out[rows - edge[0] :] = False
    stands_out[:, : edge[1]] = stands_out[:, columns - edge[1] :] = False
    for letter, reduced in (("L", minimum_filter), ("H", maximum_filter)):
        extremes = reduced(filled, size=2 * size + 1, mode=modes)
        # of a plateau most cells about are as low or high
        alike = uniform_filter(
            (np.abs(filled - extremes) <= _ALIKE * np.ptp(filled)).astype(float), size=2 * size + 1, mode=modes
        )
        extreme = (extremes == filled) & stands_out & (alike < 0.5)
        for row, column in np.argwhere(extreme).tolist():
            aside = ((abs(row - r), abs(column - c)) for r, c, s in centres if s == letter)
            if not any(y <= size and min(x, columns - x if is_round else x) <= size for y, x in aside):
                centres.append((row, column, letter))
    return centres


def value_of_centre(field: NDArray[Any], row: int, column: int, letter: str) -> float:
    """The least or largest value of a field that was not smoothed, within two cells of a centre."""
    about = field[max(0, row - 2) : row + 3, max(0, column - 2) : column + 3]
    return float(np.nanmin(about) if letter == "L" else np.nanmax(about))


def draw_chart(
    axes: "Axes", grid: Grid, variable: Variable, field: NDArray[np.float32], title: str,
    span: tuple[float, float] | None = None, isolines: Isolines | None = None, wind: Wind | None = None,
    shown: Display | None = None, table: ColourTable | None = None, marks: NDArray[np.bool_] | None = None,
) -> Any:  # fmt: skip
    """Draws a filled field `(lat, lon)`, lines and wind over it; returns what a colour bar takes.

    Args:
        axes: of matplotlib.
        grid: where the cells are.
        variable: of the filled field.
        field: its values, in its units.
        title: above it.
        span: limits of the colours, in the units that are shown.
        isolines: pressure or geopotential.
        wind: drawn as barbs (a half one for 5 kn, a whole one for 10 kn, a flag for 50 kn), arrows or streamlines.
        shown: how the field is shown; by default as forecasters do.
        table: its colours; by default those of its kind.
        marks: cells that are stippled, `(lat, lon)`.
    """
    shown = shown or display_of(variable)
    mesh = draw_field(axes, grid, shown.values(field), table or table_of(shown.variable), span)
    axes.set_title(_title(axes, title), fontsize=PANEL)
    _draw_graticule(axes, rectangle_of(grid))
    if isolines is not None:
        _draw_lines(axes, grid, isolines)
    if wind is not None:
        _draw_wind(axes, grid, wind)
    if marks is not None:
        _stipple(axes, grid, marks)
    _draw_towns(axes, rectangle_of(grid))
    if not np.isfinite(field).any():
        axes.text(
            0.5, 0.5, "no values", transform=axes.transAxes, fontsize=TITLE, ha="center", va="center", bbox=_GROUND
        )
    return mesh


def _title(axes: "Axes", title: str) -> str:
    """A title in lines that do not run into those of its neighbours."""
    figure = axes.get_figure(root=True)
    assert figure is not None, "axes of a picture"
    width = figure.get_size_inches()[0] * axes.get_position(original=True).width + 0.4
    longest = max(12, int(width / _LETTER_INCHES))
    if len(title) <= longest:
        return title
    parts = title.split(", ")
    lines = [parts[0]]
    for part in parts[1:]:
        is_full = part.startswith("valid ") or len(lines[-1]) + len(part) + 2 > longest
        lines[-1:] = [f"{lines[-1]},", part] if is_full else [f"{lines[-1]}, {part}"]
    return "\n".join(lines)


def _draw_graticule(axes: "Axes", grid: Grid) -> None:
    """Meridians and parallels, named where they meet the lower and the left side, in place of kilometres and bare numbers."""
    x, y, _ = places_of(grid)
    ticks: dict[str, dict[float, str]] = {"x": {}, "y": {}}
    drawn = []
    for line in graticule(grid):
        for part in line.parts:
            columns, rows = (np.interp(part[:, i], np.arange(a.size), a) for i, a in enumerate((x, y)))
            drawn.append(np.stack([columns, rows], axis=1))
            along, side = ("x", y.min()) if line.is_meridian else ("y", x.min())
            beside, at = (rows, columns) if along == "x" else (columns, rows)
            end = int(np.argmin(np.abs(beside - side)))
            if abs(beside[end] - side) <= 1.5 * abs(float(np.ptp(y if along == "x" else x))) / max(grid.shape):
                ticks[along][float(at[end])] = line.label
    for whole in joined(drawn):
        axes.plot(*whole.T, color=SOFT, linewidth=0.3, linestyle=":")
    if any(ticks.values()):
        _name_lines(axes, ticks["x"], ticks["y"])


def _name_lines(axes: "Axes", meridians: dict[float, str], parallels: dict[float, str]) -> None:
    """The names of meridians below a map and of parallels to its left, with a mark each; ticks would cost twice as much."""
    from matplotlib.markers import TICKDOWN, TICKLEFT

    axes.xaxis.set_visible(False)
    axes.yaxis.set_visible(False)
    mark: dict[str, Any] = {"color": INK, "linestyle": "", "markersize": 3.5, "markeredgewidth": 0.8, "clip_on": False}
    below, left = axes.get_xaxis_transform(), axes.get_yaxis_transform()
    axes.plot(list(meridians), [0.0] * len(meridians), marker=TICKDOWN, transform=below, **mark)
    axes.plot([0.0] * len(parallels), list(parallels), marker=TICKLEFT, transform=left, **mark)
    for x, name in meridians.items():
        axes.text(x, 0.0, name, transform=_moved(axes, below, 0, -5), fontsize=TICK, ha="center", va="top")
    for y, name in parallels.items():
        axes.text(0.0, y, name, transform=_moved(axes, left, -5, 0), fontsize=TICK, ha="right", va="center")


def _moved(axes: "Axes", transform: Any, right: float, up: float) -> Any:
    """A transform whose places lie some points to the right and up."""
    from matplotlib.transforms import offset_copy

    return offset_copy(transform, axes.get_figure(root=True), right, up, units="points")


def _draw_towns(axes: "Axes", grid: Grid) -> None:
    """A dot and the name of the largest towns, readable over any colour; the limits of the map stay."""
    x, y, _ = places_of(grid)
    towns = towns_on(grid)
    at = [(np.interp(t.column, np.arange(x.size), x), np.interp(t.row, np.arange(y.size), y)) for t in towns]
    if at:
        axes.plot(*zip(*at, strict=True), "o", color=INK, markersize=1.5, markeredgewidth=0, scalex=False, scaley=False)  # fmt: skip
    for town, place in zip(towns, at, strict=True):
        is_left = town.is_left(grid.shape[1])
        axes.text(
            *place, town.name, transform=_moved(axes, axes.transData, -2 if is_left else 2, 1), fontsize=MARK, color=INK,
            ha="right" if is_left else "left", bbox=_GROUND,
        )  # fmt: skip


def _stipple(axes: "Axes", grid: Grid, marks: NDArray[np.bool_]) -> None:
    """Dots on every so many of the marked cells."""
    flat = np.nan_to_num(as_rectangle(grid, marks.astype(np.float32))) > 0.5
    x, y, _ = places_of(rectangle_of(grid))
    every = max(1, round(max(flat.shape) / _DOTS_ACROSS))
    rows, columns = np.nonzero(flat[every // 2 :: every, every // 2 :: every])
    if rows.size:
        axes.plot(x[every // 2 :: every][columns], y[every // 2 :: every][rows], ".", color=INK, markersize=1.2)


def _draw_lines(axes: "Axes", grid: Grid, isolines: Isolines) -> None:
    # through cells of one row or column there are no lines
    if min(rectangle_of(grid).shape) < 2:
        return
    shown = display_of(isolines.variable, isolines.units)
    field = as_rectangle(grid, shown.values(isolines.field))
    values = smoothed(field, rectangle_of(grid))
    x, y, _ = places_of(rectangle_of(grid))
    levels = line_levels(values) if isolines.levels is None else isolines.levels
    if not levels.size or not np.isfinite(values).any():
        return
    step = float(levels[1] - levels[0] if levels.size > 1 else levels[0])
    # a level that no cell reaches is no fault
    crossed = levels[(levels >= np.nanmin(values)) & (levels <= np.nanmax(values))]
    if crossed.size:
        drawn = axes.contour(x, y, np.ma.masked_invalid(values), levels=crossed, colors=INK, linewidths=LINE)
        axes.clabel(drawn, fontsize=MARK, fmt=lambda v: fixed(float(v), step), inline_spacing=2)
    is_round = rectangle_of(grid).is_periodic
    for row, column, letter in centres_of(values, is_round=is_round):
        colour = WARM if letter == "L" else COLD
        axes.text(x[column], y[row], letter, color=colour, fontsize=TITLE, fontweight="bold", ha="center", va="center", zorder=4)  # fmt: skip
        number = label_of(value_of_centre(field, row, column, letter), float(np.nanmax(values) - np.nanmin(values)))
        axes.text(
            x[column], y[row], number, transform=_moved(axes, axes.transData, 0, -9), fontsize=MARK, color=colour, ha="center",
            bbox=_GROUND, zorder=4,
        )  # fmt: skip


def _draw_wind(axes: "Axes", grid: Grid, wind: Wind) -> None:
    u, v = wind.u, wind.v
    if wind.variable.axes == "earth" and grid.is_projected and grid.is_rectangular:
        # on a map the paper's axes are those of the grid
        u, v = VectorTurn(grid, "earth", grid, "grid")(u, v)
    flat = rectangle_of(grid)
    u, v = as_rectangle(grid, u), as_rectangle(grid, v)
    if not (np.isfinite(u) & np.isfinite(v)).any():
        return
    x, y, _ = places_of(flat)
    WINDS[wind.style](axes, x, y, u, v, flat)


def _thinned(u: NDArray[Any]) -> tuple[slice, slice]:
    every = max(1, round(max(u.shape) / _ACROSS))
    return slice(every // 2, None, every), slice(every // 2, None, every)


def _barbs(axes: "Axes", x: Any, y: Any, u: NDArray[Any], v: NDArray[Any], grid: Grid) -> None:
    rows, columns = _thinned(u)
    south = grid.latitude_2d()[rows, columns].ravel() < 0
    along, across = (places.ravel() for places in np.meshgrid(x[columns], y[rows]))
    axes.barbs(
        along, across, KNOTS * u[rows, columns].ravel(), KNOTS * v[rows, columns].ravel(), length=4, linewidth=0.4, flip_barb=south,
        sizes={"emptybarb": 0.12},
    )  # fmt: skip


def _arrows(axes: "Axes", x: Any, y: Any, u: NDArray[Any], v: NDArray[Any], grid: Grid) -> None:
    speeds = line_levels(np.array([0.0, *np.hypot(u, v)[np.isfinite(u) & np.isfinite(v)].ravel()]), 2)
    if not speeds.size:
        return  # calm all over
    rows, columns = _thinned(u)
    drawn = axes.quiver(x[columns], y[rows], u[rows, columns], v[rows, columns], width=0.002, pivot="mid")
    fast = float(speeds[-1])
    axes.quiverkey(drawn, 0.82, 0.05, fast, f"{fast:g} m s⁻¹", labelpos="E", fontproperties={"size": 6})


def _streamlines(axes: "Axes", x: Any, y: Any, u: NDArray[Any], v: NDArray[Any], grid: Grid) -> None:
    # along evenly spaced axes that grow
    order = [np.argsort(a, kind="stable") for a in (y, x)]
    u, v = (np.ma.masked_invalid(part[order[0]][:, order[1]]) for part in (u, v))
    at_x, at_y = (np.linspace(a[o[0]], a[o[-1]], a.size) for a, o in ((x, order[1]), (y, order[0])))
    axes.streamplot(at_x, at_y, u, v, density=1.2, color=INK, linewidth=0.5, arrowsize=0.6)


WINDS = {"barbs": _barbs, "arrows": _arrows, "streamlines": _streamlines}
LEGENDS = {
    "barbs": "barbs: wind, half 5 kn, full 10 kn, flag 50 kn",
    "arrows": "arrows: wind",
    "streamlines": "streamlines: direction of the wind",
}

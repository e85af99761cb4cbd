"""Drawing of fields on their grid, offline: in true proportions, with the coast, in the colours of their kind."""

from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from py4cast.grid import Grid
from py4cast.observers.coast import coastlines, joined
from py4cast.observers.colours import ColourTable
from py4cast.observers.raster import as_rectangle, is_north_up, rectangle_of
from py4cast.observers.style import FAINT, INK, TICK

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["draw_field"]


def draw_field(
    axes: "Axes", grid: Grid, field: NDArray[Any], table: ColourTable, span: tuple[float, float] | None = None
) -> Any:
    """Draws `(lat, lon)` on `axes` with true proportions and the coast; returns what a colour bar takes.

    Args:
        axes: of matplotlib.
        grid: where the cells are.
        field: values.
        table: colours.
        span: limits of the colours; by default the table's for this field.
    """
    from matplotlib.colors import BoundaryNorm

    field, grid = as_rectangle(grid, field), rectangle_of(grid)
    axes.set_facecolor(FAINT)  # what has no value is no colour of a table
    x, y, aspect = _places(grid)
    cmap = table.colormap()
    low, high = span or table.span(field)
    scale = {"norm": BoundaryNorm(table.levels, cmap.N)} if table.levels else {"vmin": low, "vmax": high}
    mesh = _draw_cells(axes, x, y, np.ma.masked_invalid(field), {"cmap": cmap, **scale}, aspect)
    for line in joined(coastlines(grid)):
        columns, rows = (np.interp(line[:, i], np.arange(a.size), a) for i, a in enumerate((x, y)))
        axes.plot(columns, rows, color=INK, linewidth=0.5, alpha=0.8)
    if grid.is_projected and grid.y is None and is_north_up(grid):
        # rows by number, the first of them in the north
        axes.yaxis.set_inverted(True)
    axes.set_aspect(aspect)
    axes.tick_params(labelsize=TICK)
    return mesh


def _draw_cells(
    axes: "Axes", x: NDArray[Any], y: NDArray[Any], field: Any, colours: dict[str, Any], aspect: float
) -> Any:
    """Cells in their colours: as pixels where rows and columns are even, which takes half as long, else each drawn by itself."""
    if not (_is_even(x) and _is_even(y) and x[1] > x[0]):
        return axes.pcolormesh(x, y, field, shading="nearest", rasterized=True, **colours)
    half_x, half_y = (x[1] - x[0]) / 2, abs(y[1] - y[0]) / 2
    sides = (x[0] - half_x, x[-1] + half_x, y.min() - half_y, y.max() + half_y)
    origin: Literal["lower", "upper"] = "lower" if y[1] > y[0] else "upper"
    return axes.imshow(field, extent=sides, origin=origin, interpolation="nearest", aspect=aspect, **colours)


def _is_even(axis: NDArray[Any]) -> bool:
    steps = np.diff(axis)
    return steps.size > 0 and bool(np.allclose(steps, steps[0], rtol=1e-3, atol=0))


def _places(grid: Grid) -> tuple[NDArray[Any], NDArray[Any], float]:
    """Coordinates of columns and rows, and the aspect that shows them truly."""
    if grid.x is not None and grid.y is not None:
        return grid.x / 1000, grid.y / 1000, 1.0
    if grid.is_projected:
        return np.arange(float(grid.shape[1])), np.arange(float(grid.shape[0])), 1.0
    middle = np.cos(np.deg2rad(np.clip(np.mean(grid.latitude), -75, 75)))
    # longitudes run on over the date line
    return np.unwrap(grid.longitude, period=360.0), grid.latitude, 1.0 if grid.is_periodic else 1.0 / float(middle)

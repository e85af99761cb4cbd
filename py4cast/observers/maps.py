"""Drawing of fields on their grid, offline: in true proportions, with the coast, in the colours of their kind."""

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from py4cast.grid import Grid
from py4cast.observers.coast import coastlines, joined
from py4cast.observers.colours import ColourTable
from py4cast.observers.raster import as_rectangle, is_north_up, rectangle_of
from py4cast.observers.style import INK, TICK

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
    x, y, aspect = _places(grid)
    cmap = table.colormap()
    low, high = span or table.span(field)
    scale = {"norm": BoundaryNorm(table.levels, cmap.N)} if table.levels else {"vmin": low, "vmax": high}
    mesh = axes.pcolormesh(x, y, np.ma.masked_invalid(field), cmap=cmap, shading="nearest", rasterized=True, **scale)
    for line in joined(coastlines(grid)):
        columns, rows = (np.interp(line[:, i], np.arange(a.size), a) for i, a in enumerate((x, y)))
        axes.plot(columns, rows, color=INK, linewidth=0.5, alpha=0.8)
    if grid.is_projected and grid.y is None and is_north_up(grid):
        # rows by number, the first of them in the north
        axes.yaxis.set_inverted(True)
    axes.set_aspect(aspect)
    axes.tick_params(labelsize=TICK)
    return mesh


def _places(grid: Grid) -> tuple[NDArray[Any], NDArray[Any], float]:
    """Coordinates of columns and rows, and the aspect that shows them truly."""
    if grid.x is not None and grid.y is not None:
        return grid.x / 1000, grid.y / 1000, 1.0
    if grid.is_projected:
        return np.arange(float(grid.shape[1])), np.arange(float(grid.shape[0])), 1.0
    middle = np.cos(np.deg2rad(np.clip(np.mean(grid.latitude), -75, 75)))
    # longitudes run on over the date line
    return np.unwrap(grid.longitude, period=360.0), grid.latitude, 1.0 if grid.is_periodic else 1.0 / float(middle)

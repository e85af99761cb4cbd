"""Pictures of a cube: a map of every variable at one instant."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from py4cast.cubes.base import CubeABC
from py4cast.observers.colours import ColourTable, table_of
from py4cast.observers.maps import draw_field
from py4cast.observers.style import PANEL, TICK, TITLE

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["draw_cube"]


def draw_cube(cube: CubeABC, index: int, names: Sequence[str]) -> "Figure":
    """A figure with a panel per variable and fixed field; ValueError for a name that is not there."""
    from matplotlib.figure import Figure

    for name in names:
        cube.variable(name)
    planes = np.empty((len(names), 1, *cube.shape), dtype=np.float32)
    cube.read(names, index, index + 1, planes)
    fixed = cube.static_fields()
    fields = [(n, cube.variable(n).units, planes[i, 0], table_of(cube.variable(n))) for i, n in enumerate(names)]
    fields += [(n, "", field, ColourTable("cividis")) for n, field in fixed.items()]
    columns = min(4, len(fields))
    rows = -(-len(fields) // columns)
    wide = cube.shape[1] / cube.shape[0]
    figure = Figure(figsize=(3.6 * columns * min(2.0, max(0.8, wide)) ** 0.5, 3.2 * rows), layout="constrained")
    panels = list(np.ravel(figure.subplots(rows, columns)))
    for axes, (name, units, field, table) in zip(panels, fields, strict=False):
        if np.isfinite(field).any():
            mesh = draw_field(axes, cube.grid, field, table)
            figure.colorbar(mesh, ax=axes, shrink=0.8).ax.tick_params(labelsize=TICK)
        axes.set_title(f"{name} [{units}]" if units else f"{name} (static)", fontsize=PANEL)
    for axes in panels[len(fields) :]:
        axes.set_visible(False)
    figure.suptitle(f"{cube.times[index]} UTC", fontsize=TITLE)
    return figure

"""One case of several forecasts side by side: a picture per lead time, and all of them as an animated GIF."""

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from py4cast.atomic import atomic_path
from py4cast.grid import Grid
from py4cast.observers.coast import coastlines, joined
from py4cast.observers.colours import table_of
from py4cast.observers.images import is_north_up, proportions
from py4cast.observers.raster import as_rectangle, rectangle_of
from py4cast.variables import Variable

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["draw_case", "gif_of", "write_gif"]

_COLUMNS = 4


def draw_case(
    fields: Mapping[str, NDArray[Any]], variable: Variable, grid: Grid, title: str, span: tuple[float, float]
) -> "Figure":
    """A figure with a panel per field `(lat, lon)`, the truth first, under one colour bar.

    Args:
        fields: by name.
        variable: what they are.
        grid: where the cells are.
        title: of the figure.
        span: limits of the colours.
    """
    from matplotlib.colors import BoundaryNorm
    from matplotlib.figure import Figure

    fields = {name: as_rectangle(grid, field) for name, field in fields.items()}
    grid, table = rectangle_of(grid), table_of(variable)
    columns = min(_COLUMNS, len(fields))
    rows = -(-len(fields) // columns)
    wide = min(2.0, max(0.6, proportions(grid)))
    figure = Figure(figsize=(3.1 * columns * wide**0.5, 0.9 + 3.1 * rows / wide**0.5), layout="constrained", dpi=100)
    panels = list(np.ravel(figure.subplots(rows, columns, squeeze=False)))
    cmap = table.colormap()
    norm = BoundaryNorm(table.levels, cmap.N) if table.levels else None
    limits = {} if norm is not None else {"vmin": span[0], "vmax": span[1]}
    coast = joined(coastlines(grid))
    mesh = None
    for axes, (name, field) in zip(panels, fields.items(), strict=False):
        mesh = axes.imshow(
            np.ma.masked_invalid(field), cmap=cmap, norm=norm, **limits, origin="upper" if is_north_up(grid) else "lower",
            aspect=grid.shape[1] / grid.shape[0] / wide, interpolation="nearest",
        )  # fmt: skip
        for line in coast:
            axes.plot(line[:, 0], line[:, 1], color="black", linewidth=0.5)
        axes.set_xlim(-0.5, grid.shape[1] - 0.5)
        axes.set_title(name, fontsize=9)
        axes.set_xticks([])
        axes.set_yticks([])
    for axes in panels[len(fields) :]:
        axes.set_visible(False)
    if mesh is not None:
        bar = figure.colorbar(mesh, ax=panels[: len(fields)], shrink=0.8, location="bottom", aspect=40)
        bar.set_label(f"{title} [{variable.units}]", fontsize=9)
        bar.ax.tick_params(labelsize=7)
    return figure


def write_gif(path: Path, figures: Sequence["Figure"], seconds: float = 0.6) -> Path:
    """Writes figures of one size as an animated GIF that repeats, whole or not at all."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    streams = []
    for figure in figures:
        streams.append(io.BytesIO())
        FigureCanvasAgg(figure).print_png(streams[-1])  # type: ignore[no-untyped-call]
    return gif_of(path, streams, seconds)


def gif_of(path: Path, images: Sequence[Path | io.BytesIO], seconds: float = 0.6) -> Path:
    """Writes images of one size as an animated GIF that repeats, whole or not at all."""
    from PIL import Image

    frames = [Image.open(image).convert("P", palette=Image.Palette.ADAPTIVE, colors=200) for image in images]
    with atomic_path(path, suffix=".gif") as temporary:
        frames[0].save(
            temporary, "GIF", save_all=True, append_images=frames[1:], duration=round(1000 * seconds), loop=0
        )
    return path

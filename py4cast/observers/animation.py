"""One case of several forecasts side by side: a picture per lead time, and all of them as an animated GIF."""

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from py4cast.atomic import atomic_path
from py4cast.grid import Grid
from py4cast.observers.display import display_of
from py4cast.observers.sheet import Row, draw_sheet
from py4cast.variables import Variable

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["draw_case", "gif_of", "write_gif"]


def draw_case(
    fields: Mapping[str, NDArray[Any]], variable: Variable, grid: Grid, note: str, span: tuple[float, float]
) -> "Figure":
    """A figure with a map per field `(lat, lon)`, the truth first, under one colour bar.

    Args:
        fields: by name, in the variable's units.
        variable: what they are.
        grid: where the cells are.
        note: below them.
        span: limits of the colours, in the variable's units.
    """
    shown = display_of(variable)
    low, high = shown.values(np.asarray(span, np.float64))
    row = Row(variable, list(fields.values()), shown, span=(float(low), float(high)))
    return draw_sheet(grid, [row], list(fields), None, None, note)


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

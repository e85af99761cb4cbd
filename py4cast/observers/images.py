"""Images of fields for pages: a PNG of one pixel per cell, north up, and the coast as a path over it."""

import base64
import io
from typing import Any

import numpy as np
from numpy.typing import NDArray

from py4cast.grid import Grid
from py4cast.observers.coast import coastlines
from py4cast.observers.colours import ColourTable
from py4cast.observers.numbers import fixed
from py4cast.observers.raster import is_north_up

__all__ = ["coast_path", "colour_bar", "field_png", "is_north_up", "proportions"]

_MOST_LABELS = 6  # intervals between them
_COLOURS = 254  # of a palette of 256; one is for what is missing


def proportions(grid: Grid) -> float:
    """Width over height of a picture of the grid, in true distances in its middle."""
    rows, columns = grid.shape
    if grid.is_periodic:
        return columns / rows
    dy, dx = grid.spacing()
    return float(columns * dx / (rows * dy)) if np.isfinite(dy) and np.isfinite(dx) else columns / rows


def _palette(table: ColourTable) -> NDArray[np.uint8]:
    colours = np.asarray(table.colormap()(np.linspace(0, 1, _COLOURS)))[:, :3]
    return np.asarray((255 * colours).round(), dtype=np.uint8)


def field_png(field: NDArray[Any], grid: Grid, table: ColourTable, span: tuple[float, float]) -> str:
    """A field `(lat, lon)` as a `data:` address of a PNG; what is missing is transparent."""
    from PIL import Image

    if table.levels:
        step = np.digitize(field, table.levels[1:-1])
        share = (step + 0.5) / len(table.colours)
    else:
        share = (field - span[0]) / (span[1] - span[0])
    held = np.isfinite(field)
    index = np.where(held, np.clip(np.nan_to_num(share) * _COLOURS, 0, _COLOURS - 1), _COLOURS).astype(np.uint8)
    shown = np.ascontiguousarray(index if is_north_up(grid) else index[::-1])
    palette = Image.frombytes("P", (shown.shape[1], shown.shape[0]), shown.tobytes())
    palette.putpalette([*_palette(table).ravel().tolist(), 0, 0, 0])
    stream = io.BytesIO()
    palette.save(stream, "PNG", transparency=_COLOURS, optimize=False)
    return "data:image/png;base64," + base64.b64encode(stream.getvalue()).decode()


def colour_bar(table: ColourTable, span: tuple[float, float], count: int = 24) -> dict[str, Any]:
    """A colour bar: colours from low to high, and where its labels stand (0 to 1)."""
    if table.levels:
        n = len(table.colours)
        labels = [(i / n, f"{level:g}") for i, level in enumerate(table.levels[:-1])]
        return {"colours": list(table.colours), "labels": labels}
    cmap = table.colormap()
    colours = ["#" + "".join(f"{round(255 * c):02x}" for c in cmap(i / (count - 1))[:3]) for i in range(count)]
    return {"colours": colours, "labels": _round_labels(*span)}


def _round_labels(low: float, high: float) -> list[tuple[float, str]]:
    """Round numbers a round step apart between two limits, up to six, and where they stand (0 to 1)."""
    power = 10.0 ** np.floor(np.log10((high - low) / _MOST_LABELS))
    step = next(f * power for f in (1.0, 2.0, 5.0, 10.0) if f * power * _MOST_LABELS >= high - low)
    values = np.arange(np.ceil(low / step - 1e-9), np.floor(high / step + 1e-9) + 1) * step
    return [((float(v) - low) / (high - low), fixed(float(v), float(step))) for v in values]


def coast_path(grid: Grid) -> str:
    """The coast as an SVG path on a picture of `columns` × `rows` units, north up."""
    rows = grid.shape[0]
    parts = []
    for line in coastlines(grid):
        shown = _thinned(line)
        y = shown[:, 1] if is_north_up(grid) else rows - 1 - shown[:, 1]
        points = [f"{x + 0.5:.1f} {v + 0.5:.1f}" for x, v in zip(shown[:, 0], y, strict=True)]
        parts.append("M" + "L".join(points))
    return "".join(parts)


def _thinned(line: NDArray[np.float64], least: float = 0.35) -> NDArray[np.float64]:
    """A line without points that lie closer than a third of a cell to the one before."""
    kept = [0]
    for i in range(1, len(line)):
        if np.abs(line[i] - line[kept[-1]]).max() >= least or i == len(line) - 1:
            kept.append(i)
    return line[kept]

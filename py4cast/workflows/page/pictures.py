"""Pictures of fields for a page: images under one colour bar, and where no error is shown."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from py4cast.grid import Grid
from py4cast.observers.colours import ColourTable
from py4cast.observers.images import colour_bar, field_png
from py4cast.observers.raster import as_rectangle, rectangle_of

__all__ = ["images_of", "without_border"]


def without_border(field: NDArray[Any], border: NDArray[np.bool_] | None) -> NDArray[Any]:
    """A field of errors without the border where truth is imposed: there is none to show."""
    return field if border is None else np.where(border, np.nan, field)


def images_of(
    fields: Sequence[NDArray[Any]], grid: Grid, table: ColourTable, span: tuple[float, float] | None = None
) -> dict[str, Any]:
    """Images of fields under one colour bar.

    Args:
        fields: `(lat, lon)` each.
        grid: of the fields.
        table: their colours.
        span: its limits; by default those of the fields.
    """
    span = table.span(*fields) if span is None else span
    shown = rectangle_of(grid)
    images = [field_png(as_rectangle(grid, f), shown, table, span) for f in fields]
    return {"images": images, "bar": colour_bar(table, span)}

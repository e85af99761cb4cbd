"""Maps of what is learned: charts with the land-sea mask and the border of a dataset."""

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from py4cast.dataset_info import DatasetInfo
from py4cast.observers.chart import draw_chart
from py4cast.observers.colours import ColourTable
from py4cast.observers.display import Display
from py4cast.observers.maps import _places as places_of
from py4cast.observers.raster import as_rectangle, rectangle_of
from py4cast.observers.style import INK
from py4cast.variables import Variable

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["draw_learned"]

_MASKS = ("lsm", "land_sea_mask", "landsea")


def draw_learned(
    axes: "Axes", info: DatasetInfo, variable: Variable, field: NDArray[Any], title: str,
    span: tuple[float, float] | None = None, shown: Display | None = None, table: ColourTable | None = None,
) -> Any:  # fmt: skip
    """Draws a field `(lat, lon)` as a chart, with the side of the land-sea mask, and of the border as a dashed line.

    Args:
        axes: of matplotlib.
        info: of the data.
        variable: of the field.
        field: its values, in its units.
        title: above it.
        span: limits of the colours, in the units that are shown.
        shown: how the field is shown; by default as forecasters do.
        table: its colours; by default those of its kind.
    """
    mesh = draw_chart(axes, info.grid, variable, np.asarray(field, np.float32), title, span, shown=shown, table=table)
    statics = info.statics.grid_static_features
    masks = [(statics[name].squeeze(-1).numpy(), "solid") for name in _MASKS if name in statics.feature_names]
    masks.append((info.statics.border_mask.squeeze(-1).float().numpy(), "dashed"))
    x, y, _ = places_of(rectangle_of(info.grid))
    for mask, style in masks:
        flat = as_rectangle(info.grid, mask)
        if min(flat.shape) > 1 and np.nanmin(flat) < 0.5 < np.nanmax(flat):
            axes.contour(x, y, flat, levels=[0.5], colors=INK, linewidths=0.5, linestyles=style)
    return mesh

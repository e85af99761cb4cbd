"""Drawing of fields on their grid, offline: no coastlines are fetched, a land–sea contour is drawn where there is one."""

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from py4cast.dataset_info import DatasetInfo
from py4cast.grid import Grid

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["colour_map", "draw_field", "draw_map"]

_MAPS = {
    "K": "RdYlBu_r",
    "m s-1": "PuOr_r",
    "Pa": "viridis",
    "kg m-2": "Blues",
    "m": "cividis",
    "s-1": "PuOr_r",
    "1": "viridis",
}


def colour_map(units: str) -> str:
    """A colour map for fields in these units."""
    return _MAPS.get(units, "viridis")


def draw_field(axes: "Axes", grid: Grid, field: NDArray[Any], limits: tuple[float, float], cmap: str) -> Any:
    """Draws `(lat, lon)` on `axes` with true proportions; returns what a colour bar takes."""
    x, y, aspect = _places(grid)
    mesh = axes.pcolormesh(
        x,
        y,
        np.ma.masked_invalid(field),
        cmap=cmap,
        vmin=limits[0],
        vmax=limits[1],
        shading="nearest",
        rasterized=True,
    )
    axes.set_aspect(aspect)
    axes.tick_params(labelsize=6)
    return mesh


def _places(grid: Grid) -> tuple[NDArray[Any], NDArray[Any], float]:
    """Coordinates of columns and rows, and the aspect that shows them truly."""
    if grid.x is not None and grid.y is not None:
        return grid.x / 1000, grid.y / 1000, 1.0
    if grid.is_projected:
        return np.arange(float(grid.shape[1])), np.arange(float(grid.shape[0])), 1.0
    middle = np.cos(np.deg2rad(np.clip(np.mean(grid.latitude), -75, 75)))
    return grid.longitude, grid.latitude, 1.0 if grid.is_periodic else 1.0 / float(middle)


def draw_map(axes: "Axes", info: DatasetInfo, field: NDArray[Any], limits: tuple[float, float], cmap: str) -> Any:
    """The same of a dataset's field, with the coast where the dataset has a land-sea mask."""
    mesh = draw_field(axes, info.grid, field, limits, cmap)
    x, y, _ = _places(info.grid)
    statics = info.statics.grid_static_features
    for name in ("lsm", "land_sea_mask", "landsea"):
        if name in statics.feature_names:
            axes.contour(x, y, statics[name].squeeze(-1).numpy(), levels=[0.5], colors="black", linewidths=0.5)
    return mesh

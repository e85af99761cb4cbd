"""Edges between the centres of cells along an axis, and those of the rows of a grid, which may end at the poles."""

import numpy as np
from numpy.typing import NDArray

__all__ = ["edges_of", "mean_steps", "num_repeated_columns", "num_shared_columns", "row_edges"]

Array = NDArray[np.float64]
_TOLERANCE = 1e-4  # [degrees]
# of the spacing; the last rows of a Gaussian grid stand .77 of it from the poles
_NEAR_POLE = 0.9


def edges_of(centres: Array) -> Array:
    """The edges half-way between the centres of intervals along an axis, those at the ends as far out as inside."""
    if centres.size == 1:
        return np.array([centres[0] - 0.5, centres[0] + 0.5])
    middles = (centres[1:] + centres[:-1]) / 2
    first, last = 2 * centres[0] - middles[0], 2 * centres[-1] - middles[-1]
    return np.concatenate([[first], middles, [last]])


def row_edges(latitude: Array, is_round: bool) -> Array:
    """The edges of rows [degrees north], none beyond a pole.

    Args:
        latitude: of the rows.
        is_round: whether they go round the globe; then those next to a pole reach it, as those of Gaussian grids do.
    """
    edges = np.clip(edges_of(latitude), -90.0, 90.0)
    if is_round and latitude.size > 1:
        for end, inner in ((0, 1), (-1, -2)):
            if 90.0 - abs(latitude[end]) < _NEAR_POLE * abs(latitude[end] - latitude[inner]):
                edges[end] = np.copysign(90.0, latitude[end])
    return edges


def mean_steps(latitude: Array, longitude: Array) -> tuple[float, float]:
    """Mean angles between the rows, and along them between the columns, of a grid of both [rad]; NaN where there is but one."""
    along = np.deg2rad(np.diff(longitude))
    # on even columns one step stands for all
    along = along[:1] if np.allclose(along, along[:1], rtol=1e-9, atol=0) else along
    half = np.cos(np.deg2rad(latitude))[:, None] * np.abs(np.sin(along / 2))[None, :]
    across = float(np.deg2rad(np.abs(np.diff(latitude))).mean()) if latitude.size > 1 else float("nan")
    return across, float(2 * np.arcsin(half).mean()) if half.size else float("nan")


def num_repeated_columns(longitude: Array) -> int:
    """How many longitudes at the end are the first ones again, 360 degrees further: cyclic columns, for drawing."""
    for count in range(min(longitude.size // 2, 16), 0, -1):
        beyond = np.abs(longitude[-count:] - longitude[:count])
        if np.abs(beyond - 360.0).max() <= _TOLERANCE:
            return count
    return 0


def num_shared_columns(xyz: Array) -> int | None:
    """How many of the last columns of a curvilinear grid are the first ones again, 0 where they are next to them; None where neither.

    Ocean grids go round the globe so, with two columns twice.

    Args:
        xyz: unit vectors to the cells, `(lat, lon, 3)`.
    """
    columns = xyz.shape[1]
    if columns < 8:
        return None
    for count in range(min(columns // 4, 8), 0, -1):
        if np.median(np.abs(xyz[:, -count:] - xyz[:, :count]).max(-1)) < np.deg2rad(_TOLERANCE):
            return count
    gap = np.linalg.norm(xyz[:, -1] - xyz[:, 0], axis=-1)
    inside = np.linalg.norm(np.diff(xyz, axis=1), axis=-1)
    return 0 if np.median(gap) < 1.5 * np.median(inside) else None

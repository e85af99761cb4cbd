"""Static features of a grid: coordinates, masks and fixed fields, scaled to the size of a standardised field."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from py4cast.batch import Statics
from py4cast.border import Border, border_mask
from py4cast.errors import SettingsError, nearest
from py4cast.grid import Grid
from py4cast.namedtensor import NamedTensor

__all__ = ["COMPUTED", "build_statics"]

COMPUTED = ("x", "y", "sin_latitude", "sin_longitude", "cos_longitude", "border_mask", "valid_mask")


def _computed(name: str, grid: Grid, border_size: int | Border, valid: NDArray[np.bool_]) -> NDArray[Any]:
    rows, columns = grid.shape
    if name == "x":
        return np.broadcast_to(np.linspace(0, 1, columns)[None, :], grid.shape)
    if name == "y":
        return np.broadcast_to(np.linspace(0, 1, rows)[:, None], grid.shape)
    if name == "sin_latitude":
        return np.sin(np.deg2rad(grid.latitude_2d()))
    if name == "sin_longitude":
        return np.sin(np.deg2rad(grid.longitude_2d()))
    if name == "cos_longitude":
        return np.cos(np.deg2rad(grid.longitude_2d()))
    if name == "border_mask":
        return border_mask(grid, border_size)
    return valid


def build_statics(
    grid: Grid,
    computed: Sequence[str],
    fields: Mapping[str, NDArray[Any]],
    border_size: int | Border,
    valid: NDArray[np.bool_] | None = None,
) -> Statics:
    """Statics with the computed features asked for, then the fixed fields, standardised over the grid.

    Args:
        grid: where the cells are.
        computed: of `COMPUTED`; `x` and `y` run from 0 to 1 across the grid.
        fields: fixed fields by name, `(lat, lon)`; a mask of 0 and 1 stays as it is, a missing value becomes the mean.
        border_size: width of the border ring [cells], or another border.
        valid: False where a field never holds data, `(lat, lon)`.

    Raises:
        SettingsError: an unknown computed feature.
    """
    mask = np.ones(grid.shape, dtype=bool) if valid is None else valid
    layers: dict[str, NDArray[Any]] = {}
    for name in computed:
        if name not in COMPUTED:
            raise SettingsError(f"statics: unknown {name!r}{nearest(name, COMPUTED)}")
        if name in ("x", "y") and not grid.is_rectangular:
            raise SettingsError(
                f"statics: {name!r} counts rows or columns, which points do not have; expected sin_latitude, sin_longitude or cos_longitude"
            )
        layers[name] = _computed(name, grid, border_size, mask)
    for name, values in fields.items():
        finite = values[np.isfinite(values)]
        is_mask = finite.size > 0 and finite.min() >= 0 and finite.max() <= 1
        mean, std = (0.0, 1.0) if is_mask or not finite.size else (float(finite.mean()), float(finite.std()) or 1.0)
        layers[name] = np.where(np.isfinite(values), (values - mean) / std, 0.0)
    stacked = np.stack([*layers.values()], axis=-1) if layers else np.zeros((*grid.shape, 0))
    features = NamedTensor(torch.from_numpy(stacked.astype(np.float32)), ["lat", "lon", "features"], list(layers))
    return Statics.build(grid, features, border_size, mask)

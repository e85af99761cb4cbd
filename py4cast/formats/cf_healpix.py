"""Cells of HEALPix in NetCDF and Zarr, whose file says side and order in a grid mapping and holds no coordinates.

CF 1.13 says `refinement_level` and `indexing_scheme`; stores of kilometre-scale models say `healpix_nside` and
`healpix_order`. A part of the globe has the number of every cell beside the field.
"""

from collections.abc import Hashable
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from py4cast.errors import DataError
from py4cast.formats.reduced import HealpixOrder, healpix

__all__ = ["with_healpix"]

_SIDES = ("healpix_nside", "nside")
_LEVELS = ("refinement_level", "healpix_level", "level")
_ORDERS = ("indexing_scheme", "healpix_order", "order")
_INDICES = ("healpix_index", "healpix_pixel_index")
_CALLED: dict[str, HealpixOrder] = {"ring": "ring", "nest": "nested", "nested": "nested"}


def with_healpix(data: xr.Dataset, path: Path) -> xr.Dataset:
    """The dataset with latitudes and longitudes of its HEALPix cells, where it names such a grid and holds none.

    Raises:
        DataError: a grid whose side or order is not told, or whose cells are not all there and have no numbers.
    """
    mappings = [n for n, v in data.variables.items() if str(v.attrs.get("grid_mapping_name", "")).lower() == "healpix"]
    if not mappings:
        return data
    if len(mappings) > 1:
        raise DataError(f"{path}: several HEALPix grids ({', '.join(map(str, mappings))}); one is needed")
    attrs = data[mappings[0]].attrs
    side, order = _side(attrs, path), _order(attrs, path)
    index = next((v for v in data.variables.values() if v.attrs.get("standard_name") in _INDICES), None)
    dim = index.dims[0] if index is not None and index.ndim == 1 else _cell_dim(data, mappings[0], side)
    if dim is None:
        return data
    if index is None and dim in data.coords and data.coords[dim].dtype.kind in "iu":
        index = data.coords[dim].variable
    count, size = 12 * side**2, data.sizes[dim]
    if index is None and size != count:
        raise DataError(
            f"{path}: {size} cells along {dim!r} of the {count} of HEALPix {side}, and none says its number; "
            "expected all, or a variable of standard_name healpix_index"
        )
    places = np.arange(count) if index is None else np.asarray(index.values, dtype=np.int64)
    if places.min() < 0 or places.max() >= count:
        raise DataError(
            f"{path}: cells {places.min()} to {places.max()} along {dim!r}; HEALPix {side} has 0 to {count - 1}"
        )
    grid = healpix(side, order)
    return data.assign_coords(
        healpix_latitude=(dim, grid.latitude[0, places], {"standard_name": "latitude", "units": "degrees_north"}),
        healpix_longitude=(dim, grid.longitude[0, places], {"standard_name": "longitude", "units": "degrees_east"}),
    )


def _side(attrs: dict[str, Any], path: Path) -> int:
    side = next((int(attrs[k]) for k in _SIDES if k in attrs), 0)
    level = next((int(attrs[k]) for k in _LEVELS if k in attrs), -1)
    if not side and level >= 0:
        side = 2**level
    if not 1 <= side <= 2**13:
        raise DataError(f"{path}: a HEALPix grid that tells neither {' nor '.join((*_SIDES, *_LEVELS))}")
    return side


def _order(attrs: dict[str, Any], path: Path) -> HealpixOrder:
    told = str(next((attrs[k] for k in _ORDERS if k in attrs), "")).lower()
    if told not in _CALLED:
        raise DataError(f"{path}: HEALPix in the order {told or 'that it does not tell'!r}; expected ring or nested")
    return _CALLED[told]


def _cell_dim(data: xr.Dataset, mapping: Hashable, side: int) -> Hashable | None:
    """The dimension of the cells: that of arrays on this grid mapping, else the one that is as long as the globe has cells."""
    whole = 12 * side**2
    for array in data.variables.values():
        said = array.attrs.get("grid_mapping") or array.encoding.get("grid_mapping")
        if array.dims and said == mapping:
            return array.dims[-1]
    dims = [dim for dim, size in data.sizes.items() if size == whole]
    return dims[0] if len(dims) == 1 else None

"""Places of a dataset under the CF conventions: latitudes and longitudes as coordinates, in degrees, also of the faces of a mesh.

ICON and MPAS write radians, some of their files without saying so; ICON's own output has but the mark of its grid. UGRID (ugrid-conventions.github.io, 1.0) names the nodes
of a mesh and how faces and edges join them; where it does not say where these are, they are at the means of their nodes.
"""

import logging
import re
from collections.abc import Hashable
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from py4cast.errors import DataError
from py4cast.formats.cf_axes import is_latitude, is_longitude
from py4cast.formats.icon_grid import UUID, icon_grid
from py4cast.remote import is_remote
from py4cast.triangulation import unit_vectors

__all__ = ["mesh_problem", "with_places"]

logger = logging.getLogger(__name__)
# cells, vertices and edges of ICON and of MPAS, which both compute in radians
_OF_MODELS = (
    "clat", "clon", "vlat", "vlon", "elat", "elon", "latcell", "loncell", "latvertex", "lonvertex", "latedge", "lonedge",
)  # fmt: skip
_TABLES_OF_MPAS = re.compile(
    r"(cells|edges|vertices)On(Cell|Edge|Vertex)|nEdgesOn(Cell|Edge)|indexTo(Cell|Edge|Vertex)ID"
)
_DIMS_OF_ICON = ("ncells", "cell")
_ELEMENTS = ("face", "edge")
_SLACK = 1 + 1e-6


def with_places(data: xr.Dataset, path: Path) -> xr.Dataset:
    """The dataset with its latitudes and longitudes [degrees] as coordinates, `(y, x)` where they stand once per instant.

    Corners of cells, ends of intervals and tables of a mesh, which are no fields, are left out.

    Args:
        data: as it was opened.
        path: for messages.

    Raises:
        DataError: places that change with time; a mesh whose tables name nodes that it has not; a grid of ICON whose file is nowhere.
    """
    for name in list(data.variables):
        array = data[name]
        if array.dtype.kind not in "iuf" or not (is_latitude(array) or is_longitude(array)):
            continue
        if array.ndim == 3:
            first = array.isel({array.dims[0]: 0}, drop=True)
            if float(np.abs(array.values - first.values[None]).max()) > 1e-4:
                raise DataError(f"{path}: {name} changes along {array.dims[0]!r}: the grid moves; one grid is needed")
            data = data.drop_vars([name]).assign_coords({name: (first.dims, first.values, array.attrs)})
        elif array.ndim in (1, 2) and name not in data.coords:
            data = data.set_coords(name)
    data = _in_degrees(data, path)
    for mesh in _meshes(data):
        for element in _ELEMENTS:
            data = _with_elements(data, mesh, element, path)
    return _with_cells_of_icon(data.drop_vars(_tables(data)), path)


def mesh_problem(data: xr.Dataset) -> str:
    """Why fields of a mesh have no place; empty where there is no mesh."""
    meshes = _meshes(data)
    if not meshes:
        return ""
    return (
        f"; its mesh {meshes[0]} tells no places: expected node_coordinates in degrees or radians, and for fields of faces "
        "face_coordinates or face_node_connectivity"
    )


def _with_cells_of_icon(data: xr.Dataset, path: Path) -> xr.Dataset:
    """The dataset with the places of ICON's cells, where it has but the mark of their grid, whose file has them."""
    mark = str(data.attrs.get(UUID, "")).replace("-", "").lower()
    dims = [
        v.dims[-1]
        for v in data.variables.values()
        if str(v.attrs.get("CDI_grid_type", "")) == "unstructured" and v.dims
    ]
    dims += [dim for dim in _DIMS_OF_ICON if dim in data.dims]
    if not mark or not dims or is_remote(path) or any(is_latitude(c) for c in data.coords.values()):
        return data
    grid = icon_grid(path, mark, data.sizes[dims[0]])
    return data.assign_coords(
        clat=(
            dims[0],
            grid.latitude[0],
            {"standard_name": "latitude", "units": "degrees_north", UUID: mark, "grid_name": grid.name},
        ),
        clon=(dims[0], grid.longitude[0], {"standard_name": "longitude", "units": "degrees_east"}),
        cell_area=(dims[0], grid.cell_areas()[0], {"standard_name": "cell_area", "units": "m2"}),
    )


def _in_degrees(data: xr.Dataset, path: Path) -> xr.Dataset:
    places = {n: c for n, c in data.coords.items() if c.dtype.kind in "iuf" and (is_latitude(c) or is_longitude(c))}
    unsaid = {n: c for n, c in places.items() if not c.attrs.get("units") and str(n).lower() in _OF_MODELS}
    if unsaid and all(_could_be_radians(c) for c in unsaid.values()):
        logger.warning(
            "%s: %s have no units: read as radians, as the model has them", path, " and ".join(map(str, unsaid))
        )
    else:
        unsaid = {}
    for name, array in places.items():
        if name not in unsaid and not str(array.attrs.get("units", "")).lower().startswith("rad"):
            continue
        units = "degrees_north" if is_latitude(array) else "degrees_east"
        data = data.drop_indexes(name) if name in data.xindexes else data
        values = np.rad2deg(array.values.astype(np.float64))
        data = data.assign_coords({name: (array.dims, values, {**array.attrs, "units": units})})
    return data


def _could_be_radians(array: xr.DataArray) -> bool:
    most = np.pi / 2 if is_latitude(array) else 2 * np.pi
    return bool(np.abs(array.values).max(initial=0.0) <= most * _SLACK)


def _meshes(data: xr.Dataset) -> list[Hashable]:
    return [n for n, v in data.variables.items() if v.attrs.get("cf_role") == "mesh_topology"]


def _with_elements(data: xr.Dataset, mesh: Hashable, element: str, path: Path) -> xr.Dataset:
    """The dataset with the places of the faces, or of the edges, of a mesh."""
    attrs = data[mesh].attrs
    named = str(attrs.get(f"{element}_coordinates", "")).split()
    table = attrs.get(f"{element}_node_connectivity")
    nodes = [data[n] for n in str(attrs.get("node_coordinates", "")).split() if n in data.variables]
    lat, lon = (next((n for n in nodes if is_it(n)), None) for is_it in (is_latitude, is_longitude))
    if (named and all(n in data.coords for n in named)) or table not in data.variables or lat is None or lon is None:
        return data
    dim, corners = _corners(data[table], attrs.get(f"{element}_dimension"), lat.size, path)
    vectors = np.vstack([unit_vectors(lat.values, lon.values), np.zeros(3)])
    x, y, z = vectors[corners].sum(1).T
    return data.assign_coords({
        f"{mesh}_{element}_latitude": (dim, np.rad2deg(np.arctan2(z, np.hypot(x, y))), {"standard_name": "latitude", "units": "degrees_north"}),
        f"{mesh}_{element}_longitude": (dim, np.rad2deg(np.arctan2(y, x)), {"standard_name": "longitude", "units": "degrees_east"}),
    })  # fmt: skip


def _corners(table: xr.DataArray, told: Any, num_nodes: int, path: Path) -> tuple[Hashable, NDArray[np.int64]]:
    """The dimension of a table's elements, and the nodes of each from 0, `num_nodes` where it has fewer than others."""
    if table.ndim != 2:
        raise DataError(
            f"{path}: the mesh's table {table.name} is along {table.dims}; expected elements and their nodes"
        )
    dim = told if told in table.dims else table.dims[0]
    values = table.transpose(dim, ...).values.astype(np.float64)
    absent = np.isnan(values)
    for key in ("_FillValue", "missing_value"):
        mark = table.attrs.get(key, table.encoding.get(key))
        absent |= False if mark is None else values == float(mark)
    corners = np.where(absent, num_nodes, values - float(table.attrs.get("start_index", 0)))
    if corners.min(initial=0) < 0 or corners.max(initial=0) > num_nodes or (corners[~absent] == num_nodes).any():
        raise DataError(
            f"{path}: the mesh's table {table.name} names nodes {np.nanmin(values):g} to {values[~absent].max():g} of {num_nodes} "
            f"from {table.attrs.get('start_index', 0)} on"
        )
    return dim, corners.astype(np.int64)


def _tables(data: xr.Dataset) -> list[Hashable]:
    """What tells of cells and intervals, and is no field."""
    named = {
        str(v.attrs.get(key, v.encoding.get(key, "")))
        for v in data.variables.values()
        for key in ("bounds", "climatology")
    }
    for mesh in _meshes(data):
        named |= {str(text) for key, text in data[mesh].attrs.items() if str(key).endswith("_connectivity")}
    roles = {n for n, v in data.variables.items() if str(v.attrs.get("cf_role", "")).endswith("_connectivity")}
    return [n for n in data.variables if str(n) in named or n in roles or _TABLES_OF_MPAS.fullmatch(str(n))]

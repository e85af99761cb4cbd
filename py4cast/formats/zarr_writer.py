"""CF-Zarr (format 3) of forecasts, written lead time after lead time."""

import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import zarr
from numpy.typing import NDArray

from py4cast.formats import cf_imposed, conventions
from py4cast.formats.base import Heading, PutStep, WriterABC

__all__ = ["ZarrWriter", "begin_group", "gather_metadata", "plain_attributes"]


class ZarrWriter(WriterABC):
    """Creates a writer of Zarr stores: dimensions, coordinates and attributes as in NetCDF, a chunk per lead time."""

    suffixes: ClassVar[tuple[str, ...]] = (".zarr",)

    @contextmanager
    def begin(self, temporary: Path, heading: Heading) -> Iterator[PutStep]:
        group = begin_group(temporary, heading, conventions.forecast_coordinates(heading))
        if (bounds := conventions.time_bounds(heading)) is not None:
            name, second = conventions.BOUNDS
            created = group.create_array(name, shape=bounds.shape, dtype=bounds.dtype, dimension_names=("time", second))
            created[...] = bounds
            group["time"].attrs["bounds"] = name
        dims, shape = conventions.dims_of(heading), conventions.shape_of(heading)
        arrays = []
        for name, variable in zip(conventions.names_in_file(heading), heading.variables, strict=True):
            created = group.create_array(
                name,
                shape=shape,
                chunks=(1, *shape[1:]),
                dtype="float32",
                dimension_names=dims,
                fill_value=np.nan,
            )
            created.attrs.update(plain_attributes(conventions.variable_attributes(variable, heading)))
            arrays.append(created)

        def put(step: int, values: NDArray[np.float32]) -> None:
            for index, array in enumerate(arrays):
                array[step] = values[..., index].reshape(shape[1:])

        yield put
        gather_metadata(group)


def begin_group(folder: Path, heading: Heading, coordinates: Mapping[str, conventions.Coordinate]) -> zarr.Group:
    """A store with the attributes, coordinates, grid mapping and flag of forecasts, and no field yet."""
    group = zarr.create_group(store=folder, zarr_format=3)
    group.attrs.update({"Conventions": conventions.CONVENTIONS, **heading.attributes})
    flag = conventions.imposed_flag(heading)
    flags = {} if flag is None else {cf_imposed.NAME: flag}
    for name, (dims, values, attrs) in {**coordinates, **flags}.items():
        created = group.create_array(name, shape=values.shape, dtype=values.dtype, dimension_names=dims)
        created.attrs.update(plain_attributes(attrs))
        created[...] = values
    mapping = conventions.mapping_of(heading)
    if mapping is not None:
        created = group.create_array(conventions.MAPPING, shape=(), dtype="int32", dimension_names=())
        created.attrs.update(plain_attributes(mapping))
    return group


def gather_metadata(group: zarr.Group) -> None:
    """Puts the metadata of all arrays into one file: xarray looks for them first, and warns where there are none."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".*Consolidated metadata.*")
        zarr.consolidate_metadata(group.store)


def plain_attributes(attrs: Mapping[str, Any]) -> dict[str, Any]:
    """Attributes as the JSON values that a store holds."""
    return {k: v.tolist() if isinstance(v, np.ndarray | np.generic) else v for k, v in attrs.items()}

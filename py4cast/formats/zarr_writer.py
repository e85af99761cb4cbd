"""CF-Zarr (format 3) of forecasts, written lead time after lead time."""

import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import zarr
from numpy.typing import NDArray

from py4cast.formats import conventions
from py4cast.formats.base import Heading, PutStep, WriterABC

__all__ = ["ZarrWriter"]


class ZarrWriter(WriterABC):
    """Creates a writer of Zarr stores: dimensions, coordinates and attributes as in NetCDF, a chunk per lead time."""

    suffixes: ClassVar[tuple[str, ...]] = (".zarr",)

    @contextmanager
    def begin(self, temporary: Path, heading: Heading) -> Iterator[PutStep]:
        group = zarr.create_group(store=temporary, zarr_format=3)
        group.attrs.update({"Conventions": conventions.CONVENTIONS, **heading.attributes})
        for name, (coordinate_dims, values, attrs) in conventions.forecast_coordinates(heading).items():
            created = group.create_array(name, shape=values.shape, dtype=values.dtype, dimension_names=coordinate_dims)
            created.attrs.update(_plain(attrs))
            created[...] = values
        mapping = conventions.mapping_of(heading)
        if mapping is not None:
            created = group.create_array(conventions.MAPPING, shape=(), dtype="int32", dimension_names=())
            created.attrs.update(_plain(mapping))
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
            created.attrs.update(_plain(conventions.variable_attributes(variable, heading)))
            arrays.append(created)

        def put(step: int, values: NDArray[np.float32]) -> None:
            for index, array in enumerate(arrays):
                array[step] = values[..., index].reshape(shape[1:])

        yield put
        with warnings.catch_warnings():
            # xarray looks for gathered metadata first, and warns where there are none
            warnings.filterwarnings("ignore", ".*Consolidated metadata.*")
            zarr.consolidate_metadata(group.store)


def _plain(attrs: Mapping[str, Any]) -> dict[str, Any]:
    """Attributes as JSON values."""
    return {k: v.tolist() if isinstance(v, np.ndarray | np.generic) else v for k, v in attrs.items()}

"""CF-NetCDF of forecasts, written lead time after lead time."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import ClassVar

import netCDF4
import numpy as np
from numpy.typing import NDArray

from py4cast.formats import cf_imposed, conventions
from py4cast.formats.base import Heading, PutStep, WriterABC
from py4cast.formats.netcdf import as_disk_error

__all__ = ["NetcdfWriter"]

_FILL = np.float32(9.96921e36)


class NetcdfWriter(WriterABC):
    """Creates a writer of CF-NetCDF: dimensions `time` (`member`) and the grid's; init, lead and valid time."""

    suffixes: ClassVar[tuple[str, ...]] = (".nc", ".nc4")
    temporary_suffix: ClassVar[str] = ".nc"

    @contextmanager
    def begin(self, temporary: Path, heading: Heading) -> Iterator[PutStep]:
        try:
            with netCDF4.Dataset(temporary, "w", format="NETCDF4") as file:
                _define(file, heading)
                shape = conventions.shape_of(heading)[1:]
                names = conventions.names_in_file(heading)

                def put(step: int, values: NDArray[np.float32]) -> None:
                    for index, name in enumerate(names):
                        field = values[..., index].reshape(shape)
                        file[name][step] = np.where(np.isnan(field), _FILL, field)

                yield put
        except RuntimeError as error:
            raise as_disk_error(error, temporary) from error


def _define(file: netCDF4.Dataset, heading: Heading) -> None:
    """Dimensions, coordinates and empty variables."""
    file.setncatts({"Conventions": conventions.CONVENTIONS, **heading.attributes})
    if heading.stations:
        file.featureType = "timeSeries"
    dims, shape = conventions.dims_of(heading), conventions.shape_of(heading)
    for name, size in zip(dims, shape, strict=True):
        file.createDimension(name, size)
    for name, (coordinate_dims, values, attrs) in conventions.forecast_coordinates(heading).items():
        created = file.createVariable(name, str if values.dtype == object else values.dtype, coordinate_dims)
        created.setncatts(attrs)
        created[...] = values
    if (bounds := conventions.time_bounds(heading)) is not None:
        name, second = conventions.BOUNDS
        file.createDimension(second, 2)
        file.createVariable(name, bounds.dtype, ("time", second))[...] = bounds
        file["time"].bounds = name
    mapping = conventions.mapping_of(heading)
    if mapping is not None:
        file.createVariable(conventions.MAPPING, "i4", ()).setncatts(mapping)
    if (flag := conventions.imposed_flag(heading)) is not None:
        flag_dims, values, attrs = flag
        created = file.createVariable(cf_imposed.NAME, values.dtype, flag_dims, zlib=True)
        created.setncatts(attrs)
        created[...] = values
    for name, variable in zip(conventions.names_in_file(heading), heading.variables, strict=True):
        created = file.createVariable(
            name,
            "f4",
            dims,
            zlib=True,
            complevel=1,
            fill_value=_FILL,
            chunksizes=(1, *shape[1:]),
        )
        created.set_auto_maskandscale(False)
        created.setncatts(conventions.variable_attributes(variable, heading))

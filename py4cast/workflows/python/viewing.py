"""open_dataset: what a JSON file, a store or a Forecaster's data hold, as a lazy Dataset of xarray and as samples for torch."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from xarray.backends import BackendArray
from xarray.core import indexing

from py4cast.cubes.base import CubeABC
from py4cast.cubes.files import open_fields
from py4cast.dataset_info import DatasetInfo
from py4cast.datasets import DatasetABC, registry
from py4cast.datasets.base import WindowDataset
from py4cast.errors import SettingsError
from py4cast.formats.conventions import MAPPING, grid_coordinates
from py4cast.grid import Grid

__all__ = ["OpenedDataset", "open_dataset"]


class _Planes(BackendArray):
    """Creates the lazy values of one variable of a cube, `(time, lat, lon)` or `(init_time, (member,) lead_time, lat, lon)`."""

    def __init__(self, cube: CubeABC, name: str) -> None:
        self._cube, self._name = cube, name
        self.shape, self.dtype = (*cube.axis.shape, *cube.shape), np.dtype("float32")

    def __getitem__(self, key: Any) -> Any:
        return indexing.explicit_indexing_adapter(key, self.shape, indexing.IndexingSupport.OUTER, self._read)

    def _read(self, key: tuple[Any, ...]) -> NDArray[np.float32]:
        """The values at these places: instants that lie together are read together, of the rows and columns that are wanted."""
        places = [
            np.arange(n)[k] if isinstance(k, slice) else np.atleast_1d(k) for k, n in zip(key, self.shape, strict=True)
        ]
        *leading, rows, columns = places
        instants = np.ravel_multi_index(tuple(np.meshgrid(*leading, indexing="ij")), self.shape[:-2]).ravel()
        if not (instants.size and rows.size and columns.size):
            values = np.empty((instants.size, rows.size, columns.size), dtype=np.float32)
        else:
            values = self._blocks(instants, rows, columns)
        whole = values.reshape(*(p.size for p in places))
        return whole[tuple(0 if isinstance(k, int | np.integer) else slice(None) for k in key)]

    def _blocks(self, instants: NDArray[np.int64], rows: NDArray[np.int64], columns: NDArray[np.int64]) -> Any:
        window = slice(int(rows.min()), int(rows.max()) + 1), slice(int(columns.min()), int(columns.max()) + 1)
        values = np.empty((instants.size, rows.size, columns.size), dtype=np.float32)
        breaks = np.flatnonzero(np.diff(instants) != 1) + 1
        for part in np.split(np.arange(instants.size), breaks):
            first, last = int(instants[part[0]]), int(instants[part[-1]]) + 1
            block = np.empty(
                (1, last - first, window[0].stop - window[0].start, window[1].stop - window[1].start), dtype=np.float32
            )
            self._cube.read_window([self._name], first, last, *window, block)
            values[part] = block[0][:, rows - window[0].start][:, :, columns - window[1].start]
        return values


def view_of(cube: CubeABC) -> xr.Dataset:
    """A cube as a Dataset; values are read when they are asked for."""
    dims, coords, mapping = _places(cube.grid)
    axis = cube.axis
    if axis.is_series:
        coords["time"] = ("time", axis.times.astype("datetime64[ns]"), {"standard_name": "time"})
    else:
        starts = axis.init_times.astype("datetime64[ns]")
        coords["init_time"] = ("init_time", starts, {"standard_name": "forecast_reference_time"})
        leads = axis.lead_times.astype("timedelta64[ns]")
        coords["lead_time"] = ("lead_time", leads, {"standard_name": "forecast_period"})
        if axis.members:
            coords["member"] = ("member", np.array(axis.members), {"standard_name": "realization"})
    if mapping is not None:
        coords[MAPPING] = ((), np.int32(0), mapping)
    variables: dict[str, Any] = {}
    shape = (*axis.shape, *cube.shape)
    for variable in cube.variables:
        attrs: dict[str, Any] = {"units": variable.units, "long_name": variable.name}
        attrs |= {"standard_name": variable.standard_name} if variable.standard_name else {}
        if variable.level is not None:
            attrs |= {"GRIB_level": variable.level, "GRIB_typeOfLevel": variable.type_of_level or ""}
        values = xr.Variable((*axis.dims, *_GRID), indexing.LazilyIndexedArray(_Planes(cube, variable.name)), attrs)
        assert values.shape == shape, "a cube has one axis and one grid"
        variables[variable.name] = values
    data = xr.Dataset(variables)
    if cube.grid.is_rectangular:
        data = data.rename_dims(dict(zip(_GRID, dims, strict=True)))
    else:
        data = data.isel({_GRID[0]: 0}).rename_dims({_GRID[1]: dims[0]})
    statics = {name: (dims, np.ravel(f) if len(dims) == 1 else f) for name, f in cube.static_fields().items()}
    return data.assign_coords(coords).assign({n: v for n, v in statics.items() if n not in data})


_GRID = ("row", "column")


def _places(grid: Grid) -> tuple[tuple[str, ...], dict[str, Any], dict[str, Any] | None]:
    if grid.is_rectangular:
        return grid_coordinates(grid)
    _, coordinates, _ = grid_coordinates(grid)
    return ("cell",), {n: ("cell", np.ravel(coordinates[n][1]), coordinates[n][2]) for n in coordinates}, None


class OpenedDataset:
    """Creates what `open_dataset` gives: a lazy view, and samples.

    Attributes:
        data: all that it holds, as a lazy `xarray.Dataset`.
        train, valid, test: the splits, datasets of torch whose samples are Items; None for a store alone, and without a period.
        info: what is known of the data; None for a store alone.
    """

    def __init__(self, cube: CubeABC | None, splits: tuple[DatasetABC, DatasetABC, DatasetABC] | None) -> None:
        self._cube = cube
        parts = (None, None, None) if splits is None else tuple(split if len(split) else None for split in splits)
        self.train, self.valid, self.test = parts

    @property
    def info(self) -> DatasetInfo | None:
        """What is known of the data: variables, grid, statistics."""
        return None if self.train is None else self.train.info

    @property
    def data(self) -> xr.Dataset:
        """All instants; SettingsError for a dataset that gives samples alone."""
        if self._cube is None:
            raise SettingsError("this dataset has no series of fields; look at its samples")
        return view_of(self._cube)

    def _repr_html_(self) -> str:
        return str(self.data._repr_html_())


def open_dataset(
    what: str | os.PathLike[str] | Mapping[str, Any],
    dataset: str | None = None,
    *,
    num_input_steps: int = 2,
    num_pred_steps: int = 1,
    overrides: tuple[str, ...] = (),
) -> OpenedDataset:
    """Opens data: a store or files as a lazy Dataset, a dataset's JSON file or its settings with samples too.

    Args:
        what: path of a JSON file, a prepared store, a NetCDF, GRIB or Zarr, or settings as a dict; the name of a dataset that
            needs none, such as `dummy`.
        dataset: registered name; by default `gridded` for a JSON file and settings.
        num_input_steps: past states of a sample.
        num_pred_steps: steps that a sample predicts.
        overrides: dotted settings, such as `root=DIR`.

    Raises:
        SettingsError, DataError: wrong settings; data that cannot be read.
    """
    is_path = isinstance(what, str | os.PathLike)
    name = str(what) if is_path else ""
    if is_path and name in registry.names() and not Path(name).exists():
        kind, settings = registry.get(name), None
    elif is_path and Path(name).suffix != ".json":
        return OpenedDataset(open_fields([name]), None)
    else:
        kind, settings = registry.get(dataset or "gridded"), what
    if isinstance(settings, Mapping):
        decoded = kind.decode_settings({**settings, **_of(overrides)})
        kind.make(decoded)
        splits = kind.from_settings(decoded, None, num_input_steps, num_pred_steps, num_pred_steps)
    else:
        splits = kind.from_json(settings, num_input_steps, num_pred_steps, num_pred_steps, overrides)
    first = splits[0]
    return OpenedDataset(first.cube if isinstance(first, WindowDataset) else None, splits)


def _of(overrides: tuple[str, ...]) -> dict[str, Any]:
    from py4cast.settings import apply_overrides

    return dict(apply_overrides({}, overrides))

"""Data under the CF conventions, in NetCDF or Zarr, read through xarray.

A grid is found by what its coordinates say (standard name, units, axis), then by their names; on a projection
without latitude and longitude they are computed from the grid mapping.
"""

import itertools
import warnings
from abc import abstractmethod
from collections.abc import Hashable
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from py4cast.errors import DataError, first_line
from py4cast.formats.base import ReaderABC, Record
from py4cast.formats.cf_axes import is_latitude, is_longitude, kind_of, level_type
from py4cast.formats.cf_dataset import plain
from py4cast.formats.cf_imposed import is_imposed, taken_out
from py4cast.formats.cf_places import mesh_problem
from py4cast.formats.cf_time import TimeDescription, times_of
from py4cast.formats.cf_valid import without_invalid
from py4cast.formats.icon_grid import UUID
from py4cast.formats.reduced import gaussian_of, healpix_of
from py4cast.grid import Grid
from py4cast.projection import inverse
from py4cast.remote import is_remote, url_of
from py4cast.variables import cf_name_in

__all__ = ["CfReader", "kind_of", "without_invalid"]

# along a dimension: names and values
_Beside = dict[Hashable, list[tuple[str, NDArray[Any]]]]
_ROWS = ("projection_y_coordinate", "grid_latitude")
_COLUMNS = ("projection_x_coordinate", "grid_longitude")
# cells at one place: folds and halos of ocean grids have each place up to four times
_MOST_AT_A_PLACE = 4


class CfReader(ReaderABC):
    """Abstract reader of a dataset under the CF conventions; a concrete one says how it is opened."""

    def __init__(self, path: Path, time: TimeDescription | None = None) -> None:
        super().__init__(path)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # several fill values, names of other conventions
                opened = self.open(path)
        except FileNotFoundError:
            raise DataError(f"{path}: no such file") from None
        except Exception as error:
            reason = first_line(error)
            if isinstance(error, DataError) and is_remote(path) and reason.startswith(url_of(path)):
                raise  # it cannot be had, which says nothing of what it is
            raise DataError(f"{path}: damaged, or not a {self.what}: {reason}") from None
        try:
            fields, self._problems = plain(opened, path, time)
            self.data, self._flag = taken_out(fields, path)
        except Exception as error:
            opened.close()
            if isinstance(error, DataError):
                raise
            reason = first_line(error)
            raise DataError(f"{path}: damaged coordinates: {reason}") from None
        self._opened = opened  # what is made of it does not close the file
        self._bare: dict[str, tuple[xr.Variable, tuple[Hashable, Hashable] | None]] = {}
        self._grids: dict[str, Grid] = {}
        self._along: dict[tuple[Hashable, ...], list[xr.DataArray]] = {}

    what: ClassVar[str]

    @property
    def imposed(self) -> NDArray[np.bool_] | None:
        if self._flag is None:
            return None
        spatial = self.spatial_dims(self._flag)
        if spatial is None or set(self._flag.dims) != set(spatial):
            raise DataError(
                f"{self.path}: {self._flag.name} is along {self._flag.dims}; expected the rows and columns of the fields"
            )
        return np.atleast_2d(is_imposed(self._flag.transpose(*dict.fromkeys(spatial))))

    @abstractmethod
    def open(self, path: Path) -> xr.Dataset:
        """The dataset, times undecoded; nothing is read but what tells what is there."""

    def records(self) -> list[Record]:
        records: list[Record] = []
        for name, array in self.data.data_vars.items():
            spatial = self.spatial_dims(array)
            if spatial is not None and array.dtype.kind in "iufb":
                records += self._records(str(name), array, spatial)
        if not records:
            raise DataError(
                f"{self.path}: holds no variable on a latitude-longitude or projected grid{mesh_problem(self.data)}"
            )
        return records

    def coordinate(self, dim: Hashable) -> xr.DataArray | None:
        """The coordinate of a dimension: its own, else a 1-D time or lead time along it."""
        if dim in self.data.coords:
            return self.data.coords[dim]
        along = [c for c in self.data.coords.values() if c.dims == (dim,)]
        return next((c for c in along if kind_of(c) in ("time", "init")), along[0] if along else None)

    def _coords(self, array: xr.DataArray) -> list[xr.DataArray]:
        """The coordinates of a field: the same for all along the same dimensions, and costly to make."""
        if array.dims not in self._along:
            self._along[array.dims] = list(array.coords.values())
        return self._along[array.dims]

    def spatial_dims(self, array: xr.DataArray) -> tuple[Hashable, Hashable] | None:
        """The dimensions along rows and columns, if it has them."""
        two_d = [c for c in self._coords(array) if c.ndim == 2 and is_latitude(c)]
        if two_d:
            row, column = two_d[0].dims
            return (row, column) if row in array.dims and column in array.dims else None
        lat = [d for d in array.dims if d in array.coords and is_latitude(array.coords[d])]
        lon = [d for d in array.dims if d in array.coords and is_longitude(array.coords[d])]
        if lat and lon:
            return lat[0], lon[0]
        cells = self._cell_dim(array)
        if cells is not None:
            return cells, cells
        y, x = _along(array, _ROWS, ("rlat", "y"), "Y"), _along(array, _COLUMNS, ("rlon", "x"), "X")
        return (y, x) if y is not None and x is not None else None

    def _cell_dim(self, array: xr.DataArray) -> Hashable | None:
        """The one dimension of points: latitudes and longitudes both lie along it."""
        along = [c for c in self._coords(array) if c.ndim == 1 and c.dims[0] in array.dims]
        north, east = ({c.dims[0] for c in along if is_it(c)} for is_it in (is_latitude, is_longitude))
        # along a dimension that has a time they are a path
        both = {
            d for d in north & east if not any(c.dims == (d,) and kind_of(c) in ("time", "init", "lead") for c in along)
        }
        return both.pop() if len(both) == 1 else None

    def scalar(self, array: xr.DataArray, kind: str) -> Any:
        """The time, lead time or member that stands once for the whole array; None where none does."""
        values = [c.values for c in self._coords(array) if c.ndim == 0 and kind_of(c) == kind]
        return values[0] if values else None

    def named_level(self, array: xr.DataArray) -> xr.DataArray | None:
        """The level that stands once for the whole array: a scalar coordinate that it names."""
        named = str(array.encoding.get("coordinates") or array.attrs.get("coordinates") or "").split()
        levels = [c for c in self._coords(array) if c.ndim == 0 and c.name in named and kind_of(c) == "level"]
        return levels[0] if len(levels) == 1 else None

    def _check_axes(self, name: str, array: xr.DataArray) -> None:
        """Refuses an array whose times or levels cannot be understood."""
        for coordinate, problem in self._problems.items():
            along = self.data.coords[coordinate].dims
            # another clock along the same dimension may tell what this one does not
            others = [c for c in self._coords(array) if c.dims == along and kind_of(c) in ("time", "init")]
            if coordinate in array.coords and set(along) <= set(array.dims) and not others:
                raise DataError(f"{self.path}: variable {name}: {problem}")

    def _records(self, name: str, array: xr.DataArray, spatial: tuple[Hashable, Hashable]) -> list[Record]:
        self._check_axes(name, array)
        others = [d for d in array.dims if d not in spatial]
        axes = []
        for dim in others:
            coordinate = self.coordinate(dim)
            kind = "other" if coordinate is None else kind_of(coordinate)
            values = np.arange(array.sizes[dim]) if coordinate is None else coordinate.values
            axes.append([(kind, dim, i, value) for i, value in enumerate(values)])
        attrs = array.attrs
        scalars = {kind: self.scalar(array, kind) for kind in ("time", "init", "lead", "member")}
        levels, named = self.level_type_of(array, others), self.named_level(array)
        if named is not None and levels is None:
            levels = level_type(named)
        valid = self._valid_times(array, others)
        keys, beside = self._keys(name, array, others)
        mapping = attrs.get("grid_mapping") or array.encoding.get("grid_mapping")
        grid_key = repr((spatial, mapping, *(None if c is None else c.name for c in self._places(array, spatial))))
        records = []
        for combination in itertools.product(*axes):
            at = {**scalars, **{kind: value for kind, _, _, value in combination}}
            places = tuple((dim, i) for _, dim, i, _ in combination)
            if valid is not None and "lead" not in {kind for kind, *_ in combination}:
                at["time"] = valid.isel({d: i for d, i in places if d in valid.dims}).values
            init, lead = times_of(at)
            level = at.get(
                "level", attrs.get("GRIB_level", attrs.get("level_hPa", None if named is None else named.values))
            )
            records.append(
                Record(
                    short_name=name,
                    level=None if level is None else float(level),
                    type_of_level=levels if level is not None else None,
                    init_time=init,
                    lead_time=lead,
                    member=self.member_of(at.get("member"), name, array),
                    units=str(attrs.get("units", "")),
                    locator=(name, places),
                    grid_key=grid_key,
                    standard_name=cf_name_in(attrs.get("standard_name")),
                    keys=keys | {key: _plain(values[i]) for dim, i in places for key, values in beside[dim]},
                )
            )
        return records

    def member_of(self, value: Any, name: str, array: xr.DataArray) -> int | None:
        """The number of a member; a text counts as none where there is one alone."""
        if value is None:
            return None
        try:
            if int(value) != float(value):
                raise ValueError
            return int(value)
        except ValueError:
            dim = next(
                (d for d in array.dims if (c := self.coordinate(d)) is not None and kind_of(c) == "member"), None
            )
            if dim is None or array.sizes[dim] == 1:
                return None
            raise DataError(
                f"{self.path}: variable {name}: the member {_plain(value)!r} along {dim!r} is no number; expected whole numbers, or one member alone"
            ) from None

    def _places(self, array: xr.DataArray, spatial: tuple[Hashable, Hashable]) -> tuple[xr.DataArray | None, xr.DataArray | None]:  # fmt: skip
        """Latitude and longitude along its dimensions: those that its attribute `coordinates` names, where there are several.

        Raises:
            DataError: several that differ, of which it names none.
        """
        named = str(array.encoding.get("coordinates") or array.attrs.get("coordinates") or "").split()
        along = [c for c in self._coords(array) if c.dims == tuple(dict.fromkeys(spatial))]
        lat, lon = (self._told(array, [c for c in along if is_it(c)], named) for is_it in (is_latitude, is_longitude))
        return lat, lon

    def _told(self, array: xr.DataArray, fitting: list[xr.DataArray], named: list[str]) -> xr.DataArray | None:
        told = [c for c in fitting if c.name in named] or fitting
        if any(not np.array_equal(c.values, told[0].values, equal_nan=True) for c in told[1:]):
            both = " and ".join(str(c.name) for c in told)
            raise DataError(
                f"{self.path}: variable {array.name} may lie at {both}; expected its attribute 'coordinates' to name one of them"
            )
        return told[0] if told else None

    def _keys(self, name: str, array: xr.DataArray, others: list[Hashable]) -> tuple[dict[str, Any], _Beside]:
        """By what a field can be singled out: keys of all its fields, and by dimension what stands along it of other kinds."""
        keys = {str(k)[5:]: v for k, v in array.attrs.items() if str(k).startswith("GRIB_")}
        keys |= {"cf_name": name, "GRIB_shortName": array.attrs.get("GRIB_shortName")}
        beside: _Beside = {dim: [] for dim in others}
        for dim in others:
            coordinate = self.coordinate(dim)
            if coordinate is None:
                beside[dim].append((str(dim), np.arange(array.sizes[dim])))
            elif kind_of(coordinate) == "other":
                beside[dim].append((str(dim), coordinate.values))
            along = [c for c in self._coords(array) if c.dims == (dim,) and c.name != dim and kind_of(c) == "other"]
            beside[dim] += [(str(c.name), c.values) for c in along]
        return keys, beside

    def _valid_times(self, array: xr.DataArray, others: list[Hashable]) -> xr.DataArray | None:
        """Times of validity that stand once per start and lead time, where no lead time does."""
        two_d = [c for c in self._coords(array) if c.ndim == 2 and set(c.dims) <= set(others) and kind_of(c) == "time"]
        return two_d[0] if two_d else None

    def level_type_of(self, array: xr.DataArray, others: list[Hashable]) -> str | None:
        """What its levels are, in GRIB's words."""
        for dim in others:
            coordinate = self.coordinate(dim)
            if coordinate is not None and kind_of(coordinate) == "level":
                return level_type(coordinate)
        declared = array.attrs.get("GRIB_typeOfLevel")
        return str(declared) if declared else ("isobaricInhPa" if "level_hPa" in array.attrs else None)

    def grid(self, record: Record) -> Grid:
        if record.grid_key not in self._grids:
            array = self.data[record.locator[0]]
            spatial = self.spatial_dims(array)
            assert spatial is not None, "records() lists only fields with a grid"
            self._grids[record.grid_key] = self.grid_of(array, spatial)
        return self._grids[record.grid_key]

    def grid_of(self, array: xr.DataArray, spatial: tuple[Hashable, Hashable]) -> Grid:
        """The grid of an array."""
        row, column = spatial
        if row == column:
            return self._points(array, row)
        y, x = array.coords.get(row), array.coords.get(column)
        if y is not None and x is not None and is_latitude(y) and is_longitude(x):
            return Grid(y.values.astype(np.float64), x.values.astype(np.float64))
        mapping = array.attrs.get("grid_mapping") or array.encoding.get("grid_mapping")
        projection: dict[str, Any] = {}
        if mapping and mapping in self.data:
            attrs = self.data[mapping].attrs
            projection = {str(k): np.asarray(v).tolist() for k, v in attrs.items() if k not in ("proj4", "coordinates")}
        if y is not None and x is not None:
            # numbers of rows and columns are no places of a map
            is_map = bool(projection) or all(str(c.attrs.get("units", "")).startswith(("m", "km")) for c in (y, x))
            y, x = (_metres(y), _metres(x)) if is_map else (None, None)
        north, east = self._places(array, spatial)
        if north is not None and east is not None:
            lat, lon = north.values.astype(np.float64), east.values.astype(np.float64)
            self._check_places(array, lat, lon)
        elif not projection or x is None or y is None:
            raise DataError(
                f"{self.path}: {array.name} along {row!r} and {column!r} has neither latitude and longitude nor a grid mapping"
            )
        else:
            lat, lon = inverse(projection, *np.meshgrid(x, y))
        return Grid(lat, lon, x, y, projection or {"grid_mapping_name": "unknown"})

    def _check_places(self, array: xr.DataArray, lat: NDArray[np.float64], lon: NDArray[np.float64]) -> None:
        """Refuses places that are marks of land: one that many cells share, which folds and halos do not."""
        # cells of land are beside each other: few cells are looked at, and of most grids none
        beside = (lat[:, 1:] == lat[:, :-1]) & (lon[:, 1:] == lon[:, :-1])
        if not beside.any():
            return
        pairs, count = np.unique(np.stack([lat[:, 1:][beside], lon[:, 1:][beside]]), axis=1, return_counts=True)
        k = int(np.where(np.abs(pairs[0]) < 89.9, count, 0).argmax())
        there = int(((lat == pairs[0, k]) & (lon == pairs[1, k])).sum())
        if there > _MOST_AT_A_PLACE and abs(pairs[0, k]) < 89.9:
            raise DataError(
                f"{self.path}: {there} of {lat.size} cells of {array.name} stand at {pairs[0, k]:g} N {pairs[1, k]:g} E, which marks cells "
                "without a place (land of an ocean model); expected latitude and longitude of all, as the model's grid file has them"
            )

    def _points(self, array: xr.DataArray, dim: Hashable) -> Grid:
        """The points along one dimension, with the areas of their cells where the file has them."""
        north, east = self._places(array, (dim, dim))
        assert north is not None and east is not None, "it is no dimension of points otherwise"
        lat, lon = (place.values.astype(np.float64) for place in (north, east))
        sizes = [
            v for v in self.data.variables.values() if v.dims == (dim,) and v.attrs.get("standard_name") == "cell_area"
        ]
        areas = sizes[0].values if sizes and sizes[0].attrs.get("units") in ("m2", "m^2", "m**2") else None
        try:
            if (known := gaussian_of(lat, lon) or healpix_of(lat, lon)) is not None:
                return known
            name = str((self.data.attrs | north.attrs).get("grid_name", ""))
            mark = {key: value for key, value in north.attrs.items() if key == UUID}
            return replace(Grid.points(lat, lon, areas, name=name), projection=mark)
        except DataError as error:
            raise DataError(f"{self.path}: {error}") from None

    def read(self, record: Record) -> NDArray[np.float32]:
        name, index = record.locator
        if name not in self._bare:
            # the bare variable: an index of an array with coordinates costs a millisecond, its dimensions as much again
            array = self.data[name]
            self._bare[name] = (array.variable, self.spatial_dims(array))
        variable, spatial = self._bare[name]
        assert spatial is not None, "records() lists only fields with a grid"
        try:
            places = dict(index)
            selected = variable[tuple(places.get(d, slice(None)) for d in variable.dims)]
            values = selected.values
            if spatial[0] == spatial[1]:
                values = values[None]
            elif selected.dims != tuple(spatial):
                values = np.transpose(values, [selected.dims.index(d) for d in spatial])
        except Exception as error:
            raise DataError(f"{self.path}: {name} of {record.valid_time} cannot be read: {error}") from None
        return np.ascontiguousarray(without_invalid(variable, values), dtype=np.float32)

    def close(self) -> None:
        self._opened.close()


def _along(array: xr.DataArray, standard_names: tuple[str, ...], names: tuple[str, ...], axis: str) -> Hashable | None:
    """The dimension along rows, or along columns, of a grid on a map: by standard name, axis, then by its name."""
    coordinates = [(d, array.coords[d]) for d in array.dims if d in array.coords]
    for is_it in (
        lambda _, c: c.attrs.get("standard_name") in standard_names,
        lambda _, c: c.attrs.get("axis") == axis,
        lambda d, _: str(d).lower() in names,
    ):
        dims = [d for d, c in coordinates if is_it(d, c)]
        if dims:
            return dims[0]
    return None


def _plain(value: Any) -> Any:
    """A value of a coordinate as text or number."""
    item = value.item() if isinstance(value, np.generic) else value
    return item.decode(errors="replace") if isinstance(item, bytes) else item


def _metres(coordinate: xr.DataArray) -> Any:
    """A coordinate of a map [m]; degrees stay degrees."""
    return coordinate.values.astype(np.float64) * (1000.0 if coordinate.attrs.get("units") == "km" else 1.0)

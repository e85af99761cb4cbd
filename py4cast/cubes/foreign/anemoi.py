"""Zarr datasets of anemoi-datasets: one array `(dates, variables, ensembles, values)`, a chunk per date.

The cells are a list; `field_shape` tells how they are rows and columns where they are. Others are points, as they stand.
Missing dates keep their place and are missing here too.

Reference: anemoi-datasets, ECMWF, https://anemoi.readthedocs.io/projects/datasets, format of version 0.5.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from py4cast.axis import TimeAxis
from py4cast.cubes.foreign.base import ForeignCube
from py4cast.cubes.foreign.whole_chunks import whole_chunks
from py4cast.cubes.store.mapped import groups
from py4cast.errors import DataError
from py4cast.formats.reduced import gaussian_of
from py4cast.grid import Grid
from py4cast.remote import is_remote, text_at, url_of
from py4cast.timeline import evenly, is_on, step_of, steps_between
from py4cast.units import normalise
from py4cast.variables import Variable

__all__ = ["AnemoiCube"]


def _attributes(path: Path) -> Mapping[str, Any]:
    for name, place in ((".zattrs", None), ("zarr.json", "attributes")):
        text = _text(path, name)
        if text is not None:
            try:
                document = json.loads(text)
            except ValueError:
                return {}
            return dict(document.get(place, {})) if place else dict(document)
    return {}


def _text(path: Path, name: str) -> str | None:
    """A file of a store, which may lie at an address."""
    if is_remote(path):
        return text_at(f"{url_of(path).rstrip('/')}/{name}")
    return (path / name).read_text() if (path / name).is_file() else None


class AnemoiCube(ForeignCube):
    """Opens a Zarr dataset of anemoi-datasets."""

    @classmethod
    def fits(cls, path: Path) -> bool:
        attributes = _attributes(path)
        return ("variables" in attributes and "dates" in str(attributes.get("dimensions", ""))) or (
            "variables_metadata" in attributes and (is_remote(path) or (path / "data").is_dir())
        )

    def open(self) -> None:
        import zarr

        place = url_of(self.path).rstrip("/") if is_remote(self.path) else self.path
        group: Any = zarr.open_group(place, mode="r", use_consolidated=False)
        attributes: Mapping[str, Any] = dict(group.attrs)
        layout = attributes.get("layout") or attributes.get("format") or "gridded"
        self._data: Any = group["data"]
        if self._data.ndim != 4 or layout not in ("gridded", "zarr2", "zarr3"):
            raise DataError(f"{self.path}: an Anemoi dataset of layout {layout!r}; gridded ones are read")
        self._whole = None if is_remote(self.path) else whole_chunks(Path(self.path) / "data")
        dates = np.asarray(group["dates"]).astype("datetime64[s]")
        self._places, times = _regular(dates, self.path)
        members = self._data.shape[2]
        ids = tuple(range(members))
        if members > 1:
            # members of analyses: each date is a start whose one lead time is the analysis itself
            self.axis = TimeAxis.forecasts(times, np.array([0], dtype="timedelta64[s]"), ids)
        else:
            self.axis = TimeAxis.series(times)
        lost = np.array(attributes.get("missing_dates", []), dtype="datetime64[s]")
        self._there = (self._places >= 0) & ~np.isin(times, lost)
        shape = tuple(attributes.get("field_shape") or ())
        lat, lon = (np.asarray(group[n], dtype=np.float64) for n in ("latitudes", "longitudes"))
        self._grid = _grid(lat, lon, shape, self.path)
        metadata = attributes.get("variables_metadata") or {}
        self.variables = [_variable(str(n), metadata.get(n) or {}) for n in attributes["variables"]]
        self._columns = {v.name: i for i, v in enumerate(self.variables)}

    def available(self, names: Any) -> NDArray[np.bool_]:
        return np.repeat(self._there, self.axis.num_members)

    def plane_block(self, name: str, start: int, stop: int) -> NDArray[Any]:
        members = self.axis.num_members
        out = np.full((stop - start, *self.shape), np.nan, dtype=np.float32)
        for i in range(start, stop):
            date, member = divmod(i, members)
            if self._there[date]:
                plane = self._data[int(self._places[date]), self._columns[name], member]
                out[i - start] = np.asarray(plane).reshape(self.shape)
        return out

    def read(self, names: Any, start: int, stop: int, out: NDArray[np.float32]) -> None:
        members = self.axis.num_members
        if members > 1 or any(n not in self._columns for n in names) or not self._there[start:stop].all():
            super().read(names, start, stop, out)
            return
        # a chunk holds every variable of a date: it is unpacked once for all of them
        columns, shape = [self._columns[n] for n in names], self.shape
        stretches = groups(columns)
        room = None if self._whole is None else self._whole.room()
        for i in range(start, stop):
            place = int(self._places[i])
            whole = np.asarray(self._data[place]) if self._whole is None else self._whole.read(place, room)
            for rows, stretch in stretches:
                out[rows, i - start] = whole[stretch, 0].reshape(-1, *shape)


def _variable(name: str, metadata: Mapping[str, Any]) -> Variable:
    mars = metadata.get("mars") or {}
    level = mars.get("levelist")
    is_pressure = mars.get("levtype") == "pl" and level is not None
    return Variable(
        name=name, short_name=str(mars.get("param") or name), units=normalise(str(metadata["units"])) if metadata.get("units") else "",
        level=float(level) if is_pressure and level is not None else None, type_of_level="isobaricInhPa" if is_pressure else None, nan="mask",
    )  # fmt: skip


def _regular(dates: NDArray[np.datetime64], path: Path) -> tuple[NDArray[np.int64], NDArray[np.datetime64]]:
    """Evenly spaced times, and the place of each among the dates, −1 for one that is left out."""
    if dates.size < 2:
        return np.arange(dates.size), dates
    step = step_of(dates)
    if step <= np.timedelta64(0, "s") or not is_on(dates, dates[0], step).all():
        raise DataError(f"{path}: its dates are not evenly spaced")
    times = evenly(dates[0], dates[-1], step)
    places = np.full(times.size, -1, dtype=np.int64)
    places[steps_between(dates[0], dates, step)] = np.arange(dates.size)
    return places, times


def _grid(lat: NDArray[Any], lon: NDArray[Any], shape: tuple[int, ...], path: Path) -> Grid:
    is_told = len(shape) == 2 and int(np.prod(shape)) == lat.size
    if not is_told:
        first = np.flatnonzero(np.abs(np.diff(lat)) > 1e-9)
        columns = int(first[0]) + 1 if first.size else lat.size
        shape = (lat.size // columns, columns)
        if int(np.prod(shape)) != lat.size:
            return _points(lat, lon, path)
    rows, columns2 = lat.reshape(shape), lon.reshape(shape)
    if np.allclose(rows, rows[:, :1], atol=1e-6) and np.allclose(columns2, columns2[:1], atol=1e-6):
        return Grid(rows[:, 0], columns2[0])
    if not is_told:
        return _points(lat, lon, path)
    return Grid(rows, columns2, projection={"grid_mapping_name": "unknown"})


def _points(lat: NDArray[Any], lon: NDArray[Any], path: Path) -> Grid:
    """Points that are no rectangle: a reduced Gaussian grid, or any others."""
    try:
        return gaussian_of(lat, lon) or Grid.points(lat, lon)
    except DataError as error:
        raise DataError(f"{path}: {error}") from None

"""HindcastStore: one Zarr of many forecasts, a chunk per start and lead time, written in any order and resumable."""

import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray

from py4cast.atomic import atomic_path, check_name, check_place, write_json
from py4cast.errors import DataError, SettingsError, nearest
from py4cast.formats import conventions
from py4cast.formats.base import Heading
from py4cast.formats.zarr_writer import begin_group, gather_metadata, plain_attributes
from py4cast.settings import read_json

__all__ = ["MADE", "HindcastStore", "begin_store", "heading_of_variables"]

MADE = 1
_SINCE = {"units": "seconds since 1970-01-01", "calendar": "proleptic_gregorian"}
_STATE, _DOCUMENT = "py4cast_state", "hindcasts.json"


def folder_of(path: Path) -> Path:
    """Where a store lies until it is whole."""
    return path.with_name(f".{path.name}.partial")


def begin_store(
    path: Path, heading: Heading, init_times: NDArray[np.datetime64], document: Mapping[str, Any]
) -> "HindcastStore":
    """The store of some hindcasts, with nothing in it, or as far as it was written before.

    Args:
        path: of the store.
        heading: of any of the forecasts.
        init_times: of all of them.
        document: what they are made by and of, as plain JSON values; work goes on only where it is the same.

    Raises:
        SettingsError: a folder of other hindcasts lies there, or at its name one that is no Zarr store.
    """
    check_place(path)
    folder = folder_of(path)
    told = folder / _DOCUMENT
    # what an older py4cast has begun is made anew
    if not (told.is_file() and (folder / _STATE).is_dir()):
        shutil.rmtree(folder, ignore_errors=True)
        _create(folder, heading, init_times)
        names = conventions.names_in_file(heading)
        write_json(told, {"hindcasts": dict(document), "names": names})
    elif read_json(told)["hindcasts"] != dict(document):
        raise SettingsError(f"{folder}: of other hindcasts; remove it, or choose another --output")
    return HindcastStore(path)


def _create(folder: Path, heading: Heading, init_times: NDArray[np.datetime64]) -> None:
    """Coordinates, and arrays in which nothing is written."""
    count, steps = len(init_times), len(heading.lead_times)
    group = begin_group(folder, heading, _coordinates(heading, init_times))
    group.create_array(_STATE, shape=(count,), chunks=(1,), dtype="int8", fill_value=0, dimension_names=("init_time",))
    dims, shape = conventions.dims_of(heading)[1:], conventions.shape_of(heading)[1:]
    for name, variable in zip(conventions.names_in_file(heading), heading.variables, strict=True):
        created = group.create_array(
            name, shape=(count, steps, *shape), chunks=(1, 1, *shape), dtype="float32", fill_value=np.nan,
            dimension_names=("init_time", "lead_time", *dims),
        )  # fmt: skip
        attrs = dict(conventions.variable_attributes(variable, heading))
        beside = [c for c in attrs["coordinates"].split() if c not in ("time", "lead_time", "init_time")]
        created.attrs.update(plain_attributes({**attrs, "coordinates": " ".join(["valid_time", *beside])}))


def _coordinates(heading: Heading, init_times: NDArray[np.datetime64]) -> dict[str, conventions.Coordinate]:
    """Those of one forecast, with its start and lead time as dimensions."""
    coords = conventions.forecast_coordinates(heading)
    lead, start, valid = coords.pop("lead_time"), coords.pop("init_time"), coords.pop("time")
    seconds = init_times.astype("datetime64[s]").astype(np.int64)
    leads = np.array(heading.lead_times, dtype="timedelta64[s]").astype(np.int64)
    attrs = {k: v for k, v in valid[2].items() if k != "axis"}
    return {
        **coords,
        "lead_time": (("lead_time",), lead[1], lead[2]),
        "init_time": (("init_time",), seconds, {**start[2], "axis": "T"}),
        "valid_time": (("init_time", "lead_time"), seconds[:, None] + leads[None, :], attrs),
    }


class HindcastStore:
    """Creates what writes hindcasts into a store that has begun; it stands at its name once it is whole.

    Until then it is a folder `.NAME.partial` beside it, which says of every start whether it is made. Starts may be written in
    any order, by several processes.

    Args:
        path: of the store.
    """

    def __init__(self, path: Path) -> None:
        self.path, self.folder = path, folder_of(path)
        self._names: list[str] = read_json(self.folder / _DOCUMENT)["names"]
        self._group = zarr.open_group(self.folder, mode="r+", zarr_format=3)

    @property
    def state(self) -> NDArray[np.int8]:
        """Of every start: 0 not yet, 1 made."""
        return np.asarray(self._array(_STATE)[...])

    def _array(self, name: str) -> Any:
        return self._group[name]

    def put(self, place: int, step: int, values: NDArray[np.float32]) -> None:
        """Writes a lead time of the start at `place`, `((member,) lat, lon, features)`."""
        for index, name in enumerate(self._names):
            array = self._array(name)
            array[place, step] = values[..., index].reshape(array.shape[2:])

    def mark(self, place: int) -> None:
        """Notes that a start is made, after all that was put of it."""
        self._array(_STATE)[place] = np.int8(MADE)

    def finish(self) -> Path:
        """Puts a store of the starts that are made at its name; the others are left out.

        It is made of links beside what was written, which goes last: a process that is killed meanwhile has lost nothing.
        """
        kept = np.flatnonzero(self.state == MADE)
        with atomic_path(self.path) as whole:
            self._link(whole, kept)
            group: Any = zarr.open_group(whole, mode="r+", zarr_format=3)
            if kept.size < self.state.size:
                self._shorten(group, kept)
            gather_metadata(group)
        shutil.rmtree(self.folder)
        return self.path

    def _link(self, whole: Path, kept: NDArray[np.int64]) -> None:
        """All but the states, with the chunks of the starts that are kept one after another; none is read."""
        shutil.copytree(self.folder, whole, ignore=lambda _, names: {*self._names, _STATE, _DOCUMENT} & set(names))
        for name in self._names:
            source, target = (folder / check_name(name, "variable", DataError) for folder in (self.folder, whole))
            target.mkdir()
            shutil.copy(source / "zarr.json", target)
            for place, before in enumerate(kept.tolist()):
                chunks = source / "c" / str(before)
                if chunks.is_dir():
                    shutil.copytree(chunks, target / "c" / str(place), copy_function=_link_or_copy)

    def _shorten(self, group: Any, kept: NDArray[np.int64]) -> None:
        for name in self._names:
            group[name].resize((kept.size, *group[name].shape[1:]))
        for name in ("init_time", "valid_time"):
            values = group[name][...][kept]
            group[name].resize(values.shape)
            group[name][...] = values


def _link_or_copy(source: str, target: str) -> None:
    """Some file systems have no links."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


def heading_of_variables(heading: Heading, names: Sequence[str]) -> tuple[Heading, list[int]]:
    """The heading of some of the variables, and their places among all; of all where no name is given.

    Raises:
        SettingsError: a name that is not forecast, or stands twice.
    """
    held = [v.name for v in heading.variables]
    for name in names:
        if list(names).count(name) > 1:
            raise SettingsError(f"--variables: {name} stands twice")
        if name not in held:
            raise SettingsError(f"--variables {name}: it is not forecast{nearest(name, held)}")
    places = [held.index(name) for name in names] if names else list(range(len(held)))
    return replace(heading, variables=[heading.variables[p] for p in places]), places

"""Zarr datasets of mllam-data-prep: `state`, `forcing` and `static` over `time`, a feature and `grid_index`.

Dimensions come in any order, cells in the order of the configuration: x and y along `grid_index` tell where each
belongs. Statistics are made here: those in the store are of its own splits.

Reference: mllam-data-prep, https://github.com/mllam/mllam-data-prep, schema 0.6.
"""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from py4cast.axis import TimeAxis
from py4cast.cubes.base import Planes
from py4cast.cubes.foreign.base import ForeignCube
from py4cast.errors import DataError
from py4cast.formats.cf_time import Instants, decode_instants
from py4cast.formats.zarr import is_zarr, open_zarr
from py4cast.grid import Grid
from py4cast.units import normalise
from py4cast.variables import Role, Variable

__all__ = ["MllamCube"]

_SERIES = ("state", "forcing")


class MllamCube(ForeignCube):
    """Opens a Zarr dataset of mllam-data-prep."""

    @classmethod
    def fits(cls, path: Path) -> bool:
        return is_zarr(path) and (path / "state_feature").is_dir() and (path / "grid_index").is_dir()

    def open(self) -> None:
        self._data = open_zarr(self.path)
        data = self._data
        times = self._times()
        if times.size > 1 and (np.unique(np.diff(times)).size > 1 or times[1] <= times[0]):
            raise DataError(f"{self.path}: its times are not evenly spaced, each after the one before")
        self.axis = TimeAxis.series(times)
        self._order, self._grid = self._cells()
        self.variables: list[Variable] = []
        self._places: dict[str, tuple[str, int]] = {}
        for group in _SERIES:
            if group not in data:
                continue
            feature = f"{group}_feature"
            further = sorted(map(str, {*data[group].dims} - {"time", "grid_index", feature}))
            if further:
                raise DataError(
                    f"{self.path}: {group} has the dimension {further[0]!r} too; expected one series, of one member"
                )
            names = [str(n) for n in data[feature].values]
            units = data[f"{feature}_units"].values if f"{feature}_units" in data else [""] * len(names)
            role: Role = "prognostic" if group == "state" else "forcing"
            for i, (name, unit) in enumerate(zip(names, units, strict=True)):
                text = normalise(str(unit)) if str(unit) else ""
                self.variables.append(Variable(name=name, short_name=name, role=role, units=text, nan="mask"))
                self._places[name] = (group, i)

    def _times(self) -> Instants:
        time = self._data["time"]
        if "units" not in time.attrs:
            raise DataError(f"{self.path}: its time has no units such as 'hours since 2020-01-01'")
        try:
            return decode_instants(time.values, time.attrs["units"], time.attrs.get("calendar", "standard"))
        except DataError as error:
            raise DataError(f"{self.path}: time: {error}") from error

    def _cells(self) -> tuple[NDArray[np.int64], Grid]:
        """The place of every cell `(lat, lon)` along `grid_index`, and the grid."""
        data = self._data
        if "x" not in data or "y" not in data:
            raise DataError(f"{self.path}: no x and y along grid_index; its cells are no rectangle")
        x, columns = np.unique(data["x"].values, return_inverse=True)
        y, rows = np.unique(data["y"].values, return_inverse=True)
        order = np.full((y.size, x.size), -1, dtype=np.int64)
        order[rows, columns] = np.arange(rows.size)
        if (order < 0).any():
            raise DataError(
                f"{self.path}: {rows.size} of {order.size} cells of a rectangle are there; it is read whole only"
            )
        names = [next((n for n in pair if n in data), None) for pair in (("lat", "latitude"), ("lon", "longitude"))]
        if None in names:
            return order, Grid(y, x)
        lat, lon = (data[n].values[order] for n in names)
        return order, Grid(lat, lon, x, y, {"grid_mapping_name": "unknown"})

    def plane_block(self, name: str, start: int, stop: int) -> NDArray[Any]:
        group, i = self._places[name]
        array = self._data[group].isel({f"{group}_feature": i, "time": slice(start, stop)})
        return np.asarray(array.transpose("time", "grid_index").values)[:, self._order].astype(np.float32)

    def static_fields(self) -> dict[str, Planes]:
        data = self._data
        if "static" not in data:
            return {}
        values = data["static"].transpose("static_feature", "grid_index").values
        names = [str(n) for n in data["static_feature"].values]
        return {n: values[i][self._order].astype(np.float32) for i, n in enumerate(names)}

    def close(self) -> None:
        self._data.close()

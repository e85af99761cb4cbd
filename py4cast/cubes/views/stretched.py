"""The view of several cubes as one of points: a region's cells and those of the globe round it."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from py4cast.cubes.base import CubeABC, Planes
from py4cast.cubes.kept import KeptCube
from py4cast.cubes.views.cells import RegridCube, names_in_all
from py4cast.cubes.views.instants import align, digest
from py4cast.errors import DataError
from py4cast.grid import Grid
from py4cast.stretched import stretched

__all__ = ["StretchedCube"]


class StretchedCube(KeptCube):
    """Creates the view of several cubes on one grid of points, each with the cells that those before it leave.

    Winds along the axes of a cube's grid are turned east and north.

    Args:
        parts: from the inner to the outer one.
        min_distance_km: how near a cell may stand to one of a cube before its own [km].

    Raises:
        DataError: a region that is not covered, no variable or instant that all hold.
    """

    def __init__(self, parts: Sequence[CubeABC], min_distance_km: float) -> None:
        parts = align(parts)
        common = names_in_all(parts)
        self._grid, cells = stretched([p.grid for p in parts], min_distance_km)
        self.axis = parts[0].axis
        self.parts = [RegridCube(p, _points(p.grid, chosen), "nearest") for p, chosen in zip(parts, cells, strict=True)]
        described = {v.name: v for v in self.parts[0].variables}
        self.variables = [described[name] for name in common]
        for part in self.parts[1:]:
            for variable in part.variables:
                if variable.name in described and variable.units != described[variable.name].units:
                    raise DataError(f"cutout: {variable.name} is in {described[variable.name].units!r} and in {variable.units!r}")  # fmt: skip

    @property
    def grid(self) -> Grid:
        return self._grid

    @property
    def fingerprint(self) -> str:
        return digest("stretched", [p.fingerprint for p in self.parts], self._grid.fingerprint())

    def available(self, names: Sequence[str]) -> NDArray[np.bool_]:
        return np.asarray(np.all([p.available(names) for p in self.parts], axis=0))

    def read(self, names: Sequence[str], start: int, stop: int, out: Planes) -> None:
        first = 0
        for part in self.parts:
            last = first + part.shape[1]
            room = np.empty((*out.shape[:-1], last - first), dtype=np.float32)
            part.read(names, start, stop, room)
            out[..., first:last] = room
            first = last

    def static_fields(self) -> dict[str, Planes]:
        of_parts = [p.static_fields() for p in self.parts]
        common = set.intersection(*(set(fields) for fields in of_parts))
        return {name: np.concatenate([fields[name] for fields in of_parts], axis=1) for name in sorted(common)}

    def close(self) -> None:
        for part in self.parts:
            part.close()


def _points(grid: Grid, cells: NDArray[np.int64]) -> Grid:
    """Some cells of a grid as points; their areas, which nobody asks for, are those of the grid."""
    lat, lon, areas = (a.ravel()[cells] for a in (grid.latitude_2d(), grid.longitude_2d(), grid.cell_areas()))
    return Grid.points(lat, lon, areas)

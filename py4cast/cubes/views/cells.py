"""Views on other cells: a sub-domain, fewer cells, another grid, a regional grid within a global one."""

from collections.abc import Sequence
from typing import Self

import numpy as np
from numpy.typing import NDArray

from py4cast.cubes.base import CubeABC, Planes
from py4cast.cubes.kept import KeptCube
from py4cast.cubes.source_settings import BoxSettings
from py4cast.cubes.views.base import ViewCube
from py4cast.cubes.views.instants import align, digest
from py4cast.cubes.views.winds import AlignedWinds, named, towards_earth
from py4cast.errors import DataError, SettingsError
from py4cast.grid import Grid
from py4cast.regrid import Method, Regridder

__all__ = ["CutoutCube", "RegridCube", "WindowCube", "names_in_all"]

_WORDS = ("source", "target")


class WindowCube(ViewCube):
    """Creates the view of some rows and columns."""

    def __init__(self, source: CubeABC, rows: slice, columns: slice | NDArray[np.int64]) -> None:
        super().__init__(source)
        self._rows, self._columns = rows, columns
        self._grid = source.grid.rows_columns(rows, columns)

    @classmethod
    def choose(
        cls, source: CubeABC, subgrid: tuple[int, int, int, int] | None, box: BoxSettings | None, thinning: int
    ) -> Self:
        """The rows and columns of a window, every `thinning`-th of them; SettingsError when it lies outside."""
        rows: slice = slice(0, source.shape[0])
        columns: slice | NDArray[np.int64] = slice(0, source.shape[1])
        if box is not None:
            rows, columns = box.window(source.grid)
        elif subgrid is not None:
            r0, r1, c0, c1 = subgrid
            if not (0 <= r0 < r1 <= source.shape[0] and 0 <= c0 < c1 <= source.shape[1]):
                size = f"{source.shape[0]} x {source.shape[1]}"
                raise SettingsError(f"subgrid {list(subgrid)}: outside the grid of {size} cells")
            rows, columns = slice(r0, r1), slice(c0, c1)
        rows = slice(rows.start, rows.stop, thinning)
        if isinstance(columns, slice):
            return cls(source, rows, slice(columns.start, columns.stop, thinning))
        return cls(source, rows, columns[::thinning])

    @property
    def grid(self) -> Grid:
        return self._grid

    @property
    def fingerprint(self) -> str:
        columns = self._columns if isinstance(self._columns, slice) else self._columns.tolist()
        return digest("window", self.source.fingerprint, self._rows, columns)

    def read(self, names: Sequence[str], start: int, stop: int, out: Planes) -> None:
        if isinstance(self._columns, slice):
            self.source.read_window(names, start, stop, self._rows, self._columns, out)
            return
        if not self.source.grid.is_rectangular:
            whole = np.empty((*out.shape[:-2], *self.source.shape), dtype=np.float32)
            self.source.read(names, start, stop, whole)
            out[...] = whole[..., self._columns]
            return
        # from the last columns of a grid round the globe to its first ones: each part is read by itself
        begin = 0
        for part in np.split(self._columns, np.flatnonzero(np.diff(self._columns) < 0) + 1):
            step = int(part[1] - part[0]) if part.size > 1 else 1
            room = np.empty((*out.shape[:-1], part.size), dtype=out.dtype)
            self.source.read_window(names, start, stop, self._rows, slice(int(part[0]), int(part[-1]) + 1, step), room)
            out[..., begin : begin + part.size] = room
            begin += part.size

    def static_fields(self) -> dict[str, Planes]:
        fields = self.source.static_fields()
        return {name: np.ascontiguousarray(field[self._rows, self._columns]) for name, field in fields.items()}

    def valid_mask(self, names: Sequence[str]) -> NDArray[np.bool_]:
        return self.source.valid_mask(names)[self._rows, self._columns]


class RegridCube(ViewCube):
    """Creates the view of a cube on another grid.

    Winds along the axes of the cube's grid, which are others there, are turned east and north, as vectors.

    Raises:
        DataError: the cube does not cover the grid, or a wind that must be turned lacks its other component.
    """

    def __init__(self, source: CubeABC, target: Grid, method: Method) -> None:
        super().__init__(source)
        self._target, self._method = target, method
        self._regridder = Regridder(source.grid, target, method)
        self.variables = towards_earth([source], target, source.names)
        self._winds = AlignedWinds(source, named(self.variables), target, self._regridder, _WORDS)
        if not self._regridder.covered.all():
            raise DataError(f"regrid: {source.grid.describe()} does not cover {target.describe()}")

    @property
    def grid(self) -> Grid:
        return self._target

    @property
    def fingerprint(self) -> str:
        turned = sorted(self._winds.turned)
        return digest(
            "regrid", self.source.fingerprint, self._target.fingerprint(), self._method, *([turned] if turned else [])
        )

    def read(self, names: Sequence[str], start: int, stop: int, out: Planes) -> None:
        planes = np.empty((len(names), stop - start, *self.source.shape), dtype=np.float32)
        self.source.read(names, start, stop, planes)
        for index in np.ndindex(planes.shape[:2]):
            out[index] = self._regridder(planes[index])
        self._winds.turn(names, start, stop, out)

    def static_fields(self) -> dict[str, Planes]:
        return {name: self._regridder(field) for name, field in self.source.static_fields().items()}


def names_in_all(parts: Sequence[CubeABC]) -> list[str]:
    """The variables that all parts of a cutout hold, in the order of the first.

    Raises:
        DataError: there is none.
    """
    common = [n for n in parts[0].names if all(n in p.names for p in parts)]
    if not common:
        raise DataError(f"cutout: no variable is in all sources: {'; '.join(', '.join(p.names) for p in parts)}")
    return common


class CutoutCube(KeptCube):
    """Creates the view of several cubes on one grid, where each cell takes the first that covers it.

    A regional model within a global one: the regional cube first, the global one last, on the grid of either. Winds
    along axes that are not those of the target are turned east and north.

    Args:
        parts: by priority.
        target: the grid that is wanted.
        method: how each comes to it.

    Raises:
        DataError: cells that none covers, no variable or instant that all hold.
    """

    def __init__(self, parts: Sequence[CubeABC], target: Grid, method: Method) -> None:
        self.parts, self._target, self._method = align(parts), target, method
        self.variables = towards_earth(parts, target, names_in_all(parts))
        self.axis = self.parts[0].axis
        self._regridders = [None if p.grid.same_as(target) else Regridder(p.grid, target, method) for p in parts]
        self._winds = [
            AlignedWinds(p, named(self.variables), target, r, _WORDS)
            for p, r in zip(self.parts, self._regridders, strict=True)
        ]
        free, self._cells = np.ones(target.shape, dtype=bool), []
        for regridder in self._regridders:
            free_here = free if regridder is None else free & regridder.covered
            self._cells.append(free_here)
            free = free & ~free_here
        if free.any():
            raise DataError(
                f"cutout: {int(free.sum())} of {free.size} cells of {target.describe()} lie on none of the sources"
            )

    @property
    def grid(self) -> Grid:
        return self._target

    @property
    def fingerprint(self) -> str:
        turned = sorted({name for winds in self._winds for name in winds.turned})
        parts = [p.fingerprint for p in self.parts]
        return digest("cutout", parts, self._target.fingerprint(), self._method, *([turned] if turned else []))

    def available(self, names: Sequence[str]) -> NDArray[np.bool_]:
        return np.asarray(np.all([p.available(names) for p in self.parts], axis=0))

    def read(self, names: Sequence[str], start: int, stop: int, out: Planes) -> None:
        ways = zip(self.parts, self._regridders, self._winds, self._cells, strict=True)
        for part, regridder, winds, cells in ways:
            if not cells.any():
                continue
            planes = np.empty((len(names), stop - start, *part.shape), dtype=np.float32)
            part.read(names, start, stop, planes)
            if regridder is not None:
                brought = np.empty((*planes.shape[:2], *self.shape), dtype=np.float32)
                for index in np.ndindex(planes.shape[:2]):
                    brought[index] = regridder(planes[index])
                planes = brought
            winds.turn(names, start, stop, planes)
            np.copyto(out, planes, where=cells)

    def static_fields(self) -> dict[str, Planes]:
        of_parts = [p.static_fields() for p in self.parts]
        made = {}
        for name in set.intersection(*(set(f) for f in of_parts)):
            field = np.full(self._target.shape, np.nan, dtype=np.float32)
            for fields, regridder, cells in zip(of_parts, self._regridders, self._cells, strict=True):
                if cells.any():
                    np.copyto(field, fields[name] if regridder is None else regridder(fields[name]), where=cells)
            made[name] = field
        return made

    def close(self) -> None:
        for part in self.parts:
            part.close()

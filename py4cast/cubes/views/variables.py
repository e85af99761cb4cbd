"""Views along variables: some of them, under other names, or those of several cubes."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Self

import numpy as np
from numpy.typing import NDArray

from py4cast.cubes.base import CubeABC, Planes
from py4cast.cubes.views.base import ViewCube
from py4cast.cubes.views.instants import align, check_same_grid, digest
from py4cast.errors import DataError, SettingsError, nearest
from py4cast.grid import Grid
from py4cast.statistics import Stats

__all__ = ["JoinCube", "RenamedCube"]


class RenamedCube(ViewCube):
    """Creates the view of some variables under other names.

    Args:
        source: what it is on.
        names: new name → name in the source, in order.
    """

    def __init__(self, source: CubeABC, names: Mapping[str, str]) -> None:
        super().__init__(source)
        self._old = dict(names)
        self.variables = [
            replace(v, name=new, short_name=v.short_name or v.name)
            for new, old in names.items()
            for v in [source.variable(old)]
        ]

    @classmethod
    def choose(
        cls, source: CubeABC, select: Sequence[str] | None, drop: Sequence[str] | None, rename: Mapping[str, str]
    ) -> Self:
        """Variables to keep in this order, to leave out, to call otherwise; all in the source's names.

        Raises:
            SettingsError: a name that is not there, or two that would be one.
        """
        for what, given in (("select", select or ()), ("drop", drop or ()), ("rename", rename)):
            for name in given:
                if name not in source.names:
                    raise SettingsError(f"{what}: no variable {name!r}{nearest(name, source.names)}")
        kept = [n for n in (select or source.names) if n not in (drop or ())]
        names = {rename.get(n, n): n for n in kept}
        if len(names) < len(kept):
            raise SettingsError(
                f"rename: two variables would be called the same: {', '.join(rename.get(n, n) for n in kept)}"
            )
        if not names:
            raise SettingsError("select and drop: no variable is left")
        return cls(source, names)

    def _names(self, names: Sequence[str]) -> list[str]:
        return [self._old[n] if n in self._old else self.variable(n).name for n in names]

    @property
    def fingerprint(self) -> str:
        return digest("renamed", self.source.fingerprint, list(self._old.items()))

    def available(self, names: Sequence[str]) -> NDArray[np.bool_]:
        return self.source.available(self._names(names))

    def read(self, names: Sequence[str], start: int, stop: int, out: Planes) -> None:
        self.source.read(self._names(names), start, stop, out)

    def read_window(
        self, names: Sequence[str], start: int, stop: int, rows: slice, columns: slice, out: Planes
    ) -> None:
        self.source.read_window(self._names(names), start, stop, rows, columns, out)

    def statistics(self, inside: NDArray[np.bool_], names: Sequence[str] | None = None) -> tuple[Stats, Stats]:
        chosen = list(names or self.names)
        old = self._names(chosen)
        fields, differences = self.source.statistics(inside, old)
        pairs = list(zip(chosen, old, strict=True))
        return Stats({n: fields[o] for n, o in pairs}), Stats({n: differences[o] for n, o in pairs})

    def valid_mask(self, names: Sequence[str]) -> NDArray[np.bool_]:
        return self.source.valid_mask(self._names(names))


class JoinCube(CubeABC):
    """Creates the view of the variables of several cubes at their common instants.

    Raises:
        DataError: other grids, no common instants, or a variable that two of them hold.
    """

    def __init__(self, parts: Sequence[CubeABC]) -> None:
        for part in parts[1:]:
            check_same_grid(parts[0], part)
        self.parts = align(parts)
        self.axis = self.parts[0].axis
        self._home: dict[str, CubeABC] = {}
        self.variables = []
        for part in self.parts:
            for variable in part.variables:
                if variable.name in self._home:
                    raise DataError(f"join: {variable.name!r} is in two of the sources; drop or rename one")
                self._home[variable.name] = part
                self.variables.append(variable)

    @property
    def grid(self) -> Grid:
        return self.parts[0].grid

    @property
    def fingerprint(self) -> str:
        return digest("join", [p.fingerprint for p in self.parts])

    def _groups(self, names: Sequence[str]) -> list[tuple[CubeABC, int, int]]:
        """Neighbours that one part holds: the part, the first and one past the last of them."""
        groups: list[tuple[CubeABC, int, int]] = []
        for i, name in enumerate(names):
            home = self._home.get(name)
            if home is None:
                self.variable(name)
                raise AssertionError("variable() refuses an unknown name")
            if groups and groups[-1][0] is home:
                groups[-1] = (home, groups[-1][1], i + 1)
            else:
                groups.append((home, i, i + 1))
        return groups

    def available(self, names: Sequence[str]) -> NDArray[np.bool_]:
        mask = np.ones(self.axis.size, dtype=bool)
        for part, first, last in self._groups(names):
            mask &= part.available(names[first:last])
        return mask

    def read(self, names: Sequence[str], start: int, stop: int, out: Planes) -> None:
        for part, first, last in self._groups(names):
            part.read(names[first:last], start, stop, out[first:last])

    def read_window(
        self, names: Sequence[str], start: int, stop: int, rows: slice, columns: slice, out: Planes
    ) -> None:
        for part, first, last in self._groups(names):
            part.read_window(names[first:last], start, stop, rows, columns, out[first:last])

    def static_fields(self) -> dict[str, Planes]:
        fields: dict[str, Planes] = {}
        for part in self.parts:
            fields |= part.static_fields()
        return fields

    def statistics(self, inside: NDArray[np.bool_], names: Sequence[str] | None = None) -> tuple[Stats, Stats]:
        fields, differences = Stats({}), Stats({})
        chosen = list(names or self.names)
        for part, first, last in self._groups(chosen):
            of_part = part.statistics(inside, chosen[first:last])
            fields, differences = fields | of_part[0], differences | of_part[1]
        return fields, differences

    def valid_mask(self, names: Sequence[str]) -> NDArray[np.bool_]:
        masks = [part.valid_mask(names[first:last]) for part, first, last in self._groups(names)]
        return np.asarray(np.all(masks, axis=0))

    def close(self) -> None:
        for part in self.parts:
            part.close()

"""PlausibleCube: a cube whose values are looked at as they are read: within what Earth allows, and no marks of missing ones."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from py4cast.cubes.base import CubeABC, Planes
from py4cast.cubes.views.base import ViewCube
from py4cast.planes.checks import check_plane

__all__ = ["PlausibleCube"]


class PlausibleCube(ViewCube):
    """Creates the view of a cube that refuses what a prepared store would refuse; what is missing stays so.

    Args:
        source: the cube, its variables in their units.
        what: what it is called in errors.
    """

    def __init__(self, source: CubeABC, what: str) -> None:
        super().__init__(source)
        self._what = what
        self._checked = {v.name: replace(v, nan="mask") for v in source.variables}

    @property
    def fingerprint(self) -> str:
        return self.source.fingerprint

    def read(self, names: Sequence[str], start: int, stop: int, out: Planes) -> None:
        """The fields of the source.

        Raises:
            DataError: values out of the physical range, or marks of missing ones; names the variable and the time.
        """
        self.source.read(names, start, stop, out)
        for row, name in enumerate(names):
            for column, index in enumerate(range(start, stop)):
                where = partial(self._place, name, index)
                check_plane(self._checked[name], where, out[row, column])

    def _place(self, name: str, index: int) -> str:
        return f"{self._what}: {name} of {self.axis.times[index]}"

"""PlacesCube: some points, each with what a source has at the same place: stations that came, went or stand in another order."""

import logging
from collections.abc import Sequence

import numpy as np

from py4cast.cubes.base import CubeABC, Planes
from py4cast.cubes.views.base import ViewCube
from py4cast.cubes.views.instants import digest
from py4cast.errors import DataError
from py4cast.grid import Grid

__all__ = ["PlacesCube", "placed"]

logger = logging.getLogger(__name__)
_NEAR = 1e-3  # [degrees], about 100 m: a place that is told with fewer digits is still the same


def placed(cube: CubeABC, grid: Grid) -> CubeABC:
    """The cube with each of its points where it stands on a grid, where both are points; else as it is."""
    is_there = cube.grid.same_as(grid) or cube.grid.is_rectangular or grid.is_rectangular
    return cube if is_there else PlacesCube(cube, grid)


class PlacesCube(ViewCube):
    """Creates the view of a source's points on other points; where it has none, values are missing.

    Args:
        source: on points.
        target: the points that are wanted.

    Raises:
        DataError: the source has none of them.
    """

    def __init__(self, source: CubeABC, target: Grid) -> None:
        from scipy.spatial import KDTree

        super().__init__(source)
        distance, places = KDTree(source.grid.xyz()[0]).query(target.xyz()[0])
        self._target, self._places = target, np.asarray(places)
        self._lacks = np.asarray(distance) > np.deg2rad(_NEAR)
        missing, count = int(self._lacks.sum()), int(self._lacks.size)
        if missing == count:
            raise DataError(
                f"none of the {count} points of {target.describe()} is among those of {source.grid.describe()}"
            )
        if missing:
            first = int(np.flatnonzero(self._lacks)[0])
            where = f"{target.latitude[0, first]:.3f} N {target.longitude[0, first]:.3f} E"
            logger.warning(
                "%d of %d points have no data, such as that at %s; they count as missing", missing, count, where
            )

    @property
    def grid(self) -> Grid:
        return self._target

    @property
    def fingerprint(self) -> str:
        return digest("places", self.source.fingerprint, self._target.fingerprint())

    def static_fields(self) -> dict[str, Planes]:
        return {
            name: np.where(self._lacks, np.nan, f[:, self._places]) for name, f in self.source.static_fields().items()
        }

    def read(self, names: Sequence[str], start: int, stop: int, out: Planes) -> None:
        planes = np.empty((len(names), stop - start, *self.source.shape), dtype=np.float32)
        self.source.read(names, start, stop, planes)
        out[:] = np.where(self._lacks, np.float32(np.nan), planes[..., self._places])

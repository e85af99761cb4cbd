"""The climatology of a verification of files: from a file of normals, from other analyses, or from the truth itself."""

import logging
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from py4cast.cell_order import order_of
from py4cast.cubes.base import CubeABC
from py4cast.cubes.files import open_fields
from py4cast.cubes.views.aligned import AlignedCube, match_variables
from py4cast.errors import DataError
from py4cast.formats.normals import NormalsFile, is_normals
from py4cast.grid import Grid
from py4cast.metrics.climatology import Climatology
from py4cast.metrics.layout import RainClimate
from py4cast.variables import Variable
from py4cast.workflows.verify.climatology import climatology_of_cube

logger = logging.getLogger(__name__)
__all__ = ["FileNormals", "normals_of"]


class FileNormals:
    """Creates the climatology of a file of normals.

    Raises:
        DataError: variables, days or hours that it lacks, or another grid.
    """

    rain: RainClimate | None = None

    def __init__(self, path: Path, names: list[str], grid: Grid, needed: NDArray[np.datetime64]) -> None:
        self._file, self._names = NormalsFile(path), names
        self.description = f"normals of {path.name}"
        lacking = [n for n in names if n not in self._file.names]
        if lacking:
            raise DataError(f"{path}: no normals of {', '.join(lacking)}; there are {', '.join(self._file.names)}")
        held_grid = self._file.grid
        assert held_grid is not None, "the file has fields"
        order = order_of(held_grid, grid)
        if order is None:
            raise DataError(f"{path}: normals on {held_grid.describe()}; the truth is on {grid.describe()}")
        self._order = order
        self._file.check(needed)

    def __call__(self, times: NDArray[np.datetime64]) -> list[Tensor]:
        """The normal state at each time, `(lat, lon, features)`."""
        planes = [self._file.read(time, self._names) for time in times]
        return [torch.from_numpy(np.ascontiguousarray(self._order(p))).permute(1, 2, 0) for p in planes]


def normals_of(
    asked: str, truth: CubeABC, variables: list[Variable], needed: NDArray[np.datetime64], dry_limit: float
) -> FileNormals | Climatology | None:
    """The climatology that is asked for: `none`, `truth`, or a path or pattern.

    Args:
        asked: what the user named.
        truth: the verified analyses.
        variables: that are scored.
        needed: valid times of the forecasts.
        dry_limit: of the climate of rain [kg m-2].

    Raises:
        DataError: files that cannot be read, or that lack a variable or a day.
    """
    if asked == "none":
        return None
    if asked == "truth":
        return _of_series(truth, variables, "the verified truth itself (in sample)", dry_limit)
    names = [v.name for v in variables]
    if Path(asked).exists() and is_normals(Path(asked)):
        return FileNormals(Path(asked), names, truth.grid, needed)
    other = open_fields([asked], series=True)
    matched = match_variables(other.variables, variables, names)
    normal = _of_series(AlignedCube(other, matched, truth.grid), variables, asked, dry_limit)
    if normal.covers(needed):
        logger.warning("the climatology of %s overlaps the verified times, which flatters it", asked)
    return normal


def _of_series(cube: CubeABC, variables: list[Variable], of: str, dry_limit: float) -> Climatology:
    """The climatology of a whole series of analyses."""
    times = cube.times
    step = np.timedelta64(3600, "s") if times.size < 2 else np.min(np.diff(times))
    return climatology_of_cube(cube, variables, np.arange(times.size), step, of=of, dry_limit=dry_limit)

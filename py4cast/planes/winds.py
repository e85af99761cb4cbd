"""Winds and currents: along which axes the components of files run, east and north or those of their grid.

GRIB tells it by `uvRelativeToGrid`, CF by the standard name (`x_wind`, `eastward_wind`). On a grid of latitudes and
longitudes the two are the same. A Variable carries it in its standard name.
"""

from pathlib import Path

from py4cast.errors import DataError
from py4cast.formats.base import Record
from py4cast.grid import Grid
from py4cast.variables import ALONG_GRID, Axes, Variable, axes_of

__all__ = ["WindAxes"]


class WindAxes:
    """Creates what the files of a dataset say of the axes of its winds, variable by variable."""

    def __init__(self) -> None:
        self._told: dict[str, tuple[Axes, str, Path]] = {}

    def take(self, path: Path, record: Record, variable: Variable, grid: Grid) -> None:
        """Notes the axes of a field of a file.

        Raises:
            DataError: it runs along other axes than those before.
        """
        name = record.standard_name or (variable.known.standard_name if variable.known else "")
        if not axes_of(name):
            return
        is_flagged = record.keys.get("uvRelativeToGrid") == 1 or axes_of(record.standard_name) == "grid"
        axes: Axes = "grid" if is_flagged and grid.is_projected else "earth"
        before = self._told.setdefault(variable.name, (axes, name, path))
        if before[0] != axes:
            raise DataError(
                f"{variable.name}: {before[2]} has components along {_SHOWN[before[0]]}, {path} along {_SHOWN[axes]}; "
                f"turn one of them before it is prepared, or use files of one kind"
            )

    def named(self, variable: Variable, is_regridded: bool) -> str:
        """The standard name of a variable, which tells its axes.

        Raises:
            DataError: settings that say otherwise than the files, or components of a grid that should go to another one.
        """
        axes, name, path = self._told.get(variable.name, ("", "", Path()))
        if axes != "grid":
            return variable.standard_name
        if axes_of(variable.standard_name) == "earth":
            raise DataError(
                f"{variable.name}: standard_name {variable.standard_name}, but the components in {path} run along the axes of "
                f"its grid; leave standard_name out, or give {ALONG_GRID[variable.standard_name]}"
            )
        if is_regridded:
            raise DataError(
                f"{variable.name}: the components in {path} run along the axes of its grid, which are others on the grid "
                f"that they are brought to; turn them east and north before"
            )
        return variable.standard_name or ALONG_GRID.get(name, name)


_SHOWN = {"grid": "the axes of its grid", "earth": "east and north"}

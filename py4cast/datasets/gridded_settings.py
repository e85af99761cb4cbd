"""The settings of a dataset of files: variables, periods, grid window, forcings."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from py4cast.datasets.timeline import Periods
from py4cast.errors import SettingsError
from py4cast.grid import Grid
from py4cast.settings import Settings, setting
from py4cast.variables import NanPolicy, Variable, feature_name, role_of

__all__ = ["BoxSettings", "GridSettings", "GriddedSettings", "VariableSettings"]


@dataclass(frozen=True, slots=True, kw_only=True)
class VariableSettings(Settings):
    """One variable, or one per level."""

    role: str = setting("prognostic", "prognostic, diagnostic, forcing or static (older: input_output, output, input)")
    short_name: str | None = setting(None, "name in the files (GRIB shortName, NetCDF variable); by default the key")
    units: str | None = setting(None, "units in memory; the files' are converted; by default the files'")
    level: float | None = setting(None, "one level; the feature is called by the key")
    levels: tuple[float, ...] | None = setting(
        None, "several levels; features are called <key>_<level>_<type_of_level>"
    )
    type_of_level: str | None = setting(None, "GRIB typeOfLevel, such as isobaricInhPa or heightAboveGround")
    standard_name: str | None = setting(None, "CF standard name")
    grib: dict[str, Any] = setting(factory=dict, help="further GRIB keys that single the field out")
    weight: float | None = setting(
        None, "factor in the loss; by default 1 + p/1000 on a pressure level p [hPa], else 2"
    )
    accumulated: bool = setting(
        False, "whether files hold a sum since the start of the forecast; the store holds sums per step"
    )
    nan: NanPolicy = setting("forbid", "missing values: forbid (refused by name) or mask (left out of the loss)")
    files: tuple[str, ...] | None = setting(None, "patterns of this variable's files; by default the dataset's")
    regrid: Literal["no", "nearest", "linear"] = setting(
        "no", "static variables only: how to bring them from another grid"
    )

    def variables(self, key: str) -> list[Variable]:
        """The variables that these settings describe."""
        if self.level is not None and self.levels is not None:
            raise SettingsError(f"variables.{key}: give level or levels, not both")
        role = role_of(self.role)
        named = [(key, self.level)]
        if self.levels is not None:
            named = [(feature_name(key, level, self.type_of_level), level) for level in self.levels]
        return [
            Variable(
                name=name, short_name=self.short_name or key, role=role, units=self.units or "", level=level,
                type_of_level=self.type_of_level, standard_name=self.standard_name or "", grib=self.grib, weight=self.weight,
                accumulated=self.accumulated, nan=self.nan,
            )
            for name, level in named
        ]  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class BoxSettings(Settings):
    """A window in latitude and longitude [degrees]."""

    south: float = setting(help="southern limit")
    north: float = setting(help="northern limit")
    west: float = setting(help="western limit")
    east: float = setting(help="eastern limit, east of the western one")


@dataclass(frozen=True, slots=True, kw_only=True)
class GridSettings(Settings):
    """Which part of the files' grid, and how wide its border is."""

    name: str = setting("", "what to call the grid")
    border_size: int = setting(0, "width of the ring where truth is imposed [cells]")
    subgrid: tuple[int, int, int, int] | None = setting(
        None, "first row, last row, first column, last column (last ones excluded)"
    )
    box: BoxSettings | None = setting(None, "or a window in latitude and longitude")

    def window(self, grid: Grid) -> tuple[slice, slice]:
        """Rows and columns to keep; SettingsError when they lie outside the grid."""
        if self.subgrid is not None and self.box is not None:
            raise SettingsError("grid: give subgrid or box, not both")
        if self.box is not None:
            return grid.box(self.box.south, self.box.north, self.box.west, self.box.east)
        if self.subgrid is None:
            return slice(0, grid.shape[0]), slice(0, grid.shape[1])
        r0, r1, c0, c1 = self.subgrid
        if not (0 <= r0 < r1 <= grid.shape[0] and 0 <= c0 < c1 <= grid.shape[1]):
            raise SettingsError(
                f"grid.subgrid {list(self.subgrid)}: outside the grid of {grid.shape[0]} x {grid.shape[1]} cells"
            )
        return slice(r0, r1), slice(c0, c1)


@dataclass(frozen=True, slots=True, kw_only=True)
class GriddedSettings(Settings):
    """A dataset of files."""

    name: str = setting("gridded", "what to call the dataset")
    root: Path | None = setting(None, "folder of the files")
    root_env: str | None = setting(None, "environment variable that gives the folder when root does not")
    files: tuple[str, ...] = setting((), "patterns of files under root, such as 2019/*.grib or %Y%m%d.nc")
    step: str = setting(help="time between two states, such as 1h, 15min, 1d")
    variables: dict[str, VariableSettings] = setting(help="variables by name")
    periods: Periods = setting(help="train, valid and test periods")
    grid: GridSettings = setting(factory=GridSettings, help="window and border")
    forcings: tuple[str, ...] = setting((), "computed forcings: hour, day_of_year, toa_radiation")
    statics: tuple[str, ...] | None = setting(
        None, "computed statics; by default by the grid (x, y or sines of the globe; masks)"
    )
    member: int | None = setting(None, "ensemble member to use; by default the first")
    store: Path | None = setting(None, "folder of the prepared store; by default in the cache")

    def root_folder(self) -> Path:
        """`root`, else what the environment says, else the current folder."""
        if self.root is not None:
            return self.root.expanduser()
        return Path(os.environ.get(self.root_env or "", "") or ".").expanduser()

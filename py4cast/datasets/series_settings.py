"""The settings that every dataset on a cube shares: periods, grid window and border, forcings, further sources."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from py4cast.border import Border
from py4cast.cubes.source_settings import BoxSettings, SourceSettings
from py4cast.errors import SettingsError, nearest
from py4cast.grid import Grid
from py4cast.mask_file import mask_of_file, runs_of
from py4cast.settings import Settings, setting
from py4cast.timeline import Periods, ScoredPeriods

__all__ = ["BoxSettings", "GridSettings", "SeriesSettings", "Window"]

Window = tuple[slice, slice | NDArray[np.int64]]


@dataclass(frozen=True, slots=True, kw_only=True)
class GridSettings(Settings):
    """Which part of the files' grid, and how wide its border is."""

    name: str = setting("", "what to call the grid")
    border_size: int = setting(0, "width of the ring where truth is imposed [cells]")
    border_km: float | None = setting(
        None, "or all cells within this distance of a side of the domain [km], of points too"
    )
    border_part: str | None = setting(None, "or a part of a stretched grid: globe")
    border_file: Path | None = setting(
        None, "or the cells that a file's only field marks with 1 (GRIB, NetCDF or Zarr)"
    )
    subgrid: tuple[int, int, int, int] | None = setting(
        None, "first row, last row, first column, last column (last ones excluded)"
    )
    box: BoxSettings | None = setting(None, "or a window in latitude and longitude")

    def border_on(self, grid: Grid) -> Border:
        """Where truth is imposed on a grid: a ring, what is near the sides, a part, or the mask of a file.

        Raises:
            DataError: a file that is no mask of the grid.
        """
        runs = None if self.border_file is None else runs_of(mask_of_file(self.border_file.expanduser(), grid))
        return Border(self.border_size, self.border_km, self.border_part, runs)

    def window(self, grid: Grid) -> Window:
        """Rows and columns to keep; SettingsError when they lie outside the grid.

        The columns of a box that goes over the first one of a grid round the globe are given by number.
        """
        if self.subgrid is not None and self.box is not None:
            raise SettingsError("grid: give subgrid or box, not both")
        if self.box is not None:
            return self.box.window(grid)
        if self.subgrid is None:
            return slice(0, grid.shape[0]), slice(0, grid.shape[1])
        r0, r1, c0, c1 = self.subgrid
        if not (0 <= r0 < r1 <= grid.shape[0] and 0 <= c0 < c1 <= grid.shape[1]):
            raise SettingsError(
                f"grid.subgrid {list(self.subgrid)}: outside the grid of {grid.shape[0]} x {grid.shape[1]} cells"
            )
        return slice(r0, r1), slice(c0, c1)


@dataclass(frozen=True, slots=True, kw_only=True)
class SeriesSettings(Settings):
    """What a dataset on a cube is told."""

    name: str = setting("gridded", "what to call the dataset")
    step: str = setting(help="time between two states, such as 1h, 15min, 1d, or months of the calendar: 1mon")
    # the last kind is the one whose mistakes are told
    periods: ScoredPeriods | Periods = setting(
        help="train, valid and test periods; test alone, or valid and test, of data that nothing is trained on"
    )
    grid: GridSettings = setting(factory=GridSettings, help="window and border")
    forcings: tuple[str, ...] = setting((), "computed forcings: hour, day_of_year, toa_radiation")
    statics: tuple[str, ...] | None = setting(
        None, "computed statics; by default by the grid (x, y or sines of the globe; masks)"
    )
    boundary: SourceSettings | None = setting(
        None, "where border values come from: a driving model's fields; by default the truth"
    )
    inputs: dict[str, SourceSettings] = setting(
        factory=dict, help="further inputs by key, on grids of their own, for models that ask for them"
    )

    inputs_at_start: tuple[str, ...] = setting(
        (),
        "keys of further inputs that are known at the start of a forecast alone, such as observations: all its steps see those",
    )

    def __post_init__(self) -> None:
        for key in self.inputs_at_start:
            if key not in self.inputs:
                raise ValueError(f"inputs_at_start: no input {key!r}{nearest(key, self.inputs)}")
        taken = {"inputs", "outputs", "forcing", "boundary"} & set(self.inputs)
        if taken:
            raise ValueError(f"inputs: the keys {', '.join(sorted(taken))} are taken; choose others")

"""Sources: stores and files opened as they are, and what is combined of them, as JSON.

A source is one of `store`, `join`, `concat` or `cutout`, with selections that apply to it afterwards, in the order
in which they stand below. Nothing is copied: values are read when they are asked for.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from py4cast.areas import AreaSettings, area_mask
from py4cast.grid import Grid
from py4cast.regrid import Method
from py4cast.settings import Settings, setting
from py4cast.timeline import duration, instant

__all__ = ["BoxSettings", "SourceSettings"]

_TOLERANCE = 1e-4  # [degrees]
_KINDS = ("store", "join", "concat", "cutout")


@dataclass(frozen=True, slots=True, kw_only=True)
class BoxSettings(Settings):
    """A window in latitude and longitude [degrees]."""

    south: float = setting(help="southern limit")
    north: float = setting(help="northern limit")
    west: float = setting(help="western limit")
    east: float = setting(help="eastern limit, east of the western one")

    def window(self, grid: Grid) -> tuple[slice, slice | NDArray[np.int64]]:
        """Its rows and columns; SettingsError when no cell lies within.

        Those that go from the last columns of a grid round the globe to its first ones are given by number, from west to east,
        and so are points.
        """
        if not grid.is_rectangular:
            # the points within, each by its number
            area = AreaSettings(box=(self.south, self.north, self.west, self.east))
            return slice(0, 1), np.flatnonzero(area_mask(grid, "box", area)[0])
        if not grid.is_projected and grid.is_periodic:
            degrees = (grid.longitude - self.west + _TOLERANCE) % 360
            inside = np.flatnonzero(degrees <= self.east - self.west + 2 * _TOLERANCE)
            gaps = np.flatnonzero(np.diff(inside) > 1)
            if gaps.size == 1:
                first = float(grid.longitude[0])
                rows, _ = grid.box(self.south, self.north, first, first)
                return rows, np.concatenate([inside[gaps[0] + 1 :], inside[: gaps[0] + 1]])
        return grid.box(self.south, self.north, self.west, self.east)


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceSettings(Settings):
    """A store, or several combined, and what is taken of it."""

    store: Path | None = setting(
        None,
        "a prepared store, a Zarr of Anemoi, mllam-data-prep or WeatherBench 2, any CF-NetCDF or Zarr, or a table of stations",
    )
    join: tuple["SourceSettings", ...] | None = setting(None, "variables of several sources at their common instants")
    concat: tuple["SourceSettings", ...] | None = setting(None, "periods of several sources, one after the other")
    cutout: tuple["SourceSettings", ...] | None = setting(
        None, "sources by priority: a cell takes the first that covers it; on the grid of the last, or of `onto`"
    )
    onto: "SourceSettings | None" = setting(None, "with cutout: the source whose grid is wanted")
    min_distance_km: float | None = setting(
        None,
        "with cutout: the sources' own cells become one grid of points, dense in the first and coarse outside it; no cell of a "
        "source stands nearer than this to one of a source before it [km]",
    )
    method: Method = setting("linear", "with cutout: how sources come to the grid: linear, nearest or mean")
    fill_missing: bool = setting(False, "with concat: whether a gap between the parts is allowed, and missing")
    kind: str | None = setting(None, "what the store is: prepared, anemoi, mllam, stations or cf; by default found out")
    select: tuple[str, ...] | None = setting(None, "variables to keep, in this order")
    drop: tuple[str, ...] | None = setting(None, "variables to leave out")
    rename: dict[str, str] = setting(factory=dict, help="old name: new name")
    start: str | None = setting(None, "first instant (first start, of forecasts), UTC")
    end: str | None = setting(None, "last instant (last start, of forecasts), UTC")
    frequency: str | None = setting(None, "distance of the instants kept, such as 6h")
    members: tuple[int, ...] | None = setting(None, "ensemble members to keep")
    subgrid: tuple[int, int, int, int] | None = setting(None, "first row, last row, first column, last column")
    box: BoxSettings | None = setting(None, "or a window in latitude and longitude")
    thinning: int | None = setting(None, "keep every n-th row and column")
    regrid: Method | None = setting(
        None, "linear, nearest or mean: to the grid of the first source of the join, or of the dataset"
    )

    def __post_init__(self) -> None:
        given = [kind for kind in _KINDS if getattr(self, kind) is not None]
        if len(given) != 1:
            raise ValueError(f"give one of {', '.join(_KINDS)}, found {' and '.join(given) or 'none'}")
        for kind in _KINDS[1:]:
            parts = getattr(self, kind)
            if parts is not None and not parts:
                raise ValueError(f"{kind}: no source given")
        if self.min_distance_km is not None:
            if self.cutout is None or len(self.cutout) < 2 or self.onto is not None:
                raise ValueError("min_distance_km makes one grid of the two or more sources of a cutout, without onto")
            if not 0 <= self.min_distance_km < 20_000:
                raise ValueError(f"min_distance_km {self.min_distance_km:g}: expected 0 to 20000")
        for text in (self.start, self.end):
            if text is not None:
                instant(text)
        if self.frequency is not None:
            duration(self.frequency)
        if self.thinning is not None and self.thinning < 1:
            raise ValueError(f"thinning must be at least 1, found {self.thinning}")
        if self.subgrid is not None and self.box is not None:
            raise ValueError("give subgrid or box, not both")

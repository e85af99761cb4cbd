"""Areas: parts of a grid by name, a box, a polygon, a part of a stretched grid, or a mask in a file."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from py4cast.errors import SettingsError, nearest
from py4cast.grid import Grid
from py4cast.mask_file import mask_of_file
from py4cast.settings import Settings, setting

__all__ = ["AreaSettings", "area_mask", "part_cells"]

_TOLERANCE = 1e-4  # [degrees]


@dataclass(frozen=True, slots=True, kw_only=True)
class AreaSettings(Settings):
    """Cells of a grid: one of box, polygon, part and file."""

    box: tuple[float, float, float, float] | None = setting(
        None, "south, north, west, east [degrees]; east may be beyond 180"
    )
    polygon: tuple[tuple[float, float], ...] | None = setting(
        None, "corners as latitude, longitude [degrees], joined by great circles; less than half of the globe is inside"
    )
    part: str | None = setting(None, "of a stretched grid: region or globe (region_2, … between them)")
    file: Path | None = setting(None, "GRIB, NetCDF or Zarr of one field, 1 inside and 0 outside")

    def __post_init__(self) -> None:
        if sum(value is not None for value in (self.box, self.polygon, self.part, self.file)) != 1:
            raise ValueError("an area is one of box, polygon and part, or a file")
        if self.box is not None and not (self.box[0] < self.box[1] and self.box[2] < self.box[3] <= self.box[2] + 360):
            raise ValueError(f"box {list(self.box)}: expected south < north and west < east")
        if self.polygon is not None and (len(self.polygon) < 3 or any(abs(lat) > 90 for lat, _ in self.polygon)):
            raise ValueError("polygon: expected three or more corners [latitude, longitude], latitudes within 90")


def area_mask(grid: Grid, name: str, area: AreaSettings) -> NDArray[np.bool_]:
    """Which cells lie in an area, `(lat, lon)`.

    Args:
        grid: of the cells.
        name: of the area, for messages.
        area: where it is.

    Raises:
        SettingsError: an area without a cell, a part that the grid does not have.
        DataError: a file that is no mask of the grid.
    """
    if area.box is not None:
        south, north, west, east = area.box
        lat, lon = grid.latitude_2d(), grid.longitude_2d()
        inside = (lat >= south - _TOLERANCE) & (lat <= north + _TOLERANCE)
        inside &= (lon - west + _TOLERANCE) % 360 <= east - west + 2 * _TOLERANCE
    elif area.polygon is not None:
        inside = _inside(grid.xyz(), np.asarray(area.polygon, dtype=np.float64))
    elif area.file is not None:
        inside = mask_of_file(area.file, grid)
    else:
        inside = _of_part(grid, name, str(area.part))
    if not inside.any():
        raise SettingsError(f"area {name!r}: no cell lies in it; the grid is {grid.describe()}")
    return np.asarray(inside)


def _of_part(grid: Grid, name: str, wanted: str) -> NDArray[Any]:
    try:
        cells = part_cells(grid, wanted)
    except SettingsError as error:
        raise SettingsError(f"area {name!r}: {error}") from None
    inside = np.zeros(grid.shape, dtype=bool)
    inside[:, cells] = True
    return inside


def part_cells(grid: Grid, name: str) -> slice:
    """Where the points of a part of a stretched grid stand.

    Raises:
        SettingsError: no such part.
    """
    names = [part.name for part in grid.parts]
    if name not in names:
        known = nearest(name, names) if names else ": it is no stretched grid"
        raise SettingsError(f"the grid has no part {name!r}{known}")
    place = names.index(name)
    first = sum(part.size for part in grid.parts[:place])
    return slice(first, first + grid.parts[place].size)


def _inside(places: NDArray[np.float64], corners: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Whether the polygon goes round a place: its corners, seen from there, turn once, of the nearer half of the globe.

    Winding number Σ atan2(p·(a × b), a·b − (p·a)(p·b)) / 2π.
    """
    phi, lam = np.deg2rad(corners).T
    ring = np.stack([np.cos(phi) * np.cos(lam), np.cos(phi) * np.sin(lam), np.sin(phi)], axis=1)
    turns = np.zeros(places.shape[:-1])
    for a, b in zip(ring, np.roll(ring, -1, axis=0), strict=True):
        along = places @ a, places @ b
        turns += np.arctan2(places @ np.cross(a, b), a @ b - along[0] * along[1])
    middle = ring.sum(0)
    return np.asarray((np.abs(turns) > np.pi) & (places @ middle > 0))

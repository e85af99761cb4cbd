"""Borders: where truth is imposed and nothing is learned or scored: a ring of cells, by distance, a part of a grid, a mask."""

from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from py4cast.areas import AreaSettings, area_mask
from py4cast.errors import SettingsError
from py4cast.grid import EARTH_RADIUS, Grid
from py4cast.mask_file import cells_of_runs
from py4cast.polygons import nearest_angles
from py4cast.triangulation import Triangulation, covers_sphere

__all__ = ["Border", "border_mask"]


class Border(NamedTuple):
    """A border; of nothing by default.

    Args:
        size: width of a ring [cells], of a rectangle.
        km: distance from the sides of the domain within which cells are border [km].
        part: of a stretched grid that is border.
        runs: of a mask: how many cells lie outside, in the border, outside, ... in turn.
    """

    size: int = 0
    km: float | None = None
    part: str | None = None
    runs: tuple[int, ...] | None = None

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values of what a ring does not say."""
        plain = {"km": self.km, "part": self.part, "runs": None if self.runs is None else list(self.runs)}
        return {key: value for key, value in plain.items() if value is not None}

    @classmethod
    def from_dict(cls, size: int, document: dict[str, Any]) -> Self:
        """The inverse of `to_dict`, beside the width of a ring."""
        runs = document.get("runs")
        return cls(size, document.get("km"), document.get("part"), None if runs is None else tuple(runs))

    def __bool__(self) -> bool:
        """Whether there is a border."""
        return bool(self.size or self.km or self.part or self.runs)

    def __str__(self) -> str:
        """In words: `4 cells wide`, `all within 300 km of a side`, `the part globe`."""
        if self.part is not None:
            return f"the part {self.part}"
        if self.runs is not None:
            return f"a mask of {sum(self.runs[1::2])} cells"
        return f"{self.size} cells wide" if self.km is None else f"all within {self.km:g} km of a side"


def border_mask(grid: Grid, border: Border | int) -> NDArray[np.bool_]:
    """True where truth is imposed, `(lat, lon)`.

    Args:
        grid: of the cells.
        border: where; a number is the width of a ring.

    Raises:
        SettingsError: more than one border, one that leaves no interior, or one that the grid cannot have.
    """
    if isinstance(border, int):
        return grid.border_mask(border)
    if sum(map(bool, (border.size, border.km, border.part, border.runs))) > 1:
        raise SettingsError("grid: give one of border_size, border_km and border_part, or border_file")
    if border.part is not None:
        mask = area_mask(grid, "border_part", AreaSettings(part=border.part))
    elif border.km is not None:
        mask = _near_sides(grid, border.km)
    elif border.runs is not None:
        mask = cells_of_runs(border.runs, grid.shape)
    else:
        return grid.border_mask(border.size)
    if mask.all():
        raise SettingsError(f"border: {border} is all of the grid and leaves no interior")
    return mask


def _near_sides(grid: Grid, km: float) -> NDArray[np.bool_]:
    if not 0 < km < 20_000:
        raise SettingsError(f"border_km {km:g}: expected more than 0, less than 20000")
    vectors = grid.xyz().reshape(-1, 3)
    has_rows = grid.is_rectangular and (grid.is_plane or not grid.is_projected)
    is_round = grid.periodicity[1] and not any(grid.is_open) if has_rows else covers_sphere(vectors)
    if is_round:
        where = "is doubly periodic" if grid.is_plane else "goes round the globe"
        raise SettingsError(f"border_km {km:g}: the grid {where} and has no sides")
    sides = grid.border_mask(1).ravel() if grid.is_rectangular else Triangulation(vectors).side_points()
    distance = EARTH_RADIUS * nearest_angles(vectors[sides], vectors)
    return np.asarray(distance <= 1000 * km).reshape(grid.shape)

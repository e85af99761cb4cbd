"""Where the cells of ICON are: its GRIB has a mark of the grid (a UUID) and a count, the coordinates are in a file of their own.

The service ships it beside the fields, as NetCDF with `clat`, `clon` [rad], `cell_area` [m2] and the attribute
`uuidOfHGrid`. It is looked for in the folder of the fields, in the one above, and in that of `PY4CAST_GRIDS`.
"""

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from py4cast.errors import DataError
from py4cast.grid import Grid

__all__ = ["UUID", "icon_grid"]

UUID = "uuidOfHGrid"


def icon_grid(path: Path, mark: str, num_cells: int) -> Grid:
    """The grid of the fields of a file.

    Args:
        path: of the fields.
        mark: the UUID of the grid, 32 hexadecimal digits.
        num_cells: of the fields.

    Raises:
        DataError: no file has it; says where it was looked for.
    """
    others: list[str] = []
    for candidate in _candidates(path):
        grid = _read(candidate, mark, num_cells, others)
        if grid is not None:
            return grid
    seen = f"; other grids: {', '.join(others[:3])}" if others else ""
    raise DataError(
        f"{path}: ICON's grid {mark} of {num_cells} cells, whose coordinates stand in a file of their own (NetCDF with clat and "
        f"clon): put it beside the fields, or in the folder of PY4CAST_GRIDS{seen}"
    )


def _candidates(path: Path) -> Iterator[Path]:
    """Files whose names say that they hold a grid."""
    folders = [path.parent, path.parent.parent]
    if given := os.environ.get("PY4CAST_GRIDS"):
        folders.append(Path(given).expanduser())
    for folder in folders:
        if folder.is_dir():
            yield from sorted(p for p in folder.glob("*.nc") if "grid" in p.name.lower())


def _read(path: Path, mark: str, num_cells: int, others: list[str]) -> Grid | None:
    """The grid of a file, where it is the one that is meant; else it is noted."""
    import netCDF4

    try:
        with netCDF4.Dataset(path) as file:
            if "clat" not in file.variables or "clon" not in file.variables:
                return None
            its = str(getattr(file, "uuidOfHGrid", "")).replace("-", "").lower()
            count = int(file["clat"].size)
            if its != mark or count != num_cells:
                others.append(f"{path.name} ({its or 'no uuidOfHGrid'}, {count} cells)")
                return None
            lat, lon = (np.rad2deg(np.asarray(file[name][:], dtype=np.float64)) for name in ("clat", "clon"))
            areas = np.asarray(file["cell_area"][:], dtype=np.float64) if "cell_area" in file.variables else None
            name = f"ICON {mark[:8]}"
            made = Grid.points(lat, lon, areas, name=name)
            # what GRIB tells of it, to be written again
            return Grid(made.latitude, made.longitude, projection={UUID: mark}, name=name, areas=made.areas)
    except (OSError, RuntimeError) as error:
        raise DataError(f"{path}: the grid cannot be read: {error}") from None

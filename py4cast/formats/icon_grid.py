"""Where the cells of ICON, and of points without a template, are: GRIB has a mark (a UUID), a file of its own the coordinates.

The service ships it beside the fields, as NetCDF with `clat`, `clon` [rad], `cell_area` [m2] and the attribute
`uuidOfHGrid`. It is looked for in the folder of the fields, in the one above, and in that of `PY4CAST_GRIDS`. Points that
GRIB has no template for are written the same way, with a mark made of their coordinates.
"""

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from py4cast.atomic import atomic_path, check_name
from py4cast.errors import DataError
from py4cast.grid import Grid

__all__ = ["UUID", "icon_grid", "uuid_of", "write_grid_file"]

UUID = "uuidOfHGrid"


def icon_grid(path: Path, mark: str, num_cells: int) -> Grid:
    """The grid of the fields of a file.

    Args:
        path: of the fields.
        mark: the UUID of the grid, 32 hexadecimal digits.
        num_cells: of the fields.

    Raises:
        DataError: no file has it, and says where it was looked for; or several have it with other coordinates.
    """
    others: list[str] = []
    fitting = [(c, g) for c in _candidates(path) if (g := _read(c, mark, num_cells, others)) is not None]
    for candidate, grid in fitting[1:]:
        if not grid.same_as(fitting[0][1]):
            raise DataError(
                f"{path}: {fitting[0][0]} and {candidate} are both ICON's grid {mark} of {num_cells} cells, with other coordinates"
            )
    if fitting:
        return fitting[0][1]
    seen = f"; other grids: {', '.join(others[:3])}" if others else ""
    raise DataError(
        f"{path}: ICON's grid {mark} of {num_cells} cells, whose coordinates stand in a file of their own (NetCDF with clat and "
        f"clon): put it beside the fields, or in the folder of PY4CAST_GRIDS{seen}"
    )


def uuid_of(grid: Grid) -> str:
    """The mark of a grid of points, 32 hexadecimal digits: that of its file, else made of its coordinates."""
    return str(grid.projection[UUID]) if UUID in grid.projection else grid.fingerprint()[:32]


def write_grid_file(folder: Path, grid: Grid) -> Path:
    """Writes the coordinates of points where `icon_grid` looks for them, `grid_MARK.nc`; one that stands is kept.

    Args:
        folder: of the fields.
        grid: of points.
    """
    import netCDF4

    mark = uuid_of(grid)
    path = folder / check_name(f"grid_{mark}.nc", UUID, DataError)
    if path.exists():
        return path
    with atomic_path(path, suffix=".nc") as temporary, netCDF4.Dataset(temporary, "w") as file:
        file.createDimension("cell", grid.shape[1])
        file.setncatts({"uuidOfHGrid": mark, "grid_name": grid.name})
        for name, values, units in (
            ("clat", np.deg2rad(grid.latitude[0]), "radian"),
            ("clon", np.deg2rad(grid.longitude[0]), "radian"),
            ("cell_area", grid.cell_areas().ravel(), "m2"),
        ):
            variable = file.createVariable(name, "f8", ("cell",))
            variable.units = units
            variable[:] = values
    return path


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
            name = str(getattr(file, "grid_name", f"ICON {mark[:8]}"))
            made = Grid.points(lat, lon, areas, name=name)
            # what GRIB tells of it, to be written again
            return Grid(made.latitude, made.longitude, projection={UUID: mark}, name=name, areas=made.areas)
    except (OSError, RuntimeError) as error:
        raise DataError(f"{path}: the grid cannot be read: {error}") from None

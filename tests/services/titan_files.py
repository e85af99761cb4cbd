"""Titan in small: GRIB 2 in its layout, on its grids with wider spacing, and the NumPy copies."""

from pathlib import Path

import eccodes
import numpy as np

from py4cast.datasets.titan_parameters import GRIDS, PARAMETERS, TitanParameter
from py4cast.formats import Fields, writer_for
from py4cast.grid import Grid
from py4cast.variables import Variable

HOUR = np.timedelta64(3600, "s")
FOLDER = "%Y-%m-%d_%Hh%M"
SPACING = {"PAAROME_1S100": 0.5, "PAAROME_1S40": 1.25, "PA_01D": 2.0, "ANTJP7CLIM_1S100": 0.5}
LEVELS = (500, 850)
MEANS = {"K": 280.0, "%": 70.0, "Pa": 101_300.0, "m2 s-2": 15_000.0, "kg m-2": 1.0, "J m-2": 2e5, "m s-1": 3.0}


def grid(name: str) -> Grid:
    """The extent of a grid of Titan with fewer cells, rows from north to south as in its files."""
    g, step = GRIDS[name], SPACING[name]
    rows, columns = round((g.north - g.south) / step) + 1, round((g.east - g.west) / step) + 1
    return Grid(g.north - step * np.arange(rows), g.west + step * np.arange(columns))


def field(name: str, level: int, valid: np.datetime64, where: Grid) -> np.ndarray:
    """A smooth field in the parameter's units; the same function of place and time on every grid."""
    hours = float((valid - np.datetime64("2023-01-01T00", "s")) / HOUR)
    lat, lon = where.latitude_2d(), where.longitude_2d()
    wave = np.sin(np.deg2rad(6 * lon - 3 * lat) + 0.2 * hours + sum(map(ord, name)) % 7 + level / 500)
    units = PARAMETERS[name].units
    mean = MEANS.get(units, 1e-5)
    size = {"K": 8.0, "%": 20.0, "Pa": 900.0, "m2 s-2": 800.0, "m s-1": 6.0}.get(units, 0.9 * mean)
    return (mean + size * wave).astype(np.float32)


def write_hour(root: Path, when: np.datetime64, names: list[str], leads: tuple[int, ...] = (0,)) -> None:
    """The files of one hour with these parameters, analyses (and forecasts with further lead times)."""
    folder = root / "grib" / when.item().strftime(FOLDER)
    by_file: dict[str, list[str]] = {}
    for name in names:
        by_file.setdefault(PARAMETERS[name].file, []).append(name)
    for pattern, members in by_file.items():
        for lead in leads if "ECH*" in pattern else (0,):
            chosen = [
                n for n in members if PARAMETERS[n].is_sum == (lead > 0) or (lead > 0 and not PARAMETERS[n].is_sum)
            ]
            chosen = [n for n in members if (lead > 0 or not PARAMETERS[n].is_sum)]
            if chosen:
                where = grid(PARAMETERS[chosen[0]].grid)
                file = folder / pattern.replace("ECH*", f"ECH{lead}").replace("PA_01D_*", "PA_01D_")
                _write(file, chosen, when, lead, where)


def _write(path: Path, names: list[str], when: np.datetime64, lead: int, where: Grid) -> None:
    variables, planes = [], []
    for name in names:
        p = PARAMETERS[name]
        for level in LEVELS if p.level is None else (p.level,):
            variables.append(_variable(name, p, level))
            planes.append(field(name, level, when + lead * HOUR, where))
    values = np.stack(planes, axis=-1)[None]
    writer_for(path.with_suffix(".grib")).write(path, Fields(values, variables, where, when, [lead * HOUR]))


def _variable(name: str, p: TitanParameter, level: int) -> Variable:
    return Variable(
        name=f"{name}_{level}", short_name=p.short_name, units=p.units, level=level, type_of_level=p.type_of_level,
        accumulated=p.is_sum,
    )  # fmt: skip


def write_conf(root: Path, name: str) -> np.ndarray:
    """The file with the grid and its orography, which is returned."""
    where = grid(name)
    height = (400 + 300 * np.sin(np.deg2rad(9 * where.longitude_2d()))).astype(np.float32)
    variable = Variable(name="h", short_name="h", units="m", type_of_level="surface", level=0)
    start = np.datetime64("2023-01-01T00", "s")
    root.mkdir(parents=True, exist_ok=True)
    writer_for("x.grib").write(
        root / f"conf_{name}.grib", Fields(height[None, ..., None], [variable], where, start, [0 * HOUR])
    )
    return height


def write_npy(root: Path, when: np.datetime64, names: list[str], grid_name: str) -> None:
    """The same fields as arrays on one grid."""
    folder = root / "npy" / when.item().strftime(FOLDER)
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        p = PARAMETERS[name]
        for level in LEVELS if p.level is None else (p.level,):
            stem = name if p.level is not None else f"{name}_{level}_{p.type_of_level}"
            np.save(folder / f"{stem}.npy", field(name, level, when, grid(grid_name)))


def count_messages(path: Path) -> int:
    with path.open("rb") as stream:
        return int(eccodes.codes_count_in_file(stream))

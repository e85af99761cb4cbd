"""Smeagol in small: NetCDF per run and member, without coordinates, as its layout has them."""

from pathlib import Path

import numpy as np
import xarray as xr

from py4cast.datasets.smeagol import _PROJECTION, PARAMETERS
from py4cast.projection import inverse

SHAPE = (14, 12)
LEVELS = (90, 85, 1)
FOLDER = "nc/france/arome_franmgsp32"
MEANS = {"K": 285.0, "Pa": 98_000.0, "kg kg-1": 0.006, "1": 0.7, "m s-1": 3.0, "kg m-2": 0.0, "J m-2": 0.0}


def coordinates() -> tuple[np.ndarray, np.ndarray]:
    """Latitude and longitude `(X, Y)`: X runs along rows."""
    x, y = np.arange(SHAPE[1]) * 1300.0 - 7000, np.arange(SHAPE[0]) * 1300.0 - 9000
    lat, lon = inverse(_PROJECTION, *np.meshgrid(x, y))
    return lat, lon


def field(name: str, level: int, start: np.datetime64, member: int, hours: float) -> np.ndarray:
    rows, columns = np.mgrid[0 : SHAPE[0], 0 : SHAPE[1]]
    units, is_sum = PARAMETERS[name][1], PARAMETERS[name][3]
    day = float((start - np.datetime64("2022-08-06T00", "s")) / np.timedelta64(86400, "s"))
    wave = np.sin(0.4 * rows + 0.3 * columns + 0.5 * hours + day + 0.3 * member + level / 30)
    if is_sum:
        return (hours * (1.5 + wave)).astype(np.float32)
    mean = MEANS[units]
    return (mean + {"K": 5.0, "Pa": 500.0, "m s-1": 4.0}.get(units, 0.2 * mean) * wave).astype(np.float32)


def write_constant(root: Path) -> None:
    lat, lon = coordinates()
    mask = (np.arange(SHAPE[1])[None, :] > 4) * np.ones(SHAPE)
    data = {
        "lat": (("X", "Y"), lat), "lon": (("X", "Y"), lon),
        "SURFGEOPOTENTIEL": (("X", "Y"), 1000.0 + 10 * lat), "LandSeaMask": (("X", "Y"), mask),
    }  # fmt: skip
    path = root / FOLDER / "constant" / "Mesh_and_SurfGeo.nc"
    path.parent.mkdir(parents=True, exist_ok=True)
    xr.Dataset(data).to_netcdf(path)


def write_run(root: Path, start: np.datetime64, member: int, hours: np.ndarray, names: list[str]) -> list[Path]:
    """The files of one run and member; variables with levels have a file each, the others share one."""
    folder = root / FOLDER / start.item().strftime("%Y%m%dH%H")
    folder.mkdir(parents=True, exist_ok=True)
    surface, made = {}, []
    for name in names:
        if name in ("TEMPERATURE", "WIND.U.PHYS", "WIND.V.PHYS", "HUMI.SPECIFI"):
            values = np.stack([[field(name, lev, start, member, h) for lev in LEVELS] for h in hours])
            data = xr.Dataset({name: (("step", "level", "X", "Y"), values)}, {"step": hours, "level": list(LEVELS)})
            made.append(folder / f"mb_{member:03d}_{name}.nc")
            data.to_netcdf(made[-1])
        else:
            surface[name] = (("step", "X", "Y"), np.stack([field(name, 0, start, member, h) for h in hours]))
    if surface:
        made.append(folder / f"mb_{member:03d}_surface.nc")
        xr.Dataset(surface, {"step": hours}).to_netcdf(made[-1])
    return made

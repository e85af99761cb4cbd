"""Heights: the surface of a model beside that of stations, and what the difference does to a temperature."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from py4cast.cubes.base import CubeABC
from py4cast.errors import DataError
from py4cast.formats import open_reader
from py4cast.grid import Grid
from py4cast.regrid import Method, Regridder
from py4cast.units import normalise
from py4cast.variables import Variable

__all__ = ["LAPSE_RATE", "height_shift", "is_surface_temperature", "orography_of"]

LAPSE_RATE = 0.0065  # [K m-1], of the standard atmosphere (ISO 2533:1975)
_GRAVITY = 9.80665
_HEIGHTS = (
    "orog",
    "orography",
    "surface_altitude",
    "h",
    "hsurf",
    "zsurf",
    "topography",
    "height",
    "relief",
    "elevation",
)
_GEOPOTENTIALS = ("z", "surface_geopotential", "geopotential", "geopotential_at_surface", "z_0_heightaboveground")


def is_surface_temperature(variable: Variable) -> bool:
    """Whether it is the temperature of the air near the ground."""
    return variable.cf_name == "air_temperature" and variable.type_of_level in (None, "heightAboveGround", "surface")


def orography_of(cube: CubeABC, path: str | None = None) -> tuple[NDArray[np.float32], Grid] | None:
    """The height of a model's surface [m] and its grid: of a file, else among the model's fixed fields; None without.

    Raises:
        DataError: a file that holds neither height nor geopotential of the surface.
    """
    if path is None:
        for name, field in cube.static_fields().items():
            if name.lower() in _HEIGHTS:
                return field, cube.grid
            if name.lower() in _GEOPOTENTIALS:
                return np.asarray(field / _GRAVITY, dtype=np.float32), cube.grid
        return None
    with open_reader(Path(path).expanduser()) as reader:
        for record in reader.records():
            names = {str(n).lower() for n in (record.short_name, record.standard_name, record.keys.get("cf_name")) if n}
            is_geopotential = normalise(record.units or "1") == "m2 s-2"
            if names & set(_HEIGHTS) or (names & set(_GEOPOTENTIALS) and not record.level):
                scale = 1 / _GRAVITY if is_geopotential else 1.0
                return np.asarray(reader.read(record) * scale, dtype=np.float32), reader.grid(record)
    raise DataError(f"{path}: holds neither the height nor the geopotential of the surface")


def height_shift(
    height: NDArray[np.float32], grid: Grid, points: Grid, elevation: NDArray[np.float64], method: Method
) -> NDArray[np.float64]:
    """What is added to a temperature at points, Γ·(z_model − z_station) [K], `(1, station)`; 0 where a height is not known."""
    model = Regridder(grid, points, method)(height)
    return np.nan_to_num(LAPSE_RATE * (model - elevation[None, :]))

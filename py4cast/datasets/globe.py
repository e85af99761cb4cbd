"""globe: a small atmosphere round the globe, written as GRIB 2 on an octahedral grid, to try things on without a download.

Rossby–Haurwitz waves on a solid-body rotation α solve the barotropic vorticity equation on the sphere exactly:

    ψ = −αR² sin φ + Σ A·Y(φ)·cos(mλ − ωt + δ),   ω = m·(α − 2(Ω + α)/(n(n + 1))),

with Y = cosᵐφ (n = m) and sin φ·cosᵐφ (n = m + 1). They give wind u = −∂ψ/R∂φ, v = ∂ψ/(R cos φ ∂λ), height by linear
balance, gz = fψ, and carry temperature, lagged by a quarter of a wave.

Reference: B. Haurwitz (1940), The motion of atmospheric disturbances on the spherical earth, J. Mar. Res. 3, 254–267.
"""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from py4cast.formats import Heading, writer_for
from py4cast.formats.reduced import octahedral
from py4cast.grid import EARTH_RADIUS, Grid
from py4cast.variables import Variable

__all__ = ["START", "Waves", "write_globe"]

OMEGA, GRAVITY, ROTATION = 7.292e-5, 9.80665, 12.0 / EARTH_RADIUS  # [s-1], [m s-2], [s-1]
PRESSURE = "isobaricInhPa"
VARIABLES = [
    Variable(name="z500", short_name="gh", units="m", level=500, type_of_level=PRESSURE, standard_name="geopotential_height"),
    Variable(name="u500", short_name="u", units="m s-1", level=500, type_of_level=PRESSURE, standard_name="eastward_wind"),
    Variable(name="v500", short_name="v", units="m s-1", level=500, type_of_level=PRESSURE, standard_name="northward_wind"),
    Variable(name="t850", short_name="t", units="K", level=850, type_of_level=PRESSURE, standard_name="air_temperature"),
]  # fmt: skip
START = np.datetime64("2020-03-01T00", "s")


class Waves:
    """Creates the waves of a seed.

    Args:
        seed: what they are drawn from.
        num_waves: how many.
    """

    def __init__(self, seed: int, num_waves: int = 12) -> None:
        draw = np.random.default_rng(seed)
        self.m = 1 + np.arange(num_waves) % 6
        self.is_odd = np.arange(num_waves) % 2 == 1
        n = self.m + self.is_odd
        self.omega = self.m * (ROTATION - 2 * (OMEGA + ROTATION) / (n * (n + 1)))
        # so that each carries wind of some metres a second
        self.amplitude = EARTH_RADIUS / self.m * draw.uniform(2.0, 5.0, num_waves) * np.where(self.is_odd, 2.0, 1.0)
        self.phase = draw.uniform(0, 2 * np.pi, num_waves)

    def fields(self, grid: Grid, seconds: float) -> NDArray[np.float32]:
        """All variables at an instant, `(lat, lon, features)`."""
        phi, lam = np.deg2rad(grid.latitude_2d()), np.deg2rad(grid.longitude_2d())
        sine, cosine = np.sin(phi), np.cos(phi)
        psi, along, across, lagged = (np.zeros(grid.shape) for _ in range(4))
        for m, is_odd, omega, amplitude, phase in zip(
            self.m, self.is_odd, self.omega, self.amplitude, self.phase, strict=True
        ):
            shape = cosine**m * (sine if is_odd else 1.0)
            slope = -m * cosine ** (m - 1) * sine * (sine if is_odd else 1.0) + (cosine ** (m + 1) if is_odd else 0.0)
            # Y over cos φ, which is finite at the poles
            over = cosine ** (m - 1) * (sine if is_odd else 1.0)
            angle = m * lam - omega * seconds + phase
            psi += amplitude * shape * np.cos(angle)
            lagged += amplitude * shape * np.sin(angle)
            across += amplitude * slope * np.cos(angle)
            along -= amplitude * m * over * np.sin(angle)
        u = ROTATION * EARTH_RADIUS * cosine - across / EARTH_RADIUS
        v = along / EARTH_RADIUS
        height = 5750 - 550 * sine**2 + 2 * OMEGA * sine * psi / GRAVITY
        temperature = 288 - 40 * sine**2 + 4e-7 * lagged
        return np.stack([height, u, v, temperature], -1).astype(np.float32)


def write_globe(folder: Path, n: int = 32, num_times: int = 120, seed: int = 0) -> Grid:
    """Writes a file per instant, six hours apart, `YYYYMMDDTHH.grib2`, and returns the grid.

    Args:
        folder: made where it is not there.
        n: of the octahedral grid O`n`.
        num_times: instants.
        seed: what the waves are drawn from.
    """
    grid, waves = octahedral(n), Waves(seed)
    folder.mkdir(parents=True, exist_ok=True)
    for step in range(num_times):
        when = START + step * np.timedelta64(6, "h")
        heading = Heading(VARIABLES, grid, when, [np.timedelta64(0, "h")])
        start = np.datetime_as_string(when, "h").replace("-", "")
        with writer_for("globe.grib2").open(folder / f"{start}.grib2", heading) as put:
            put(waves.fields(grid, 21600.0 * step))
    return grid

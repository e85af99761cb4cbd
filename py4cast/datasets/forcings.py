"""Computed forcings: what is known of the Sun and the calendar at each predicted step.

Date forcings: sin and cos of 2π·h/24 and of 2π·d/365.2425, with h the hour and d the day of the year since
1 January 00 UTC. Top-of-atmosphere radiation [W m-2], mean over the step that ends at the valid time:

    S = S₀·(r₀/r)²·⟨max(0, sin φ sin δ + cos φ cos δ cos ω)⟩,   ω = 2π·(h_UTC/24 − 1/2) + λ + E

with declination δ, equation of time E and distance factor (r₀/r)² by Spencer's series, and the mean over the
hour angle ω in closed form.

References: J. W. Spencer (1971), Fourier series representation of the position of the Sun, Search 2(5), 172;
G. Kopp and J. L. Lean (2011), A new, lower value of total solar irradiance, doi 10.1029/2010GL045777.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from py4cast.errors import SettingsError, nearest
from py4cast.grid import Grid
from py4cast.statistics import Stats, merge_moments, moments
from py4cast.timeline import later, num_months
from py4cast.variables import Variable

__all__ = ["GROUPS", "ComputedForcings", "day_of_year", "toa_radiation"]

SOLAR_CONSTANT = 1361.0  # [W m-2]
DAYS_PER_YEAR = 365.2425
GROUPS = {
    "hour": ("sin_hour", "cos_hour"),
    "day_of_year": ("sin_day_of_year", "cos_day_of_year"),
    "toa_radiation": ("toa_radiation",),
}
_KEPT_BYTES = 64_000_000
Array = NDArray[np.float64]


def day_of_year(times: NDArray[np.datetime64]) -> Array:
    """Days since 1 January 00 UTC of each time's year, with fraction."""
    seconds = times.astype("datetime64[s]")
    return np.asarray((seconds - seconds.astype("datetime64[Y]").astype("datetime64[s]")) / np.timedelta64(86400, "s"))


def sun(times: NDArray[np.datetime64]) -> tuple[Array, Array, Array]:
    """Declination δ [rad], equation of time E [rad], and (r₀/r)² of each time (Spencer, 1971)."""
    g = 2 * np.pi * day_of_year(times) / DAYS_PER_YEAR
    c1, s1, c2, s2, c3, s3 = (f(k * g) for k in (1, 2, 3) for f in (np.cos, np.sin))
    delta = 0.006918 - 0.399912 * c1 + 0.070257 * s1 - 0.006758 * c2 + 0.000907 * s2 - 0.002697 * c3 + 0.00148 * s3
    equation = 0.000075 + 0.001868 * c1 - 0.032077 * s1 - 0.014615 * c2 - 0.040849 * s2
    distance = 1.000110 + 0.034221 * c1 + 0.001280 * s1 + 0.000719 * c2 + 0.000077 * s2
    return delta, equation, distance


def _integral(omega: Array, a: Array, b: Array) -> Array:
    """∫ max(0, a + b·cos ω′) dω′ from −π to ω, for any ω; a, b with b ≥ 0."""
    with np.errstate(divide="ignore", invalid="ignore"):
        sunset = np.arccos(np.clip(np.where(b > 1e-12, -a / np.maximum(b, 1e-12), -np.sign(a)), -1.0, 1.0))
    turns = np.floor((omega + np.pi) / (2 * np.pi))
    inside = np.clip(omega - 2 * np.pi * turns, -sunset, sunset)
    whole = 2 * (a * sunset + b * np.sin(sunset))
    return np.asarray(turns * whole + a * (inside + sunset) + b * (np.sin(inside) + np.sin(sunset)))


def toa_radiation(
    times: NDArray[np.datetime64], latitude: Array, longitude: Array, step: np.timedelta64
) -> NDArray[np.float32]:
    """Downward solar radiation at the top of the atmosphere [W m-2], mean over the step before each time.

    Args:
        times: valid times, `(timestep,)`.
        latitude: [degrees north], `(lat, lon)` or what broadcasts to it.
        longitude: [degrees east], `(lat, lon)` or what broadcasts to it.
        step: length of the mean; 0 for the value at the instant.

    Returns:
        `(timestep, lat, lon)`.
    """
    middle = times - step // 2
    delta, equation, distance = (x[:, None, None] for x in sun(middle))
    phi, lam = np.deg2rad(latitude)[None], np.deg2rad(longitude)[None]
    seconds = (times - times.astype("datetime64[D]").astype("datetime64[s]")) / np.timedelta64(1, "s")
    end = 2 * np.pi * (seconds[:, None, None] / 86400.0 - 0.5) + lam + equation
    a, b = np.sin(phi) * np.sin(delta), np.cos(phi) * np.cos(delta)
    width = 2 * np.pi * float(step / np.timedelta64(86400, "s"))
    if width == 0:
        mean = np.maximum(0.0, a + b * np.cos(end))
    else:
        mean = (_integral(end, a, b) - _integral(end - width, a, b)) / width
    return np.asarray(np.maximum(SOLAR_CONSTANT * distance * mean, 0.0), dtype=np.float32)


class ComputedForcings:
    """Creates the forcings of the groups asked for, on a grid.

    Args:
        groups: of `hour`, `day_of_year`, `toa_radiation`.
        grid: where the cells are.
        step: time between two states.

    Raises:
        SettingsError: an unknown group.
    """

    def __init__(self, groups: Sequence[str], grid: Grid, step: np.timedelta64) -> None:
        for group in groups:
            if group not in GROUPS:
                raise SettingsError(f"forcings: unknown {group!r}{nearest(group, GROUPS)}")
        self.groups, self.step = tuple(groups), step
        self.names = [name for group in groups for name in GROUPS[group]]
        self._shape = grid.shape
        # a latitude-longitude grid has one Sun per row and one clock per column: far fewer than its cells
        self._rows = grid.latitude if grid.is_projected else grid.latitude[:, None]
        self._columns = grid.longitude if grid.is_projected else grid.longitude[None, :]
        self._kept: dict[int, NDArray[np.float32]] = {}

    @property
    def variables(self) -> list[Variable]:
        """The forcings that it computes, as variables."""
        radiation = "toa_incoming_shortwave_flux"
        return [
            Variable(name=n, role="forcing", units="W m-2", standard_name=radiation)
            if n == "toa_radiation"
            else Variable(name=n, role="forcing", units="1")
            for n in self.names
        ]

    def compute(self, times: NDArray[np.datetime64]) -> NDArray[np.float32]:
        """Values at these valid times, `(features, timestep, lat, lon)`."""
        out = np.empty((len(self.names), times.size, *self._shape), dtype=np.float32)
        self.fill(times, out)
        return out

    def fill(self, times: NDArray[np.datetime64], out: NDArray[np.float32]) -> None:
        """Computes what `compute` gives into `out`, `(name, timestep, lat, lon)`."""
        days = day_of_year(times)
        row = 0
        for group in self.groups:
            if group == "toa_radiation":
                for column, time in enumerate(times):
                    out[row, column] = self._radiation(time)
                row += 1
                continue
            angle = 2 * np.pi * (days % 1.0 if group == "hour" else days / DAYS_PER_YEAR)
            out[row], out[row + 1] = np.sin(angle)[:, None, None], np.cos(angle)[:, None, None]
            row += 2

    def _radiation(self, time: np.datetime64) -> NDArray[np.float32]:
        """The plane of one time, `(lat, lon)`; kept, since every epoch asks for the same ones."""
        key = int(time.astype("datetime64[s]").astype("int64"))
        radiation = self._kept.get(key)
        if radiation is None:
            radiation = toa_radiation(self._ends(time.reshape(1)), self._rows, self._columns, self.step)[0]
            if len(self._kept) * radiation.nbytes >= _KEPT_BYTES:
                self._kept.clear()
            self._kept[key] = radiation
        return radiation

    def _ends(self, times: NDArray[np.datetime64]) -> NDArray[np.datetime64]:
        """When the steps end that the radiation is a mean of: at the times, but a month's time is its beginning."""
        return later(times, 1, self.step) if num_months(self.step) else times

    def stats(self, times: NDArray[np.datetime64]) -> Stats:
        """Statistics: radiation over (at most 512 of) these times; sin and cos stay as they are (mean 0, std 1)."""
        table = {n: {"mean": 0.0, "std": 1.0, "min": -1.0, "max": 1.0, "count": float(times.size)} for n in self.names}
        if "toa_radiation" in self.names and times.size:
            chosen = times[np.unique(np.linspace(0, times.size - 1, 512).astype(int))]
            parts = [
                moments(toa_radiation(self._ends(chosen[i : i + 8]), self._rows, self._columns, self.step))
                for i in range(0, chosen.size, 8)
            ]
            merged = merge_moments(np.concatenate(parts))
            table["toa_radiation"] = dict(Stats.from_moments(["toa_radiation"], merged[None])["toa_radiation"])
        return Stats(table)

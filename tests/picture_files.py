"""Reference pictures: one of every kind of chart, made of closed forms, and how another is held against them.

python -m tests.picture_files        # writes them anew; look at them before they are committed
"""

import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import xarray as xr
from PIL import Image

from py4cast.workflows.charts.run import chart
from py4cast.workflows.plot import plot

FOLDER = Path(__file__).parent / "pictures"
_SHARE = 3  # pixels of one that is compared


def forecast(shift: float = 0.0, members: int = 5) -> xr.Dataset:
    """A low that travels eastward over Europe: pressure, temperature, wind and rain, and levels above, of some members."""
    lat, lon = np.linspace(60, 40, 41), np.linspace(-15, 25, 61)
    leads = np.arange(0, 49, 6)
    hour, member = np.meshgrid(leads, np.arange(members), indexing="ij")
    east = lon - (-8 + 0.5 * hour + 0.8 * (member - 2) * hour / 48 + shift)[..., None, None]
    north = lat[:, None] - (50 + 0.3 * (member - 2) * hour / 48)[..., None, None]
    bell = np.exp(-((east / 8) ** 2 + (north / 5) ** 2))
    fields = {
        "msl": (101500 - 3500 * bell, "Pa", "air_pressure_at_mean_sea_level"),
        "t2m": (288 - 0.6 * (lat[:, None] - 50) + 4 * bell + 0 * east, "K", "air_temperature"),
        "u10": (-18 * bell * north / 5 + 4, "m s-1", "eastward_wind"),
        "v10": (18 * bell * east / 8, "m s-1", "northward_wind"),
        "tp": (12 * np.maximum(bell - 0.4, 0), "kg m-2", "precipitation_amount"),
    }
    dims = ("init_time", "lead_time", "member", "latitude", "longitude")
    data = {
        n: (dims, v[None].astype("f4"), {"units": u, "standard_name": s, "GRIB_typeOfLevel": "heightAboveGround"} if n in ("u10", "v10") else {"units": u, "standard_name": s})
        for n, (v, u, s) in fields.items()
    }  # fmt: skip
    levels = np.array([300.0, 500, 700, 850, 1000])
    column = 288 * (levels / 1000) ** 0.19
    warmth = (column[None, :, None, None] + 3 * bell[:, :1] * (levels / 1000)[None, :, None, None])[None]
    data["t"] = (("init_time", "lead_time", "level", "latitude", "longitude"), warmth.astype("f4"), {"units": "K", "standard_name": "air_temperature"})  # fmt: skip
    coords = {
        "init_time": ("init_time", np.array(["2020-01-01T00"], dtype="datetime64[ns]"), {"standard_name": "forecast_reference_time"}),
        "lead_time": ("lead_time", leads.astype("timedelta64[h]").astype("timedelta64[ns]"), {"standard_name": "forecast_period"}),
        "member": ("member", np.arange(members), {"standard_name": "realization"}),
        "level": ("level", levels, {"units": "hPa", "standard_name": "air_pressure"}),
        "latitude": ("latitude", lat, {"units": "degrees_north"}), "longitude": ("longitude", lon, {"units": "degrees_east"}),
    }  # fmt: skip
    return xr.Dataset(data, coords)


def written(folder: Path, shift: float = 0.0, names: tuple[str, ...] = ("msl", "t2m", "u10", "v10", "tp")) -> str:
    """The forecast as a file; of the levels alone where these are asked for."""
    path = folder / f"{'_'.join(names)}{shift:g}.nc"
    forecast(shift)[list(names)].to_netcdf(path)
    return str(path)


KINDS: dict[str, Callable[[Path, Path], Path]] = {
    "map": lambda folder, out: plot([written(folder)], out, ["t2m", "tp"], lead_times=["12h", "36h"]),
    "streamlines": lambda folder, out: plot([written(folder)], out, ["msl"], lead_times=["24h"], wind_style="streamlines"),
    "difference": lambda folder, out: plot([written(folder)], out, ["msl"], lead_times=["24h"], wind="none", against=[written(folder, 2.0)]),
    "hovmoller": lambda folder, out: chart("hovmoller", [written(folder)], out, ["msl", "t2m"]),
    "meteogram": lambda folder, out: chart("meteogram", [written(folder)], out, ["t2m", "msl", "tp"], at="50,5"),
    "profile": lambda folder, out: chart("profile", [written(folder, names=("t",))], out, at="50,5"),
}  # fmt: skip


def distance(first: Path, second: Path) -> float:
    """The mean difference of two pictures in grey of 0 to 255, letters smoothed away; infinite where their sizes differ."""
    with Image.open(first) as a, Image.open(second) as b:
        if a.size != b.size:
            return float("inf")
        size = a.size[0] // _SHARE, a.size[1] // _SHARE
        grey = [np.asarray(p.convert("RGB").resize(size, Image.Resampling.BOX), dtype=np.float64) for p in (a, b)]
    return float(np.abs(grey[0] - grey[1]).mean())


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        for name, draw in KINDS.items():
            path = draw(Path(folder), FOLDER / f"{name}.png")
            with Image.open(path) as picture:
                picture.convert("RGB").quantize(256, dither=Image.Dither.NONE).save(path, optimize=True)
            sys.stdout.write(f"{path}\n")


if __name__ == "__main__":
    main()

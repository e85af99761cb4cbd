"""Files of forecasts, analyses and stations for tests, whose scores are known."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from py4cast.formats import Fields, writer_for
from py4cast.grid import Grid
from py4cast.variables import Variable

HOUR = np.timedelta64(3600, "s")
START = np.datetime64("2020-01-01T00", "s")
LATITUDE, LONGITUDE = np.linspace(56.0, 50.5, 12), np.linspace(-6.0, 1.5, 16)
LEADS = np.arange(1, 4) * 6 * HOUR
STARTS = START + np.arange(10) * 12 * HOUR
TIMES = START + np.arange(30) * 6 * HOUR
BIAS = {"t2m": (0.5, 1.0, 2.0), "u10": (0.0, 1.0, 2.0), "v10": (1.0, 1.0, 1.0)}
UNITS = {"t2m": "K", "u10": "m s-1", "v10": "m s-1"}
STANDARD = {"t2m": "air_temperature", "u10": "eastward_wind", "v10": "northward_wind"}
MEAN = {"t2m": 280.0, "u10": 3.0, "v10": -2.0}


def truth_of(name: str) -> np.ndarray:
    """Smooth fields `(time, lat, lon)`, linear in place, so that interpolation to points is exact."""
    t = np.arange(TIMES.size)[:, None, None]
    place = 0.4 * (LATITUDE[:, None] - 53) - 0.3 * (LONGITUDE[None, :] + 2)
    return (MEAN[name] + 3 * np.sin(0.7 * t + len(name)) + place).astype(np.float32)


def forecast_of(name: str) -> np.ndarray:
    """The truth and a bias of each lead time, `(init_time, lead_time, lat, lon)`."""
    truth = truth_of(name)
    places = (STARTS[:, None] + LEADS[None, :] - START) / (6 * HOUR)
    return truth[places.astype(int)] + np.array(BIAS[name], dtype=np.float32)[None, :, None, None]


def _attrs(name: str, units: str | None = None) -> dict[str, str]:
    return {"units": units or UNITS[name], "standard_name": STANDARD[name]}


def _coords() -> dict[str, Any]:
    return {
        "latitude": ("latitude", LATITUDE, {"units": "degrees_north", "standard_name": "latitude"}),
        "longitude": ("longitude", LONGITUDE, {"units": "degrees_east", "standard_name": "longitude"}),
    }


def analyses(**changes: Any) -> xr.Dataset:
    """The truth as a dataset."""
    dims = ("time", "latitude", "longitude")
    data = {n: (dims, truth_of(n), _attrs(n)) for n in BIAS}
    found = xr.Dataset(data, {**_coords(), "time": TIMES.astype("datetime64[ns]")})
    return found.assign_coords(**changes)


def forecasts() -> xr.Dataset:
    """The forecasts as a dataset."""
    dims = ("init_time", "lead_time", "latitude", "longitude")
    coords = {**_coords(), "init_time": STARTS.astype("datetime64[ns]"), "lead_time": LEADS.astype("timedelta64[ns]")}
    return xr.Dataset({n: (dims, forecast_of(n), _attrs(n)) for n in BIAS}, coords)


def write(folder: Path, name: str, data: xr.Dataset) -> str:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    if name.endswith(".zarr"):
        data.to_zarr(path, zarr_format=3, consolidated=False)
    else:
        # one of before may still be open here, which HDF5 does not write to
        path.unlink(missing_ok=True)
        data.to_netcdf(path, engine="netcdf4")
    return str(path)


def write_each(folder: Path, suffix: str) -> str:
    """A file per forecast, as py4cast forecast writes them; the pattern that finds them."""
    grid = Grid(LATITUDE, LONGITUDE)
    short = {"t2m": ("2t", 2.0), "u10": ("10u", 10.0), "v10": ("10v", 10.0)}
    variables = [
        Variable(
            name=n, short_name=short[n][0], units=UNITS[n], standard_name=STANDARD[n], level=short[n][1],
            type_of_level="heightAboveGround",
        )
        for n in BIAS
    ]  # fmt: skip
    values = np.stack([forecast_of(n) for n in BIAS], -1)
    folder.mkdir(parents=True, exist_ok=True)
    for i, start in enumerate(STARTS):
        path = folder / f"{str(start)[:13]}{suffix}"
        writer_for(path).write(path, Fields(values[i], variables, grid, start, list(LEADS)))
    return str(folder / f"*{suffix}")


STATIONS = pd.DataFrame(
    {
        "station": ["a", "b", "far"],
        "latitude": [52.25, 54.6, 10.0],
        "longitude": [-1.1, -4.3, 0.0],
        "elevation": [100.0, 300.0, 0.0],
    }
)


def stations() -> pd.DataFrame:
    """Observations that are the truth at their places."""
    rows = []
    for i, time in enumerate(TIMES):
        for _, s in STATIONS.iterrows():
            place = 0.4 * (s.latitude - 53) - 0.3 * (s.longitude + 2)
            values = {n: MEAN[n] + 3 * np.sin(0.7 * i + len(n)) + place for n in BIAS}
            rows.append({**s.to_dict(), "time": pd.Timestamp(time.astype("datetime64[ns]")), **values})
    return pd.DataFrame(rows).rename(columns={n: f"{n} [{UNITS[n]}]" for n in BIAS})

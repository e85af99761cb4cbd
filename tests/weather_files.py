"""Small weather files for tests: what a service would send, and ways to spoil it."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

HOUR = np.timedelta64(3600, "s")
START = np.datetime64("2020-01-01T00", "s")


def wave_fields(num_times: int = 48, shape: tuple[int, int] = (12, 16), seed: int = 0) -> np.ndarray:
    """Smooth fields around 280 K, `(time, lat, lon)`."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0 : shape[0], 0 : shape[1]]
    t = np.arange(num_times)[:, None, None]
    field = 280 + 5 * np.sin(0.4 * x - 0.2 * t + 0.3 * y) + 2 * np.cos(0.7 * y - 0.1 * t)
    return (field + 0.01 * rng.standard_normal((num_times, *shape))).astype(np.float32)


def write_netcdf(
    path: Path,
    fields: dict[str, np.ndarray],
    start: np.datetime64 = START,
    step: np.timedelta64 = HOUR,
    units: dict[str, str] | None = None,
    south: float = 45.0,
) -> Path:
    shape = next(iter(fields.values())).shape
    times = start + np.arange(shape[0]) * step
    coords = {
        "time": ("time", times.astype("datetime64[ns]")),
        "lat": ("lat", south + 0.5 * np.arange(shape[1])[::-1], {"units": "degrees_north"}),
        "lon": ("lon", -4.0 + 0.5 * np.arange(shape[2]), {"units": "degrees_east"}),
    }
    data = {
        name: (("time", "lat", "lon"), values, {"units": (units or {}).get(name, "K")})
        for name, values in fields.items()
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    xr.Dataset(data, coords).to_netcdf(path, engine="netcdf4")
    return path


def write_json(path: Path, document: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document))
    return path


def describe(folder: Path, **changes: Any) -> dict[str, Any]:
    """The JSON of a dataset on `folder/*.nc` with one variable `t`, 48 hours from 2020-01-01."""
    document: dict[str, Any] = {
        "name": "made",
        "root": str(folder),
        "files": ["*.nc"],
        "step": "1h",
        "variables": {"t": {"role": "prognostic", "units": "K"}},
        "periods": {
            "train": {"start": "2020-01-01T00", "end": "2020-01-01T23"},
            "valid": {"start": "2020-01-02T00", "end": "2020-01-02T11"},
            "test": {"start": "2020-01-02T12", "end": "2020-01-02T23"},
        },
        "grid": {"border_size": 1},
        "forcings": ["hour"],
    }
    return {**document, **changes}

"""The same scores of the same files with the package `scores`, as its user would write them: a variable at a time.

Prints one JSON line: seconds, and memory above that of the imports. Called by benchmarks/verify.py.
"""

import json
import operator
import sys
import time
import warnings

import numpy as np
import xarray as xr
from scores.categorical import ThresholdEventOperator
from scores.continuous import mae, mean_error, mse
from scores.functions import create_latitude_weights
from scores.processing import aggregate
from scores.spatial import fss_2d

REDUCE = ["init_time", "latitude", "longitude"]
RAIN, WIND, WINDOWS = (0.1, 1.0, 5.0), (5.0, 10.0, 15.0), (3, 9, 27)
TABLE = (
    "probability_of_detection", "false_alarm_ratio", "threat_score", "equitable_threat_score", "frequency_bias",
)  # fmt: skip


def at_valid(data: xr.DataArray, forecast: xr.Dataset) -> xr.DataArray:
    valid = forecast.init_time + forecast.lead_time
    if "hour" in data.dims:
        return data.sel(hour=valid.dt.hour, drop=True).drop_vars("hour", errors="ignore")
    return data.sel(time=valid).drop_vars("time")


def moments(fc: xr.DataArray, obs: xr.DataArray, normal: xr.DataArray, weights: xr.DataArray) -> dict[str, np.ndarray]:
    keep = {"reduce_dims": REDUCE, "weights": weights}
    p, t = fc - normal, obs - normal
    pt, pp, tt, mp, mt = (aggregate(x, **keep) for x in (p * t, p * p, t * t, p, t))
    return {
        "bias": mean_error(fc, obs, **keep).values, "mae": mae(fc, obs, **keep).values,
        "rmse": np.sqrt(mse(fc, obs, **keep)).values, "acc": (pt / np.sqrt(pp * tt)).values,
        "activity": np.sqrt((pp - mp**2) / (tt - mt**2)).values,
    }  # fmt: skip


def events(fc: xr.DataArray, obs: xr.DataArray, thresholds: tuple[float, ...]) -> np.ndarray:
    """(score, threshold, lead_time)."""
    event = ThresholdEventOperator(default_op_fn=operator.ge)
    tables = [
        event.make_contingency_manager(fc, obs, event_threshold=x).transform(preserve_dims="lead_time")
        for x in thresholds
    ]
    return np.array([[getattr(table, name)().values for table in tables] for name in TABLE])


def main() -> None:
    folder, output = sys.argv[1:3]
    warnings.filterwarnings("ignore", message="invalid value encountered")
    xr.open_dataset(f"{folder}/normals.nc").close()  # imports what opening a file does
    print("ready", flush=True)
    wall, cpu = time.perf_counter(), time.process_time()
    forecast, truth, normal = (
        xr.open_dataset(f"{folder}/{n}.nc", decode_timedelta=True) for n in ("forecasts", "analyses", "normals")
    )
    weights = create_latitude_weights(forecast.latitude.astype(np.float64))
    found: dict[str, np.ndarray] = {}
    names = [str(n) for n in forecast.data_vars]
    each = []
    for name in names:
        # .compute() leaves nothing behind in the dataset
        pair = (forecast[name].compute(), at_valid(truth[name].compute(), forecast))
        each.append(moments(*pair, at_valid(normal[name].compute(), forecast), weights))
    found |= {key: np.stack([m[key] for m in each], -1) for key in each[0]}
    (u, uo), (v, vo), (tp, tpo) = (
        (forecast[n].load(), at_valid(truth[n].load(), forecast)) for n in ("u10", "v10", "tp")
    )
    keep = {"reduce_dims": REDUCE, "weights": weights}
    found["wind_rmse"] = np.sqrt(mse(u, uo, **keep) + mse(v, vo, **keep)).values
    found["wind_events"] = events(np.hypot(u, v), np.hypot(uo, vo), WIND)
    found["rain_events"] = events(tp, tpo, RAIN)
    found["fss"] = np.array(
        [
            [
                fss_2d(
                    tp, tpo, event_threshold=x, window_size=(n, n), spatial_dims=["latitude", "longitude"],
                    preserve_dims=["lead_time"], threshold_operator=np.greater_equal,
                ).values
                for n in WINDOWS
            ]
            for x in RAIN
        ]
    )  # fmt: skip
    report = {"wall_s": time.perf_counter() - wall, "cpu_s": time.process_time() - cpu}
    np.savez(output, **found)
    sys.stdout.write(json.dumps(report) + "\n")


main()

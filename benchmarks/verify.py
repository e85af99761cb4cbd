"""Verification against the package `scores` on the same files, and what all scores add to a validation.

    python benchmarks/verify.py [--only files|validation] [--num_forecasts 100] [--repeats 3]

The files: forecasts every 12 hours, 10 lead times, 20 variables on 128 x 128 cells in one NetCDF file, the analyses, and
normals by hour. Scores: bias, MAE, RMSE, ACC, activity, wind-vector RMSE, POD, FAR, CSI, ETS and frequency bias of three
thresholds of rain and of wind speed, FSS of rain at three thresholds and three scales; both sides' results are compared.
Imports are not counted; memory is the peak above what the imports take, of all processes that a side starts: the sum of
their shares of memory (PSS), read 20 times a second.
"""

import argparse
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from py4cast.process import keep_memory, sleep_while_waiting

sleep_while_waiting()
keep_memory()

import netCDF4
import numpy as np
import scipy.fft
import torch

CELLS, STEP, EVERY, LAST = 128, 6, 12, 60
LEADS = np.arange(STEP, LAST + 1, STEP)
NAMES = [f"t{k:02d}" for k in range(17)] + ["u10", "v10", "tp"]
KINDS = {
    "u10": ("m s-1", "eastward_wind"),
    "v10": ("m s-1", "northward_wind"),
    "tp": ("kg m-2", "precipitation_amount"),
}
METRICS = (
    "bias", "mae", "rmse", "acc", "activity", "wind_rmse", "pod", "far", "csi", "ets", "frequency_bias", "fss",
)  # fmt: skip


def smooth(rng: np.random.Generator, count: int) -> np.ndarray:
    """Fields `(count, lat, lon)` of about unit variance with a red spectrum."""
    k = np.hypot(np.fft.fftfreq(CELLS, 1 / CELLS)[:, None], np.fft.rfftfreq(CELLS, 1 / CELLS)[None])
    amplitude = ((1.0 + k) ** -2).astype(np.float32)
    amplitude[0, 0] = 0
    noise = rng.standard_normal((count, CELLS, CELLS), dtype=np.float32)
    field = scipy.fft.irfft2(scipy.fft.rfft2(noise) * amplitude, s=(CELLS, CELLS))
    return (field / field.std()).astype(np.float32)


def create(path: Path, dims: dict[str, int], coords: dict[str, tuple[np.ndarray, str]]) -> netCDF4.Dataset:
    file = netCDF4.Dataset(path, "w")
    for name, size in dims.items():
        file.createDimension(name, size)
    for name, (values, units) in coords.items():
        variable = file.createVariable(name, "f8" if "itude" in name else "i4", (name,))
        variable.units = units
        variable[:] = values
    for name in NAMES:
        variable = file.createVariable(name, "f4", tuple(dims), contiguous=True)
        variable.units, variable.standard_name = KINDS.get(name, ("K", "air_temperature"))
    return file


def make_files(folder: Path, count: int) -> None:
    """Forecasts whose error grows with lead time, their truth, and normals by hour."""
    starts = EVERY * np.arange(count)
    times, hours = np.arange(0, starts[-1] + LAST + 1, STEP), np.arange(0, 24, STEP)
    grid = {
        "latitude": (60 - 0.25 * np.arange(CELLS), "degrees_north"), "longitude": (-10 + 0.25 * np.arange(CELLS), "degrees_east")
    }  # fmt: skip
    since, size = "hours since 2024-01-01 00:00:00", {"latitude": CELLS, "longitude": CELLS}
    lead = {"lead_time": (LEADS, "hours")}
    forecast = create(folder / "forecasts.nc", {"init_time": count, "lead_time": len(LEADS), **size}, {"init_time": (starts, since), **lead, **grid})  # fmt: skip
    truth = create(folder / "analyses.nc", {"time": len(times), **size}, {"time": (times, since), **grid})
    normal = create(folder / "normals.nc", {"hour": 4, **size}, {"hour": (hours, "1"), **grid})
    error = (0.1 + 0.7 * LEADS / LAST).astype(np.float32)[:, None, None]
    for number, name in enumerate(NAMES):
        rng = np.random.default_rng([2024, number])
        state = smooth(rng, len(times))
        for k in range(1, len(times)):
            state[k] = 0.9 * state[k - 1] + 0.44 * state[k]
        base = np.float32(285 if name not in KINDS else 1) + 4 * smooth(rng, 1)

        def physical(latent: np.ndarray, base: np.ndarray = base, is_rain: bool = name == "tp") -> np.ndarray:
            return 3 * np.square(np.maximum(latent - 0.5, 0)) if is_rain else base + 4 * latent

        truth[name][:] = physical(state)
        normal[name][:] = np.stack([physical(state)[(times // STEP) % 4 == h].mean(0) for h in range(4)])
        for i, start in enumerate(starts):
            index = (start + LEADS) // STEP
            forecast[name][i] = physical(state[index] + error * smooth(rng, len(LEADS)))
    for file in (forecast, truth, normal):
        file.close()


def used_cpu() -> float:
    """Seconds of this process and of those that it has waited for."""
    return sum(
        u.ru_utime + u.ru_stime for u in map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    )


def memory_of(root: int) -> float:
    """The share of memory of a process and all that it started [MiB]; pages that several use count once."""
    total, left = 0, [root]
    while left:
        process = Path("/proc") / str(left.pop())
        try:
            rollup = (process / "smaps_rollup").read_text()
            total += int(next(line for line in rollup.splitlines() if line.startswith("Pss:")).split()[1])
            for task in (process / "task").iterdir():
                left += map(int, (task / "children").read_text().split())
        except (OSError, StopIteration):
            continue  # it has ended
    return total / 1024


def measured(command: list[str]) -> dict[str, float]:
    """What a side reports, and its memory above that at its line `ready`."""
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None and process.stderr is not None
        is_ready = process.stdout.readline().strip() == "ready"
        before = peak = memory_of(process.pid)
        while process.poll() is None:
            peak = max(peak, memory_of(process.pid))
            time.sleep(0.05)
        if process.returncode or not is_ready:
            raise SystemExit(f"{command[1]}: {process.stderr.read()[-2000:]}")
        return {**json.loads(process.stdout.read().splitlines()[-1]), "memory_mib": peak - before}


def ours(folder: Path, output: Path) -> None:
    """Prints seconds and memory of py4cast as one JSON line."""
    import xarray as xr

    from py4cast.cubes.foreign.cf import CfCube  # noqa: F401
    from py4cast.formats.netcdf import NetcdfReader  # noqa: F401
    from py4cast.metrics import ScoreSettings
    from py4cast.workflows.verify.file_case import VerifyFiles
    from py4cast.workflows.verify.files import verify_files

    for module in ("categorical", "neighbourhood", "anomaly", "deterministic"):
        __import__(f"py4cast.metrics.{module}")
    xr.open_dataset(folder / "normals.nc").close()  # imports what opening a file does
    print("ready", flush=True)
    wall, cpu = time.perf_counter(), used_cpu()
    settings = ScoreSettings(metrics=METRICS, scales=(3, 9, 27), thresholds={"tp": (0.1, 1.0, 5.0)}, num_samples=0)
    asked = VerifyFiles(
        forecast=[str(folder / "forecasts.nc")], truth=[str(folder / "analyses.nc")],
        climatology=str(folder / "normals.nc"), has_normal_systems=False, scores=settings,
    )  # fmt: skip
    scores, case = verify_files(asked, has_maps=False)
    report = {"wall_s": time.perf_counter() - wall, "cpu_s": used_cpu() - cpu}
    found = {m: scores.table(m, "forecast")[:, :20] for m in ("bias", "mae", "rmse", "acc", "activity")}
    found["wind_rmse"] = scores.table("wind_rmse", "forecast")[:, 20]
    found["fss"] = np.moveaxis(scores.table("fss", "forecast")[:, 19], 0, -1)
    np.savez(output, **found)
    case.close()
    sys.stdout.write(json.dumps(report) + "\n")


def against_scores(folder: Path, count: int, repeats: int) -> None:
    make_files(folder, count)
    commands = {
        "scores": [sys.executable, str(HERE / "peers" / "scores_peer.py"), str(folder), str(folder / "peer.npz")],
        "py4cast": [sys.executable, str(HERE / "verify.py"), "--ours", str(folder), str(folder / "ours.npz")],
    }
    found: dict[str, list[dict[str, float]]] = {name: [] for name in commands}
    for _ in range(repeats):
        for name, command in commands.items():
            found[name].append(measured(command))
    mine, theirs = np.load(folder / "ours.npz"), np.load(folder / "peer.npz")
    for key in mine:
        worst = float(np.nanmax(np.abs(mine[key] - theirs[key]) / np.maximum(np.abs(theirs[key]), 1e-3)))
        print(
            f"  {key:<10} differs by at most {worst:.1e} of its value"
            + ("" if key != "fss" else " (ours weights by area)")
        )
    for key, unit in (("wall_s", "s"), ("cpu_s", "s CPU"), ("memory_mib", "MiB")):
        pairs = list(zip(found["py4cast"], found["scores"], strict=True))
        ratio = statistics.median(a[key] / b[key] for a, b in pairs)
        values = [statistics.median(x[key] for x in found[n]) for n in ("py4cast", "scores")]
        print(
            f"{count} forecasts: py4cast {values[0]:.1f} {unit}, scores {values[1]:.1f} {unit}, ratio {ratio:.2f} (1/{1 / ratio:.1f})"
        )


def validation(repeats: int) -> None:
    """What all scores add to a pass of forecasts: halfunet32, 20 variables on 128 x 128 cells, 5 steps, batch 4."""
    from dataclasses import replace

    from py4cast.batch import Statics
    from py4cast.forecaster import Forecaster
    from py4cast.grid import Grid
    from py4cast.losses import registry as losses
    from py4cast.metrics.batches import BatchVerification, SampledVerification
    from py4cast.metrics.climatology import Climatology
    from py4cast.namedtensor import NamedTensor
    from py4cast.statistics import Stats
    from py4cast.testing import make_batch, make_info
    from py4cast.variables import Variable

    base = make_info((CELLS, CELLS), 2)
    variables = [
        Variable(name=n, units=KINDS.get(n, ("K", ""))[0], standard_name=KINDS.get(n, ("", "air_temperature"))[1])
        for n in NAMES
    ]
    stats = {n: {"mean": 0.0, "std": 1.0, "min": -9.0, "max": 9.0, "count": 1.0} for n in NAMES}
    grid = Grid(np.linspace(60, 28.25, CELLS), np.linspace(-10, 21.75, CELLS))
    features = NamedTensor(torch.rand(CELLS, CELLS, 2), ["lat", "lon", "features"], ["x", "y"])
    info = replace(base, variables=variables, stats=Stats(stats), diff_stats=Stats(stats), grid=grid, statics=Statics.build(grid, features, 2))  # fmt: skip
    forecaster = Forecaster.build(info, "halfunet", "scaled_ar", 2, {"num_filters": 32}).eval()
    batch = make_batch(info, 4, 2, 5)
    normal = Climatology(np.timedelta64(3600, "s"), {0: np.zeros((1, CELLS, CELLS, 20), np.float32)}, "")
    sampled, every = SampledVerification(info, normal), BatchVerification(info, normal, has_references=False)
    batches = 8  # two starts of the 32 are scored in full
    starts = np.datetime64("2020-01-01", "s") + np.arange(4 * batches) * np.timedelta64(3600, "s")

    loss, truth = losses.get("mse")(info), batch.outputs
    assert truth is not None

    def forecast() -> NamedTensor:
        """What a validation does at any rate: forecasts, and their loss."""
        found = forecaster.forecast(batch, 5)
        loss(*(forecaster.predictions.standardise_named(x).tensor for x in (found, truth)), None)
        return found

    def plain() -> None:
        for _ in range(batches):
            forecast()

    def with_scores(scored: SampledVerification | BatchVerification) -> None:
        for i in range(batches):
            batch.init_time = starts[4 * i : 4 * i + 4]
            scored.update(batch, forecast().tensor)

    with_scores(sampled)
    seconds = []
    for _ in range(max(3, repeats)):
        times = []
        for run in (plain, lambda: with_scores(sampled), lambda: with_scores(every)):
            began = time.perf_counter()
            run()
            times.append(time.perf_counter() - began)
        seconds.append(times)
    shown = (
        (1, "as in training: RMSE, MAE, bias of all forecasts, all scores of one start in 16"),
        (2, "all scores of all"),
    )
    for i, what in shown:
        ratio = statistics.median(s[i] / s[0] for s in seconds)
        took = statistics.median(s[i] for s in seconds)
        print(
            f"validation of {4 * batches} forecasts, {what}: {took:.2f} s, ratio {ratio:.3f} to forecasts and loss alone"
        )
    print(f"  all scores: {', '.join(m.name for m in every._verification.systems['model'].metrics)}")


def main() -> None:
    if sys.argv[1:2] == ["--ours"]:
        ours(Path(sys.argv[2]), Path(sys.argv[3]))
        return
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=("files", "validation"))
    parser.add_argument("--num_forecasts", type=int, default=100)
    parser.add_argument("--repeats", type=int, default=3)
    asked = parser.parse_args()
    if asked.only != "validation":
        with tempfile.TemporaryDirectory() as folder:
            against_scores(Path(folder), asked.num_forecasts, asked.repeats)
    if asked.only != "files":
        validation(asked.repeats)


if __name__ == "__main__":
    main()

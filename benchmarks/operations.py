"""Operations of an exported step: start, steps, memory, GRIB, and the size of the environment.

    python benchmarks/operations.py [--only start|steps|memory|grib|size] [--repeats 5]

halfunet of 32 filters, 20 variables on 128 x 128 cells, two past states. start: `py4cast forecast --model step.onnx` of
one step from a NetCDF file, CPU seconds of the whole process. steps: ONNX Runtime against torch in eager mode, both on
all cores, a rollout of 12 steps in one process. memory: peak of a forecast of 48 steps against one of 4. grib: writing
48 lead times of 20 fields against bare ecCodes calls that encode the same fields with the same keys, both flushed to the
disk.
"""

import argparse
import json
import os
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

import numpy as np

CELLS, STEPS, NUM = 128, 12, 20


def make(folder: Path) -> None:
    """An untrained Forecaster, its step in ONNX, and analyses."""
    from dataclasses import replace

    import torch
    import xarray as xr

    from py4cast.batch import Statics
    from py4cast.forecaster import Forecaster
    from py4cast.grid import Grid
    from py4cast.namedtensor import NamedTensor
    from py4cast.statistics import Stats
    from py4cast.testing import make_info
    from py4cast.variables import Variable
    from py4cast.workflows.export.run import Export, export

    torch.manual_seed(0)
    levels = [1000 - 50 * k for k in range(NUM)]
    variables = [
        Variable(name=f"t_{p}_isobaricInhPa", short_name="t", units="K", level=p, type_of_level="isobaricInhPa", standard_name="air_temperature")
        for p in levels
    ]  # fmt: skip
    names = [v.name for v in variables]
    stats = Stats({n: {"mean": 280.0, "std": 5.0, "min": 0.0, "max": 400.0, "count": 9.0} for n in names})
    differences = Stats({n: {"mean": 0.0, "std": 0.1, "min": -1.0, "max": 1.0, "count": 9.0} for n in names})
    grid = Grid(np.linspace(60, 28.25, CELLS), np.linspace(-10, 21.75, CELLS))
    fixed = NamedTensor(torch.rand(CELLS, CELLS, 2), ["lat", "lon", "features"], ["x", "y"])
    info = replace(
        make_info((CELLS, CELLS), 0), variables=variables, stats=stats, diff_stats=differences, grid=grid, statics=Statics.build(grid, fixed, 0)
    )  # fmt: skip
    forecaster = Forecaster.build(info, "halfunet", "scaled_ar", 2, {"num_filters": 32}).eval()
    forecaster.save(folder / "f.safetensors")
    export(Export(forecaster=str(folder / "f.safetensors"), output=str(folder / "step.onnx")))
    rng = np.random.default_rng(0)
    fields = rng.normal(280, 5, (2, NUM, CELLS, CELLS)).astype(np.float32)
    data = xr.Dataset(
        {"t": (("time", "isobaricInhPa", "latitude", "longitude"), fields, {"units": "K", "standard_name": "air_temperature"})},
        {
            "time": np.array(["2024-01-01T00", "2024-01-01T01"], dtype="datetime64[ns]"),
            "isobaricInhPa": ("isobaricInhPa", np.array(levels, dtype=float), {"units": "hPa"}),
            "latitude": ("latitude", grid.latitude, {"units": "degrees_north"}),
            "longitude": ("longitude", grid.longitude, {"units": "degrees_east"}),
        },
    )  # fmt: skip
    data.to_netcdf(folder / "an.nc")


def forecast(folder: Path, num_steps: int, output: str) -> tuple[float, float, float]:
    """CPU and wall seconds and peak memory [MiB] of one forecast by the command line."""
    words = [
        "forecast",
        "--model",
        str(folder / "step.onnx"),
        "--input",
        str(folder / "an.nc"),
        "--num_steps",
        str(num_steps),
    ]
    code = f"import sys; from py4cast.cli import main; sys.exit(main({[*words, '--output', str(folder / output)]!r}))"
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    began = time.perf_counter()
    with subprocess.Popen(
        [sys.executable, "-c", code], cwd=HERE.parent, stderr=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        _, error = process.communicate()
        if process.returncode:
            raise SystemExit(error.decode()[-2000:])
    wall = time.perf_counter() - began
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, wall, peak_of(words, folder / output)


def peak_of(words: list[str], output: Path) -> float:
    """Peak memory of the same command [MiB], in a process that tells it itself."""
    code = (
        "import json, resource, sys; from py4cast.cli import main; "
        f"main({[*words, '--output', str(output)]!r}); print(json.dumps(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=HERE.parent, capture_output=True, text=True, check=True)
    return float(json.loads(done.stdout.splitlines()[-1])) / 1024


def start(folder: Path, repeats: int) -> None:
    forecast(folder, 1, "f.nc")
    found = [forecast(folder, 1, "f.nc") for _ in range(repeats)]
    cpu, wall = (statistics.median(x[i] for x in found) for i in (0, 1))
    print(f"cold start to the first lead time, written: {cpu:.2f} s CPU, {wall:.2f} s (wanted: less than 2 s CPU)")


def memory(folder: Path, repeats: int) -> None:
    found = [
        (forecast(folder, 4, "f.grib2")[2], forecast(folder, 48, "f.grib2")[2]) for _ in range(max(1, repeats // 2))
    ]
    ratio = statistics.median(b / a for a, b in found)
    print(f"peak memory of 48 steps to that of 4: ratio {ratio:.3f} ({found[0][1]:.0f} against {found[0][0]:.0f} MiB)")


def steps(folder: Path, repeats: int) -> None:
    import torch

    from py4cast.steppers import StepGiven
    from py4cast.steppers.eager import EagerStepper
    from py4cast.steppers.onnx import OnnxStepper

    torch.set_num_threads(len(os.sched_getaffinity(0)))
    states = np.random.default_rng(0).normal(280, 5, (1, 2, CELLS, CELLS, NUM)).astype(np.float32)
    steppers = {
        "torch": EagerStepper(folder / "f.safetensors", "cpu"),
        "ONNX Runtime": OnnxStepper(folder / "step.onnx"),
    }
    given, found = [StepGiven()] * STEPS, []
    for number in range(repeats + 1):
        times = {}
        for name, stepper in steppers.items():
            began = time.perf_counter()
            for _ in stepper.rollout(states, given):
                pass
            times[name] = (time.perf_counter() - began) / STEPS
        if number:
            found.append(times)
    ratio = statistics.median(x["ONNX Runtime"] / x["torch"] for x in found)
    shown = ", ".join(f"{n} {1000 * statistics.median(x[n] for x in found):.1f} ms" for n in steppers)
    print(f"a step: {shown}, ratio {ratio:.2f} (wanted: at most 0.8)")


def grib(folder: Path, repeats: int) -> None:
    import eccodes

    from py4cast.formats import Heading, writer_for
    from py4cast.steppers.onnx import OnnxStepper

    info = OnnxStepper(folder / "step.onnx").info
    values = np.random.default_rng(0).normal(280, 5, (*info.grid.shape, NUM)).astype(np.float32)
    hour = np.timedelta64(3600, "s")
    leads = [hour * (i + 1) for i in range(48)]
    heading = Heading(info.predicted, info.grid, np.datetime64("2024-01-01T01", "s"), leads)
    template = folder / "one.grib2"
    writer_for(template).write(template, _fields(heading, values[None]))

    def bare() -> None:
        """The same messages: each variable's header copied from the template, step and values set."""
        with template.open("rb") as stream:
            handles = [eccodes.codes_grib_new_from_file(stream) for _ in range(NUM)]
        with (folder / "bare.grib2").open("wb") as stream:
            for step in range(48):
                for index, handle in enumerate(handles):
                    eccodes.codes_set(handle, "step", step + 1)
                    eccodes.codes_set_values(handle, values[..., index].astype(np.float64).ravel())
                    eccodes.codes_write(handle, stream)
            stream.flush()
            os.fsync(stream.fileno())
        for handle in handles:
            eccodes.codes_release(handle)

    def ours() -> None:
        with writer_for(template).open(folder / "ours.grib2", heading) as put:
            for _ in leads:
                put(values)

    found = []
    for number in range(repeats + 1):
        times = []
        for run in (bare, ours):
            began = time.perf_counter()
            run()
            times.append(time.perf_counter() - began)
        if number:
            found.append(times)
    speed = statistics.median(a / b for a, b in found)
    fields = NUM * len(leads)
    print(f"GRIB: {fields / found[0][1]:.0f} fields/s, {speed:.2f} of the speed of bare ecCodes (wanted: at least 0.8)")


def _fields(heading: object, values: np.ndarray) -> object:
    from py4cast.formats import Fields

    return Fields(values, heading.variables, heading.grid, heading.init_time, heading.lead_times[:1])


def size() -> None:
    """What lies on the disk of the packages of constraints-runtime.txt, and of all that are installed."""
    import importlib.metadata

    def megabytes(name: str) -> float:
        files = importlib.metadata.files(name) or []
        return sum(f.locate().stat().st_size for f in files if f.locate().is_file() and f.suffix != ".pyc") / 1e6

    pins = [x.split("==")[0] for x in (HERE.parent / "constraints-runtime.txt").read_text().splitlines() if "==" in x]
    needed = ["torch", "pytorch-lightning", "torchmetrics", "safetensors", "zarr", "scipy", "matplotlib", "tensorboard"]
    few, more = (sum(map(megabytes, names)) for names in (pins, needed))
    print(
        f"minimal environment: {few:.0f} MB in {len(pins)} packages; with torch and the rest of a training {few + more:.0f} MB"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=("start", "steps", "memory", "grib", "size"))
    parser.add_argument("--repeats", type=int, default=5)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make(folder)
        for what, run in (("start", start), ("memory", memory), ("steps", steps), ("grib", grib)):
            if asked.only in (None, what):
                run(folder, asked.repeats)
    if asked.only in (None, "size"):
        size()


if __name__ == "__main__":
    main()

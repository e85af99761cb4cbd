"""Preparing a store against what only decodes the same files, and what decodes and writes them: wall time of two processes, in turns, medians of ratios.

    python benchmarks/preparing.py [--rounds 3] [--only grid_simple]

Ten fields of 256 x 256 cells an instant, smooth, of 16 bits. GRIB files hold four instants (CCSDS, simple packing, JPEG 2000) and ecCodes decodes
them; NetCDF files hold one instant, or all of them, as floats that zlib compresses, and netCDF4 reads them. Peers write float32 plainly and do not
wait for the disk, as ours does. Little is loaded here, so that processes begin as those of the command line do.
"""

import argparse
import json
import os
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from py4cast.process import keep_memory, quiet_frames, sleep_while_waiting

sleep_while_waiting()
quiet_frames()
keep_memory()

import numpy as np

SIZE, STEP = 256, np.timedelta64(6, "h").astype("timedelta64[s]")
START = np.datetime64("2020-01-01T00", "s")
KINDS = {"t": ("K", 280.0, 5.0), "u": ("m s-1", 0.0, 5.0), "v": ("m s-1", 0.0, 5.0), "q": ("kg kg-1", 0.005, 1e-3), "z": ("m2 s-2", 15e3, 500.0)}  # fmt: skip
FEATURES = [(name, level) for name in KINDS for level in (500, 850)]
# instants of each case: whole blocks for both processes
CASES = {"grid_ccsds": 1016, "grid_simple": 1016, "grid_jpeg": 508, "netcdf_each": 508, "netcdf_one": 508}


def field(smooth: np.ndarray, feature: int, time_index: int) -> np.ndarray:
    """A smooth field that wanders to the east."""
    _, mean, size = KINDS[FEATURES[feature][0]]
    return np.asarray(mean + size * np.roll(smooth[feature % len(smooth)], time_index, 1), dtype=np.float32)


def write_grib(path: Path, day: int, smooth: np.ndarray, packing: str) -> None:
    """Four instants of all fields, 16 bits, packed as asked."""
    import eccodes

    from py4cast.formats import Fields, writer_for
    from py4cast.grid import Grid
    from py4cast.variables import Variable

    grid = Grid(60 - 0.025 * np.arange(SIZE), -5 + 0.025 * np.arange(SIZE))
    variables = [
        Variable(name=f"{n}{p}", short_name=n, units=KINDS[n][0], level=p, type_of_level="isobaricInhPa")
        for n, p in FEATURES
    ]
    planes = [[field(smooth, i, day * 4 + s) for i in range(len(FEATURES))] for s in range(4)]
    draft = path.with_suffix(".grib2")
    fields = Fields(
        np.moveaxis(np.array(planes), 1, -1), variables, grid, START + day * 4 * STEP, [i * STEP for i in range(4)]
    )
    writer_for(draft).write(draft, fields)
    with draft.open("rb") as read, path.open("wb") as write:
        while (handle := eccodes.codes_grib_new_from_file(read)) is not None:
            values = eccodes.codes_get_values(handle)
            eccodes.codes_set(handle, "bitsPerValue", 16)
            eccodes.codes_set(handle, "packingType", packing)
            eccodes.codes_set_values(handle, values)
            eccodes.codes_write(handle, write)
            eccodes.codes_release(handle)
    draft.unlink()


def write_netcdf(path: Path, instants: range, smooth: np.ndarray) -> None:
    """These instants of all fields, rounded to 2⁻¹⁶ of their range and compressed by zlib."""
    import netCDF4

    with netCDF4.Dataset(path, "w") as file:
        latitude, longitude = 60 - 0.025 * np.arange(SIZE), -5 + 0.025 * np.arange(SIZE)
        axes = {
            "time": (instants.start * 6 + 6 * np.arange(len(instants)), f"hours since {str(START).replace('T', ' ')}"),
            "latitude": (latitude, "degrees_north"), "longitude": (longitude, "degrees_east"),
        }  # fmt: skip
        for name, (values, units) in axes.items():
            file.createDimension(name, len(values))
            file.createVariable(name, "f8", (name,)).setncatts({"standard_name": name, "units": units})
            file[name][:] = values
        for i, (name, level) in enumerate(FEATURES):
            units, mean, size = KINDS[name]
            made = file.createVariable(f"{name}{level}", "f4", tuple(axes), zlib=True, complevel=4, chunksizes=(1, SIZE, SIZE))  # fmt: skip
            made.units = units
            for row, instant in enumerate(instants):
                made[row] = mean + np.round((field(smooth, i, instant) - mean) / size * 2**15) * size / 2**15


def planes_of(path: str) -> Iterable[np.ndarray]:
    """Every field of a file, as its own library decodes it."""
    if path.endswith(".nc"):
        import netCDF4

        with netCDF4.Dataset(path) as file:
            file.set_auto_mask(False)
            for name, level in FEATURES:
                variable = file[f"{name}{level}"]
                yield from (variable[i] for i in range(len(variable)))
        return
    import eccodes

    with open(path, "rb") as stream:  # noqa: PTH123
        while (handle := eccodes.codes_grib_new_from_file(stream)) is not None:
            yield eccodes.codes_get_values(handle)
            eccodes.codes_release(handle)


def decode(paths: tuple[str, str]) -> int:
    """The library alone: every field of a file."""
    return sum(1 for _ in planes_of(paths[0]))


def decode_and_write(paths: tuple[str, str]) -> int:
    """The same, and its float32 written plainly."""
    with open(paths[1], "wb") as out:  # noqa: PTH123
        return sum(1 for plane in planes_of(paths[0]) if plane.astype(np.float32).tofile(out) is None)


def make(source: Path, case: str) -> None:
    """The files of a case."""
    rng = np.random.default_rng(0)
    smooth = np.cumsum(np.cumsum(rng.standard_normal((8, SIZE, SIZE)), axis=1), axis=2)
    smooth = smooth / np.abs(smooth).max() + 0.002 * rng.standard_normal(smooth.shape)
    source.mkdir()
    count = CASES[case]
    if case == "netcdf_one":
        write_netcdf(source / "all.nc", range(count), smooth)
    elif case == "netcdf_each":
        for i in range(count):
            write_netcdf(source / f"{i:04}.nc", range(i, i + 1), smooth)
    else:
        for day in range(count // 4):
            write_grib(source / f"{day:04}.grib", day, smooth, case)


def description(source: Path, store: Path, case: str) -> Path:
    """The JSON file of a store of these files."""
    variables: dict[str, Any] = {s: {"levels": [500, 850], "type_of_level": "isobaricInhPa"} for s in KINDS}
    if case.startswith("netcdf"):
        variables = {f"{name}{level}": {} for name, level in FEATURES}
    end = START + (CASES[case] - 1) * STEP
    document = {
        "name": "bench", "root": str(source), "files": ["*"], "step": "6h", "variables": variables, "store": str(store),
        "periods": {s: {"start": str(START), "end": str(end)} for s in ("train", "valid", "test")},
    }  # fmt: skip
    path = store.with_suffix(".json")
    path.write_text(json.dumps(document))
    return path


def timed(work: Callable[[], Any]) -> float:
    """Seconds of some work."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def measure(folder: Path, case: str, rounds: int) -> None:
    """A case in turns with its peers."""
    from py4cast.progress import WorkClock
    from py4cast.workflows.prepare import prepare

    source, plain = folder / case, folder / "plain"
    make(source, case)
    jobs = [(str(p), str(plain / p.name)) for p in sorted(source.iterdir())]
    if len(jobs) == 1:
        print(f"{case}: one file, so that the peers have one process and ours two")
    pairs: dict[str, list[tuple[float, float]]] = {}
    with ProcessPoolExecutor(2) as pool:
        list(pool.map(decode, jobs[:2]))
        for turn in range(rounds):
            bare = timed(lambda: list(pool.map(decode, jobs)))
            plain.mkdir()
            written = timed(lambda: list(pool.map(decode_and_write, jobs)))
            shutil.rmtree(plain)
            for kind in ("float32", "uint16"):
                store, clock = folder / f"{case}{turn}{kind}", WorkClock()
                asked = {"overrides": [f"store_type={kind}"], "num_workers": 2, "clock": clock}
                path = description(source, store, case)
                ours = timed(lambda p=path, a=asked: prepare("gridded", p, **a))  # type: ignore[misc]
                told = ", ".join(f"{part} {seconds:.1f}" for part, seconds, _ in clock.table(2))
                print(f"  turn {turn + 1}, {kind}: {told} s", flush=True)
                pairs.setdefault(f"{kind}, of decoding", []).append((bare, ours))
                pairs.setdefault(f"{kind}, of decoding and writing", []).append((written, ours))
                shutil.rmtree(store)
    for name, both in pairs.items():
        theirs, mine = (statistics.median(p[i] for p in both) for i in (0, 1))
        rate = statistics.median(a / b for a, b in both)
        wanted = "0.85" if "writing" in name else "0.6"
        print(f"{case}, {name}: peer {theirs:.2f} s, prepare {mine:.2f} s, {rate:.2f} of its rate (wanted {wanted})", flush=True)  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3, help="turns (default: 3)")
    parser.add_argument("--only", choices=list(CASES), action="append", help="this case; may be given again")
    a = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        os.environ["PY4CAST_ROOTDIR"] = str(Path(name) / "root")
        for case in a.only or CASES:
            measure(Path(name), case, a.rounds)
            shutil.rmtree(Path(name) / case)


if __name__ == "__main__":
    main()

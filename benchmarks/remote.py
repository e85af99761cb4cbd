"""Samples of a Zarr store behind an address, through the cube and by plain zarr and fsspec, turn by turn: medians of paired ratios.

    python -m benchmarks.remote [--rounds 15]

A store of four variables on 121 x 240 cells, a chunk per variable and instant, is served by plain HTTP from another process on
loopback; a sample is three instants of all of them. Ours gives float32 `(timestep, lat, lon, features)` with the grid, units and
times of the store; the other the bare arrays. Opening is timed by itself.
"""

import argparse
import multiprocessing
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
import zarr

from py4cast.cubes.files import open_fields
from tests.loopback import served

NAMES, SHAPE, TIMES, INSTANTS = ("t2m", "u10", "v10", "msl"), (121, 240), 64, 3


def write(folder: Path) -> None:
    """The store, of numbers that compress little."""
    rng = np.random.default_rng(0)
    dims = ("time", "latitude", "longitude")
    data = xr.Dataset(
        {n: (dims, rng.normal(280, 5, (TIMES, *SHAPE)).astype("f4"), {"units": "K"}) for n in NAMES},
        {
            "time": np.datetime64("2020-01-01", "ns") + np.arange(TIMES) * np.timedelta64(6, "h"),
            "latitude": ("latitude", np.linspace(90, -90, SHAPE[0]), {"units": "degrees_north"}),
            "longitude": ("longitude", np.arange(SHAPE[1]) * 1.5, {"units": "degrees_east"}),
        },
    )
    data.to_zarr(folder / "store.zarr", consolidated=True, encoding={n: {"chunks": (1, *SHAPE)} for n in NAMES})


def serve(folder: Path, told: Any) -> None:
    """Serves until the process is ended."""
    with served(folder) as (url, _):
        told.send(url)
        time.sleep(3600)


def seconds(read: Callable[[], Any]) -> float:
    began = time.perf_counter()
    read()
    return time.perf_counter() - began


def say(label: str, pairs: list[tuple[float, float]]) -> None:
    ratios = sorted(ours / theirs for ours, theirs in pairs)
    medians = [1e3 * statistics.median(p[i] for p in pairs) for i in (0, 1)]
    print(f"{label:8s} ours {medians[0]:7.1f} ms  zarr and fsspec {medians[1]:7.1f} ms  ratio {statistics.median(ratios):.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f})")  # fmt: skip


def race(url: str, rounds: int) -> None:
    """Opens and reads by both, in turns of which each begins every other one."""
    cube, group = open_fields([url]), zarr.open_group(url, mode="r")
    out = np.empty((1, INSTANTS, *SHAPE, len(NAMES)), np.float32)
    planes = out.transpose(4, 0, 1, 2, 3)[:, 0]

    def ours(first: int) -> None:
        cube.read(list(NAMES), first, first + INSTANTS, planes)

    def theirs(first: int) -> list[Any]:
        return [group[name][first : first + INSTANTS] for name in NAMES]

    ours(0)
    for place, array in enumerate(theirs(0)):
        np.testing.assert_array_equal(out[0, ..., place], array)
    starts = np.random.default_rng(1).integers(0, TIMES - INSTANTS, rounds)
    pairs, openings = [], []
    for turn, first in enumerate(starts):
        order = [(0, lambda f=first: ours(f)), (1, lambda f=first: theirs(f))][:: 1 if turn % 2 else -1]
        times = {place: seconds(read) for place, read in order}
        pairs.append((times[0], times[1]))
        openings.append((seconds(lambda: open_fields([url])), seconds(lambda: zarr.open_group(url, mode="r"))))
    say("sample", pairs)
    say("opening", openings)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=15, help="pairs of samples (default: 15)")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        write(Path(name))
        here, there = multiprocessing.Pipe()
        server = multiprocessing.get_context("spawn").Process(target=serve, args=(Path(name), there), daemon=True)
        server.start()
        try:
            race(f"{here.recv()}/store.zarr", asked.rounds)
        finally:
            server.kill()


if __name__ == "__main__":
    main()

"""Reading data against named peers and limits, in turns, in one run: CPU seconds, medians of ratios.

    make peers; python benchmarks/data.py [--num_times 400] [--rounds 15]

The data are smooth fields packed to 16 bits as GRIB packs them, 20 variables on 128 x 128 cells. Peers: `anemoi-datasets`
on the same fields (lz4, its default), and a bare `np.memmap` copied into a tensor.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from py4cast.process import keep_memory, sleep_while_waiting

sleep_while_waiting()
keep_memory()

import numpy as np
import torch
import xarray as xr

from py4cast.cubes.source_settings import SourceSettings
from py4cast.cubes.sources import open_source
from py4cast.cubes.store.store import PreparedStore
from py4cast.datasets import DatasetABC, get_datasets
from py4cast.datasets.loader import Loader, LoaderSettings
from py4cast.grid import Grid
from py4cast.workflows.prepare import prepare

ROOT = Path(__file__).resolve().parent.parent
SHAPE, NUM_VARIABLES, STEPS, BATCH = (128, 128), 20, 3, 4
START, STEP = np.datetime64("2020-01-01T00", "s"), np.timedelta64(6, "h").astype("timedelta64[s]")
GRID = Grid(60 - 0.025 * np.arange(SHAPE[0]), -5 + 0.025 * np.arange(SHAPE[1]))
NAMES = [f"v{i:02}" for i in range(NUM_VARIABLES)]


def fields(num_times: int, variable: int) -> np.ndarray:
    """Moving waves with a little noise at the size of the cells, rounded to 2⁻¹⁶ of their range."""
    rng = np.random.default_rng(variable)
    y, x = np.linspace(0, 1, SHAPE[0])[:, None], np.linspace(0, 1, SHAPE[1])[None]
    out = np.empty((num_times, *SHAPE), dtype=np.float32)
    k, turn, phase = rng.uniform(0.5, 20, 24), rng.uniform(0, 2 * np.pi, 24), rng.uniform(0, 2 * np.pi, 24)
    speed, size = rng.normal(0, 0.15, 24) * np.sqrt(k), k**-1.5
    kx, ky = 2 * np.pi * k * np.cos(turn), 2 * np.pi * k * np.sin(turn)
    for t in range(num_times):
        in_y = np.exp(1j * (ky * y + speed * t + phase)) * size
        field = (in_y @ np.exp(1j * kx[:, None] * x)).real + 0.002 * rng.standard_normal(SHAPE)
        low, width = field.min(), np.ptp(field)
        out[t] = 280 + np.round((field - low) / width * 65535) * width / 65535
    return out


def write_netcdf(path: Path, num_times: int) -> None:
    times = START + np.arange(num_times) * STEP
    coords = {
        "time": ("time", times.astype("datetime64[ns]"), {"standard_name": "time"}),
        "latitude": ("latitude", GRID.latitude, {"standard_name": "latitude", "units": "degrees_north"}),
        "longitude": ("longitude", GRID.longitude, {"standard_name": "longitude", "units": "degrees_east"}),
    }
    data = {n: (("time", "latitude", "longitude"), fields(num_times, i), {"units": "1"}) for i, n in enumerate(NAMES)}
    xr.Dataset(data, coords, {"Conventions": "CF-1.8"}).to_netcdf(path)


def description(folder: Path, store: Path, num_times: int, variables: Any) -> Path:
    end = START + (num_times - 1) * STEP
    periods = {s: {"start": str(START), "end": str(end)} for s in ("train", "valid", "test")}
    document = {
        "name": "bench", "root": str(folder), "files": ["*"], "step": "6h", "variables": variables,
        "periods": periods, "store": str(store),
    }  # fmt: skip
    path = store.with_suffix(".json")
    path.write_text(json.dumps(document))
    return path


class Peer:
    """The Anemoi dataset, in a process of its own."""

    def __init__(self, folder: Path, num_times: int) -> None:
        peers = ROOT / ".peers" / "anemoi"
        if not peers.is_dir():
            raise SystemExit("the peer is not installed: make peers")
        self.env = {**os.environ, "PYTHONPATH": str(peers), "PYTHONWARNINGS": "ignore", "OMP_NUM_THREADS": "1"}
        store, recipe = folder / "anemoi.zarr", folder / "recipe.yaml"
        end = START + (num_times - 1) * STEP
        recipe.write_text(
            f"description: benchmark\ndates: {{start: {START}, end: {end}, frequency: 6h}}\n"
            f"input: {{netcdf: {{path: {folder / 'nc' / 'all.nc'}, param: [{', '.join(NAMES)}]}}}}\n"
        )
        words = [sys.executable, "-m", "anemoi.datasets", "create", str(recipe), str(store)]
        subprocess.run(words, env=self.env, check=True, capture_output=True)
        script = str(ROOT / "benchmarks" / "peers" / "anemoi_peer.py")
        self.process = subprocess.Popen(
            [sys.executable, script, str(store)], env=self.env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self._answer()

    def _answer(self) -> dict[str, float]:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit("the peer has ended")
        return dict(json.loads(line))

    def seconds(self, case: str, count: int, seed: int) -> float:
        assert self.process.stdin is not None
        self.process.stdin.write(f"{case} {count} {seed}\n")
        self.process.stdin.flush()
        return self._answer()["seconds"]


def cpu(read: Callable[[int], Any], last: int, count: int, seed: int) -> float:
    """CPU seconds per call on random starts."""
    indices = np.random.default_rng(seed).integers(0, last, count).tolist()
    began = time.process_time()
    for i in indices:
        read(i)
    return (time.process_time() - began) / count


def say(case: str, peer: str, pairs: list[tuple[float, float]], wanted: str, unit: str = "ms") -> None:
    ours, theirs = (statistics.median(p[i] for p in pairs) for i in (0, 1))
    ratio = statistics.median(a / b for a, b in pairs)
    print(
        f"{case:<58} {1e3 * ours:8.3f} {unit}  {peer:<28} {1e3 * theirs:8.3f} {unit}  ratio {ratio:6.3f}  wanted {wanted}",
        flush=True,
    )


def reading(folder: Path, store: PreparedStore, peer: Peer, num_times: int, rounds: int) -> None:
    """Random samples of three instants, warm, one process."""
    flat = np.lib.format.open_memmap(
        folder / "all.npy", mode="w+", dtype="<f4", shape=(num_times, NUM_VARIABLES, *SHAPE)
    )
    for i in range(num_times):
        store.read(NAMES, i, i + 1, flat[i].reshape(NUM_VARIABLES, 1, *SHAPE))
    flat.flush()
    mapped, half = np.load(folder / "all.npy", mmap_mode="r"), NAMES[: NUM_VARIABLES // 2]
    rows, columns = (slice(n // 4, n // 4 + n // 2) for n in SHAPE)
    window = open_source(SourceSettings.from_dict({"store": str(store.path), "select": half, "subgrid": [rows.start, rows.stop, columns.start, columns.stop]}))  # fmt: skip
    window.read(half, 0, 3, np.empty((len(half), 3, 64, 64), dtype=np.float32))
    for i in range(num_times):
        window.read(half, i, i + 1, np.empty((len(half), 1, 64, 64), dtype=np.float32))

    def own(names: list[str], source: Any, shape: tuple[int, int]) -> Callable[[int], Any]:
        def read(i: int) -> torch.Tensor:
            out = torch.empty((len(names), STEPS, *shape))
            source.read(names, i, i + STEPS, out.numpy())
            return out

        return read

    cases: dict[str, tuple[Callable[[int], Any], Callable[[int], Any]]] = {
        "all": (own(NAMES, store, SHAPE), lambda i: torch.from_numpy(mapped[i : i + STEPS].copy())),
        "half": (own(half, store, SHAPE), lambda i: torch.from_numpy(mapped[i : i + STEPS, : len(half)].copy())),
        "half_quarter": (own(half, window, (64, 64)), lambda i: torch.from_numpy(mapped[i : i + STEPS, : len(half), rows, columns].copy())),
    }  # fmt: skip
    texts = {
        "all": "3 instants x 20 variables x 128 x 128",
        "half": "half of the variables",
        "half_quarter": "half of them on a quarter of the grid",
    }
    wanted = {"all": "1/3", "half": "1/6", "half_quarter": "1/6"}
    for case, (ours, bare) in cases.items():
        against_peer, against_map = [], []
        for seed in range(rounds):
            mine = cpu(ours, num_times - STEPS, 40, seed)
            against_map.append((mine, cpu(bare, num_times - STEPS, 40, seed)))
            against_peer.append((cpu(ours, num_times - STEPS, 40, seed), peer.seconds(case, 40, seed)))
        say(f"sample: {texts[case]}", "anemoi-datasets", against_peer, wanted[case])
        say(f"sample: {texts[case]}", "np.memmap to tensor", against_map, "1.15" if case == "all" else "-")


def loading(data: DatasetABC, peer: Peer, rounds: int) -> None:
    """Samples per second into batches of 4, wall time."""
    best: dict[int, list[tuple[float, float]]] = {}
    for seed in range(max(5, rounds // 2)):
        theirs = peer.seconds("loader", 240, seed)
        for threads in (0, 1, 2):
            loader = Loader(data, LoaderSettings(batch_size=BATCH, shuffle=True, seed=seed, num_threads=threads))
            count, began = 0, 0.0
            for batch in loader:
                if not count:
                    began = time.perf_counter()
                count += batch.batch_size
            best.setdefault(threads, []).append(((time.perf_counter() - began) / (count - BATCH), theirs))
    for threads, pairs in best.items():
        ours = statistics.median(1 / a for a, _ in pairs)
        rate = statistics.median(b / a for a, b in pairs)
        text = f"batches of 4, {threads} reading threads"
        print(
            f"{text:<58} {ours:8.0f} /s  {'anemoi through DataLoader':<28} {statistics.median(1 / b for _, b in pairs):8.0f} /s  times {rate:6.2f}  wanted 3.5"
        )


def waiting(path: Path, num_times: int, epochs: int = 2) -> None:
    """Share of an epoch that a training of `halfunet32` waits for data, batches of 4."""
    from py4cast.lightning import AutoRegressiveLightning
    from py4cast.workflows.config import build_config, named_from
    from py4cast.workflows.train.run import train

    document = json.loads(path.read_text())
    cuts = [0, num_times // 3, num_times // 3 + 4, num_times // 3 + 8]
    for split, first, last in zip(("train", "valid", "test"), cuts[:-1], cuts[1:], strict=True):
        document["periods"][split] = {"start": str(START + first * STEP), "end": str(START + (last - 1) * STEP)}
    own = path.with_name("waiting.json")
    own.write_text(json.dumps(document))
    shares: list[float] = []
    ended = AutoRegressiveLightning.on_train_epoch_end

    def record(self: Any) -> None:
        shares.append(self.waiting_share)
        ended(self)

    AutoRegressiveLightning.on_train_epoch_end = record  # type: ignore[method-assign]
    settings = {"epochs": epochs, "no_log": True, "plots": [], "num_pred_steps_val_test": 1}
    config = build_config({"dataset": named_from("gridded", str(own)), "train": settings}, ["model.num_filters=32"])
    train(config, campaign="benchmarks", run_name=f"waiting-{time.time_ns()}")
    print(
        f"waiting for data, halfunet32, 20 variables, 128 x 128: {100 * statistics.median(shares):.2f} % of an epoch  wanted 2 %"
    )


def opening(folder: Path, num_times: int, rounds: int) -> None:
    """A dataset on stores of n and 10 n instants, the whole way to its first sample's place."""
    paths = []
    for count in (num_times, 10 * num_times):
        small = Grid(60 - 0.5 * np.arange(8), -5 + 0.5 * np.arange(8))
        source = folder / f"open{count}"
        source.mkdir()
        times = (START + np.arange(count) * STEP).astype("datetime64[ns]")
        coords = {
            "time": times,
            "lat": ("lat", small.latitude, {"units": "degrees_north"}),
            "lon": ("lon", small.longitude, {"units": "degrees_east"}),
        }
        values = np.random.default_rng(0).standard_normal((count, 8, 8)).astype(np.float32)
        xr.Dataset(
            {n: (("time", "lat", "lon"), values + i, {"units": "1"}) for i, n in enumerate(NAMES)}, coords
        ).to_netcdf(source / "a.nc")
        path = description(source, folder / f"s{count}", count, {n: {} for n in NAMES})
        prepare("gridded", path, num_workers=1)
        paths.append(path)
    pairs = []
    for _ in range(rounds):
        seconds = []
        for path in paths:
            began = time.process_time()
            get_datasets("gridded", 2, 1, 1, path)
            seconds.append(time.process_time() - began)
        pairs.append((seconds[1], seconds[0]))
    say(f"opening a store of {10 * num_times} instants", f"of {num_times}", pairs, "1.2")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--num_times", type=int, default=400, help="instants (default: 400)")
    parser.add_argument("--rounds", type=int, default=15, help="turns (default: 15)")
    parser.add_argument("--only", default="", help="reading, loading, waiting or opening")
    a = parser.parse_args()
    warnings.filterwarnings("ignore")
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        os.environ["PY4CAST_ROOTDIR"] = str(folder / "root")
        if a.only in ("", "reading", "loading", "waiting"):
            (folder / "nc").mkdir()
            write_netcdf(folder / "nc" / "all.nc", a.num_times)
            path = description(folder / "nc", folder / "store", a.num_times, {n: {} for n in NAMES})
            store = prepare("gridded", path, num_workers=2)
            buffer = np.empty((NUM_VARIABLES, 1, *SHAPE), dtype=np.float32)
            for i in range(a.num_times):
                store.read(NAMES, i, i + 1, buffer)
            if a.only in ("", "waiting"):
                waiting(path, a.num_times)
            if a.only == "waiting":
                return
            peer = Peer(folder, a.num_times)
            if a.only in ("", "reading"):
                reading(folder, store, peer, a.num_times, a.rounds)
            if a.only in ("", "loading"):
                loading(get_datasets("gridded", 2, 1, 1, path)[0], peer, a.rounds)
            peer.process.kill()
            peer.process.wait()
        if a.only in ("", "opening"):
            opening(folder, a.num_times, a.rounds)


if __name__ == "__main__":
    main()

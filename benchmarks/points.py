"""Grids of points against the packages that people use for them, turn by turn.

    make peers                                       # installs anemoi-models, anemoi-graphs and others in folders of their own
    python benchmarks/points.py                      # every case, about 30 minutes on 2 cores
    python benchmarks/points.py graphtransformer --rounds 3

graphtransformer  forward + backward against anemoi-models' blocks on the same graph: CPU time and peak memory
transformer       the same with windowed attention, window 256, on octahedral hidden nodes
graphs            the graph of O96 against anemoi-graphs
regridding        O96 to 1 degree against the bare product of scipy.sparse
store             a sample of an Anemoi store of O32 against anemoi-datasets, and from our own store
cells             cost per cell from O32 to O160

Times are CPU seconds on one thread; a ratio is taken within each pair of turns, and the median of ratios is printed.
Memory is the peak resident size in a pass above what the process held after its imports (Linux). Networks have width
64, 4 heads, hidden layers of 256, 20 features in and out, batch 1.
"""

import argparse
import json
import multiprocessing
import os
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from models import FEATURES, PEERS, ROOT, Runner, compare, running
from peers.peak import forget_peak, memory

warnings.filterwarnings("ignore")
PEER = ROOT / "benchmarks" / "peers" / "anemoi_models_peer.py"


def network_of(model: str, n: int, settings: dict[str, Any]) -> Any:
    import torch

    from py4cast.batch import Statics
    from py4cast.formats.reduced import octahedral
    from py4cast.models import build_network
    from py4cast.namedtensor import NamedTensor

    torch.manual_seed(0)
    grid = octahedral(n)
    statics = Statics.build(grid, NamedTensor(torch.zeros(*grid.shape, 0), ["lat", "lon", "features"], []))
    return build_network(model, FEATURES, FEATURES, settings, grid, statics)[0]


def serve(a: argparse.Namespace) -> None:
    """Answers each line of standard input by one forward and backward pass of ours."""
    import torch

    from py4cast.process import keep_memory

    torch.set_num_threads(1)
    keep_memory()
    what = (a.model, a.n, json.loads(a.settings))
    network_of(a.model, 8, {})
    base = memory("VmRSS")
    # the graph goes to the cache
    first = multiprocessing.get_context("fork").Process(target=network_of, args=what)
    first.start()
    first.join()
    network = network_of(*what)
    x = torch.randn(1, *network.grid_shape, FEATURES)
    print(json.dumps({"parameters": sum(p.numel() for p in network.parameters())}), flush=True)
    for _ in sys.stdin:
        network.zero_grad()
        forget_peak()
        began = time.process_time()
        network(x).square().mean().backward()
        print(json.dumps({"cpu_s": time.process_time() - began, "peak_mb": memory("VmHWM") - base}), flush=True)


def ours(model: str, n: int, settings: dict[str, Any]) -> Runner:
    return Runner([__file__, "serve", "--model", model, "--n", str(n), "--settings", json.dumps(settings)])


def race(a: argparse.Namespace, model: str, n: int, settings: dict[str, Any], processor: str) -> None:
    """Ours and theirs on the graph that ours lays over O`n`."""
    from py4cast.formats.reduced import octahedral
    from py4cast.models import registry
    from py4cast.models.graph.graph import build_graph

    kind: Any = registry.get(model)
    grid = octahedral(n)
    made = kind.mesh_settings(kind.settings_kls(**settings), grid)
    graph = build_graph(grid, made, False)
    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/graph.npz"
        np.savez(path, **graph.pack())
        words = [str(PEER), "serve", path, "--processor", processor, "--layers", str(settings["processor_layers"])]
        peer = Runner(words, PEERS / "anemoi_models", a.keep_memory)
        own = ours(model, n, settings)
        label = f"{model} O{n}, {len(graph.nodes[0])} nodes"
        try:
            compare(label, own, peer, a.rounds)
        except json.JSONDecodeError:
            seconds, megabytes = ours(model, n, settings)()
            memory_gb = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30
            print(
                f"{label:34s} {seconds:7.3f} s {megabytes:6.0f} MB; the peer was killed: it needs more than {memory_gb:.0f} GB"
            )


def graphtransformer(a: argparse.Namespace) -> None:
    for n, spacing in ((32, 1.0), (48, 2.0)):
        race(a, "graphtransformer", n, {"processor_layers": 4, "mesh_spacing": spacing}, "graph")


def transformer(a: argparse.Namespace) -> None:
    race(a, "transformer", 48, {"processor_layers": 4, "mesh_spacing": 1.0}, "window")
    a.rounds = min(a.rounds, 2)
    race(a, "transformer", 96, {"processor_layers": 1, "mesh_spacing": 1.0}, "window")


def graphs(a: argparse.Namespace) -> None:
    """Refined icosahedra of 10 242 nodes over O96, four edges to every cell; the peer without its compiled helpers."""
    from py4cast.formats.reduced import octahedral
    from py4cast.models.graph.graph import build_graph
    from py4cast.models.graph.settings import MeshSettings

    grid = octahedral(96)
    with tempfile.TemporaryDirectory() as folder:
        np.savez(f"{folder}/points.npz", latitude=grid.latitude[0], longitude=grid.longitude[0])
        peer = Runner(
            [str(PEER), "graph", f"{folder}/points.npz"], Path(f"{PEERS}/anemoi_models{os.pathsep}{PEERS}/anemoi")
        )
        with running(peer):
            peer()
            pairs = []
            for _ in range(a.rounds):
                began = time.process_time()
                graph = build_graph(grid, MeshSettings(mesh="icosahedral", mesh_spacing=1.9), False)
                pairs.append((time.process_time() - began, peer()[0]))
    say(f"graph of O96, {len(graph.nodes[0])} nodes", pairs)


def regridding(a: argparse.Namespace) -> None:
    """O96 to 1 degree, conservative and linear, against the same sparse matrix times the same field."""
    from py4cast.formats.reduced import octahedral
    from py4cast.grid import Grid
    from py4cast.regrid import Regridder

    source, target = octahedral(96), Grid(np.linspace(90, -90, 181), np.arange(360.0))
    field = np.random.default_rng(0).standard_normal(source.shape).astype(np.float32)
    for method in ("linear", "mean"):
        regridder = Regridder(source, target, method)  # type: ignore[arg-type]
        matrix, flat = regridder._cells, field.ravel()
        pairs = []
        for _ in range(10 * a.rounds):
            times = []
            for call in (lambda: regridder(field), lambda: matrix @ flat):  # noqa: B023
                began = time.process_time()
                for _ in range(20):
                    call()
                times.append((time.process_time() - began) / 20)
            pairs.append((times[0], times[1]))
        say(f"O96 to 1 degree, {method}", pairs)


def store(a: argparse.Namespace) -> None:
    """Three instants of 20 variables on O32, from the Anemoi store as it is and from ours, against anemoi-datasets."""
    from py4cast.cubes.source_settings import SourceSettings
    from py4cast.cubes.sources import open_source
    from py4cast.cubes.store.store import PreparedStore
    from py4cast.process import keep_memory
    from py4cast.workflows.prepare import prepare

    keep_memory()

    with tempfile.TemporaryDirectory() as name:
        folder, num_times = Path(name), 80
        script, peers = ROOT / "benchmarks" / "peers" / "anemoi_peer.py", PEERS / "anemoi"
        environment = {**os.environ, "PYTHONPATH": str(peers), "PYTHONWARNINGS": "ignore", "OMP_NUM_THREADS": "1"}
        names, times = write_globe(folder / "grib", num_times)
        recipe = folder / "recipe.yaml"
        recipe.write_text(
            f"description: benchmark\ndates: {{start: {times[0]}, end: {times[-1]}, frequency: 6h}}\n"
            f"input: {{grib: {{path: {folder}/grib/*.grib2, param: [t]}}}}\n"
        )
        words = [sys.executable, "-m", "anemoi.datasets", "create", str(recipe), f"{folder}/a.zarr"]
        subprocess.run(words, env=environment, check=True, capture_output=True)
        period = {"start": str(times[0]), "end": str(times[-1])}
        document = {
            "name": "bench", "root": f"{folder}/grib", "files": ["*"], "step": "6h", "store": f"{folder}/ours",
            "variables": {n: {"short_name": "t", "level": int(n[1:]), "type_of_level": "isobaricInhPa"} for n in names},
            "periods": dict.fromkeys(("train", "valid", "test"), period),
        }  # fmt: skip
        (folder / "d.json").write_text(json.dumps(document))
        prepare("gridded", folder / "d.json", num_workers=1)
        theirs = open_source(SourceSettings.from_dict({"store": f"{folder}/a.zarr"}))
        prepared = PreparedStore(folder / "ours")
        peer = subprocess.Popen(
            [sys.executable, str(script), f"{folder}/a.zarr"],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert peer.stdin is not None and peer.stdout is not None
        peer.stdout.readline()
        for label, cube in (("as it is", theirs), ("prepared", prepared)):
            pairs = []
            for turn in range(a.rounds + 1):
                began = time.process_time()
                for start in np.random.default_rng(turn).integers(0, num_times - 3, 30).tolist():
                    out = np.empty((len(cube.names), 3, *cube.shape), dtype=np.float32)
                    cube.read(cube.names, start, start + 3, out)
                seconds = (time.process_time() - began) / 30
                peer.stdin.write(f"all 30 {turn}\n")
                peer.stdin.flush()
                pairs.append((seconds, json.loads(peer.stdout.readline())["seconds"]))
            say(f"3 x {len(cube.names)} x {cube.shape[1]}, {label}", pairs[1:])
        peer.stdin.close()


def write_globe(folder: Path, num_times: int) -> tuple[list[str], list[Any]]:
    """Twenty levels of a temperature on O32, one file per instant."""
    from py4cast.formats import Heading, writer_for
    from py4cast.formats.reduced import octahedral
    from py4cast.variables import Variable

    grid, levels = octahedral(32), range(50, 1050, 50)
    variables = [
        Variable(name=f"t{k}", short_name="t", units="K", level=k, type_of_level="isobaricInhPa") for k in levels
    ]
    lat, lon = np.deg2rad(grid.latitude)[..., None], np.deg2rad(grid.longitude)[..., None]
    folder.mkdir()
    times = [np.datetime64("2020-01-01T00", "s") + k * np.timedelta64(6, "h") for k in range(num_times)]
    for step, when in enumerate(times):
        waves = np.cos(lat) ** 2 * np.cos(np.arange(1, 21) * lon - 0.3 * step)
        name = f"{step:03}.grib2"
        with writer_for(name).open(folder / name, Heading(variables, grid, when, [np.timedelta64(0, "h")])) as put:
            put((270 - 40 * np.sin(lat) ** 2 + 5 * waves).astype(np.float32))
    return [v.name for v in variables], times


def say(label: str, pairs: list[tuple[float, float]]) -> None:
    ours_ms, theirs_ms = (1e3 * statistics.median(p[i] for p in pairs) for i in (0, 1))
    ratios = sorted(p / q for p, q in pairs)
    print(f"{label:34s} {ours_ms:9.3f} ms {theirs_ms:9.3f} ms  ratio {statistics.median(ratios):.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f})", flush=True)  # fmt: skip


def cells(a: argparse.Namespace) -> None:
    """A fixed spacing of the mesh; levels of it add edges, so one is taken."""
    for model in ("graphlam", "graphtransformer", "transformer"):
        sizes = (32, 48, 80, 96, 160)
        settings = {"mesh_spacing": 3.0, "mesh_levels": 1, "processor_layers": 2}
        mesh = {} if model == "transformer" else {"mesh": "octahedral"}
        runners = [ours(model, n, settings | mesh) for n in sizes]
        with running(*runners):
            [r() for r in runners]
            turns = [[r()[0] / (4 * n * (n + 9)) for r, n in zip(runners, sizes, strict=True)] for _ in range(a.rounds)]
        costs, spread = np.median(np.array(turns), axis=0), np.median(np.max(turns, axis=1) / np.min(turns, axis=1))
        words = ", ".join(f"O{n} {1e6 * c:.2f}" for n, c in zip(sizes, costs, strict=True))
        print(f"{model}: us a cell {words}; largest / smallest {spread:.2f}", flush=True)


CASES = {
    "graphtransformer": graphtransformer, "transformer": transformer, "graphs": graphs, "regridding": regridding,
    "store": store, "cells": cells,
}  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cases", nargs="*", choices=[*CASES, "serve"], default=list(CASES))
    parser.add_argument("--rounds", type=int, default=7, help="pairs of turns")
    parser.add_argument("--keep_memory", action="store_true", help="let the peer's C library keep its memory, too")
    serving = parser.add_argument_group("serve, which the others call")
    serving.add_argument("--model")
    serving.add_argument("--n", type=int, default=32)
    serving.add_argument("--settings", default="{}")
    a = parser.parse_args()
    for case in a.cases:
        if case == "serve":
            serve(a)
        else:
            print(f"# {case}")
            CASES[case](a)


if __name__ == "__main__":
    main()

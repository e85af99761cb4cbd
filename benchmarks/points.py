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
import sys
import tempfile
import time
import warnings
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


CASES = {"graphtransformer": graphtransformer, "transformer": transformer, "cells": cells}


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

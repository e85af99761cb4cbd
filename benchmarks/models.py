"""Networks against the packages that people use for them, each in a process of its own, turn by turn.

    make peers                                   # installs neural-lam and mfai in folders of their own
    python benchmarks/models.py                  # every case, about 30 minutes on 2 cores
    python benchmarks/models.py graphs --sizes 64x64 --rounds 3

graphs    forward + backward of graphlam, hilam and hilamparallel against neural-lam: CPU time and peak memory
rollout   the same over 4 steps
images    forward + backward of halfunet, unet and segformer against mfai
building  the graph against neural-lam's create_graph, and up to 1024 x 1024 cells
onnx      ONNX Runtime against torch in evaluation
cells     cost per cell from 64 x 64 to 512 x 512

Times are CPU seconds on one thread; a ratio is taken within each pair of turns, and the median of ratios is printed.
Our processes keep the memory that they free, as those of the command line do (py4cast.process); --keep_memory gives
the peers the same. Graph networks run on the mesh that they choose by themselves and on the peer's.

Memory is the peak resident size in a pass above what the process held after its imports (Linux); graphs are built
beforehand, in another process. 20 features in, 20 out, batch 2.
"""

import argparse
import json
import logging
import multiprocessing
import os
import statistics
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from peers.peak import forget_peak, memory

warnings.filterwarnings("ignore")
ROOT = Path(__file__).resolve().parents[1]
PEERS = Path(os.environ.get("PY4CAST_PEERS", ROOT / ".peers"))
GRAPHS, IMAGES = ("graphlam", "hilam", "hilamparallel"), ("halfunet", "unet", "segformer")
SPACING = 2500.0
FEATURES = 20


def make_grid(rows: int, columns: int) -> Any:
    """A projected grid of 2.5 km."""
    from py4cast.grid import Grid

    lat, lon = np.meshgrid(np.linspace(45, 46, rows), np.linspace(0, 1, columns), indexing="ij")
    x, y = np.arange(columns) * SPACING, np.arange(rows) * SPACING
    return Grid(lat, lon, x, y, {"grid_mapping_name": "lambert_conformal_conic"})


def make_network(name: str, rows: int, columns: int, settings: dict[str, Any]) -> Any:
    import torch

    from py4cast.batch import Statics
    from py4cast.models import build_network
    from py4cast.namedtensor import NamedTensor

    torch.manual_seed(0)
    grid = make_grid(rows, columns)
    statics = Statics.build(grid, NamedTensor(torch.zeros(rows, columns, 0), ["lat", "lon", "features"], []))
    return build_network(name, FEATURES, FEATURES, settings, grid, statics)[0]


def serve(a: argparse.Namespace) -> None:
    """Answers each line of standard input by one forward and backward pass of ours."""
    import torch

    from py4cast.process import keep_memory

    torch.set_num_threads(1)
    keep_memory()
    what = (a.model, a.rows, a.columns, json.loads(a.settings))
    make_network(a.model, 8, 32, {})
    base = memory("VmRSS")
    # the graph goes to the cache
    first = multiprocessing.get_context("fork").Process(target=make_network, args=what)
    first.start()
    first.join()
    network = make_network(*what)
    state = torch.randn(a.batch, a.rows, a.columns, FEATURES)
    print(json.dumps({"parameters": sum(p.numel() for p in network.parameters())}), flush=True)
    for _ in sys.stdin:
        network.zero_grad()
        forget_peak()
        began = time.process_time()
        call = network.for_rollout() if a.steps > 1 else network
        x, loss = state, torch.zeros(())
        for _ in range(a.steps):
            x = call(x) if a.steps == 1 else x + call(x)
            loss = loss + x.square().mean()
        loss.backward()
        print(json.dumps({"cpu_s": time.process_time() - began, "peak_mb": memory("VmHWM") - base}), flush=True)


class Runner:
    """A process that does one pass per line."""

    def __init__(self, words: list[str], path: Path = ROOT, keeps_memory: bool = False) -> None:
        kept = {"MALLOC_TRIM_THRESHOLD_": str(2**31 - 1), "MALLOC_MMAP_THRESHOLD_": str(2**25)} if keeps_memory else {}
        self.process = subprocess.Popen(
            [sys.executable, *words], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
            env={**os.environ, "PYTHONPATH": str(path), **kept},
        )  # fmt: skip
        self.parameters = self._answer()["parameters"]

    def _answer(self) -> dict[str, float]:
        assert self.process.stdout is not None
        return json.loads(self.process.stdout.readline())

    def __call__(self) -> tuple[float, float]:
        """CPU seconds of a pass, and its peak in MB."""
        assert self.process.stdin is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        answer = self._answer()
        return answer["cpu_s"], answer["peak_mb"]

    def close(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait()


@contextmanager
def running(*runners: Runner) -> Iterator[None]:
    try:
        yield
    finally:
        for runner in runners:
            runner.close()


def ours(model: str, rows: int, columns: int, settings: dict[str, Any], steps: int = 1, batch: int = 2) -> Runner:
    words = [__file__, "serve", "--model", model, "--settings", json.dumps(settings)]
    return Runner([*words, *f"--rows {rows} --columns {columns} --steps {steps} --batch {batch}".split()])


def compare(label: str, one: Runner, other: Runner, rounds: int) -> None:
    """Runs the two turn by turn and prints the medians."""
    with running(one, other):
        one(), other()
        pairs = [(one(), other()) for _ in range(rounds)]
        times = sorted(a[0] / b[0] for a, b in pairs)
        a, b = ([statistics.median(p[i][k] for p in pairs) for k in (0, 1)] for i in (0, 1))
        print(
            f"{label:34s} {a[0]:7.3f} s {b[0]:7.3f} s  ratio {statistics.median(times):.2f} ({times[0]:.2f} to {times[-1]:.2f})"
            f"   {a[1]:6.0f} MB {b[1]:6.0f} MB  ratio {a[1] / b[1]:.2f}"
            f"   parameters {one.parameters} {other.parameters}", flush=True,
        )  # fmt: skip


def sizes_of(a: argparse.Namespace, default: str) -> list[tuple[int, int]]:
    return [tuple(map(int, size.split("x"))) for size in (a.sizes or default).split(",")]  # type: ignore[misc]


def graphs(a: argparse.Namespace, steps: int = 1) -> None:
    for rows, columns in sizes_of(a, "64x64,128x128,238x268" if steps == 1 else "64x64,128x128"):
        for model in a.models or GRAPHS:
            for mesh in ("auto", "neural_lam"):
                words = f"serve --model {model} --rows {rows} --columns {columns} --steps {steps}".split()
                script = str(ROOT / "benchmarks/peers/neural_lam_peer.py")
                peer = Runner([script, *words], PEERS / "neural_lam", a.keep_memory)
                label = f"{model} {rows}x{columns}, {'our' if mesh == 'auto' else 'their'} mesh"
                compare(label, ours(model, rows, columns, {"mesh": mesh}, steps), peer, a.rounds)


def rollout(a: argparse.Namespace) -> None:
    graphs(a, steps=4)


def images(a: argparse.Namespace) -> None:
    for rows, columns in sizes_of(a, "128x128"):
        for model in a.models or IMAGES:
            words = [str(ROOT / "benchmarks/peers/mfai_peer.py"), "--model", model, "--size", str(rows)]
            compare(f"{model} {rows}x{columns}", ours(model, rows, columns, {}), Runner(words, PEERS / "mfai", a.keep_memory), a.rounds)  # fmt: skip


def building(a: argparse.Namespace) -> None:
    from py4cast.models.graph.graph import build_graph
    from py4cast.models.graph.settings import GraphSettings

    def own(rows: int, columns: int, hierarchical: bool) -> float:
        grid = make_grid(rows, columns)
        began = time.process_time()
        build_graph(grid, GraphSettings(mesh="neural_lam"), hierarchical)
        return time.process_time() - began

    def theirs(rows: int, columns: int, model: str) -> float:
        words = f"graph --model {model} --rows {rows} --columns {columns}".split()
        done = subprocess.run([sys.executable, str(ROOT / "benchmarks/peers/neural_lam_peer.py"), *words], capture_output=True, text=True,
                              check=True, env={**os.environ, "PYTHONPATH": str(PEERS / "neural_lam")})  # fmt: skip
        return float(json.loads(done.stdout)["cpu_s"])

    own(32, 32, True)
    for rows, columns in sizes_of(a, "256x256,512x512"):
        for model in ("graphlam", "hilam"):
            pairs = [(own(rows, columns, model != "graphlam"), theirs(rows, columns, model)) for _ in range(min(a.rounds, 3))]  # fmt: skip
            ratio = statistics.median(x / y for x, y in pairs)
            print(f"graph of {model} {rows}x{columns}: {pairs[0][0]:.2f} s, neural-lam {pairs[0][1]:.1f} s, ratio 1/{1 / ratio:.0f}", flush=True)  # fmt: skip
    for size in (256, 512, 1024):
        seconds = [statistics.median(own(size, size, h) for _ in range(3)) for h in (False, True)]
        per_cell = [1e6 * s / size**2 for s in seconds]
        print(f"graph {size}x{size}: flat {seconds[0]:.2f} s ({per_cell[0]:.2f} us a cell), hierarchical {seconds[1]:.2f} s ({per_cell[1]:.2f} us a cell)", flush=True)  # fmt: skip


def onnx(a: argparse.Namespace) -> None:
    import torch

    from py4cast.models import registry
    from py4cast.testing import onnx_session

    logging.disable(logging.WARNING)
    torch.set_num_threads(1)
    for rows, columns in sizes_of(a, "128x128"):
        for name in a.models or [n for n in registry.names() if registry.get(n).onnx_supported]:
            network = make_network(name, rows, columns, {}).eval()
            x = torch.randn(2, rows, columns, FEATURES)
            session = onnx_session(network, x)

            def torch_pass(network: Any = network, x: Any = x) -> None:
                with torch.inference_mode():
                    network(x)

            def runtime_pass(session: Any = session, x: Any = x) -> None:
                session.run(None, {session.get_inputs()[0].name: x.numpy()})

            pairs = [(seconds_of(runtime_pass), seconds_of(torch_pass)) for _ in range(a.rounds + 1)][1:]
            times = sorted(p / q for p, q in pairs)
            p, q = (statistics.median(pair[i] for pair in pairs) for i in (0, 1))
            print(f"{name} {rows}x{columns}: onnxruntime {p:.3f} s, torch {q:.3f} s, ratio {statistics.median(times):.2f} ({times[0]:.2f} to {times[-1]:.2f})", flush=True)  # fmt: skip


def seconds_of(call: Callable[[], None]) -> float:
    began = time.process_time()
    call()
    return time.process_time() - began


def cells(a: argparse.Namespace) -> None:
    """Batch 1 so that the largest fits; a fixed spacing of the mesh, so that a larger grid is more of the same."""
    sizes = sizes_of(a, "64x64,128x128,256x256,512x512")
    for model in a.models or (*GRAPHS, *IMAGES):
        settings = {"mesh_spacing": 4.0} if model in GRAPHS else {}
        runners = [ours(model, rows, columns, settings, batch=1) for rows, columns in sizes]
        with running(*runners):
            [r() for r in runners]
            turns = [[r()[0] / (n * m) for r, (n, m) in zip(runners, sizes, strict=True)] for _ in range(a.rounds)]
            costs = np.median(np.array(turns), axis=0)
            spread = np.median(np.max(turns, axis=1) / np.min(turns, axis=1))
            words = ", ".join(f"{n}x{m} {1e6 * c:.2f}" for (n, m), c in zip(sizes, costs, strict=True))
            print(f"{model}: us a cell {words}; largest / smallest {spread:.2f}", flush=True)


CASES = {"graphs": graphs, "rollout": rollout, "images": images, "building": building, "onnx": onnx, "cells": cells}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cases", nargs="*", choices=[*CASES, "serve"], default=list(CASES))
    parser.add_argument("--rounds", type=int, default=7, help="pairs of turns")
    parser.add_argument("--sizes", help="such as 64x64,238x268")
    parser.add_argument("--models", nargs="+", help="some of them alone")
    parser.add_argument("--keep_memory", action="store_true", help="let the peer's C library keep its memory, too")
    serving = parser.add_argument_group("serve, which the others call")
    serving.add_argument("--model")
    serving.add_argument("--settings", default="{}")
    for key, default in {"rows": 64, "columns": 64, "steps": 1, "batch": 2}.items():
        serving.add_argument(f"--{key}", type=int, default=default)
    a = parser.parse_args()
    for case in a.cases:
        if case == "serve":
            serve(a)
        else:
            print(f"# {case}")
            CASES[case](a)


if __name__ == "__main__":
    main()

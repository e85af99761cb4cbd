"""The networks of the PyPI package `neural-lam` 0.7, run installed in a folder of their own (`make peers`).

    PYTHONPATH=.peers/neural_lam python benchmarks/peers/neural_lam_peer.py serve --model hilam --rows 64 --columns 64
        one line on standard input is one forward and backward pass, answered by one line of JSON
    ... export FILE.npz   graph, weights, an input and its output, for the test of parity
    ... graph             CPU seconds of building the graph

Modules of the package that only its data and tracking need are replaced by empty ones, so that the environment is small.
"""

import argparse
import importlib.machinery
import json
import multiprocessing
import sys
import tempfile
import time
import types
import warnings
from pathlib import Path

warnings.filterwarnings("ignore")
for name in ("wandb", "mlflow", "mlflow.pytorch", "boto3", "botocore", "botocore.exceptions", "mllam_data_prep", "pynvml", "plotly", "plotly.graph_objects", "tueplots", "tueplots.bundles", "tueplots.figsizes", "dataclass_wizard", "parse"):  # fmt: skip

    class _Empty(types.ModuleType):
        def __getattr__(self, key):
            if key.startswith("__"):
                raise AttributeError(key)
            return type(key, (), {"__class_getitem__": classmethod(lambda cls, _: cls)})

    try:
        __import__(name)
    except ImportError:
        module = _Empty(name)
        module.__spec__ = importlib.machinery.ModuleSpec(name, None)
        module.__path__ = []
        sys.modules[name] = module

import numpy as np
import torch
import xarray as xr
from neural_lam import utils
from neural_lam.create_graph import create_graph
from neural_lam.models.step_predictors.graph import base as graph_base
from neural_lam.models.step_predictors.graph.graph_lam import GraphLAM
from neural_lam.models.step_predictors.graph.hi_lam import HiLAM
from neural_lam.models.step_predictors.graph.hi_lam_parallel import HiLAMParallel
from peak import forget_peak, memory

MODELS = {"graphlam": GraphLAM, "hilam": HiLAM, "hilamparallel": HiLAMParallel}


class Datastore:
    """The little that a network asks of its data: a regular grid, and statistics 0 and 1."""

    def __init__(self, root: Path, rows: int, columns: int, spacing: float, num_state: int) -> None:
        self.root_path = root
        self.num_state = num_state
        self.num_grid_points = rows * columns
        x, y = np.arange(columns) * spacing, np.arange(rows) * spacing
        self.xy = np.stack(np.meshgrid(x, y, indexing="ij"), axis=-1)

    def get_num_data_vars(self, category: str) -> int:
        return {"state": self.num_state}.get(category, 0)

    def get_dataarray(self, category: str, split=None, standardize: bool = False):
        return None

    def get_xy_extent(self, category: str):
        return [self.xy[..., 0].min(), self.xy[..., 0].max(), self.xy[..., 1].min(), self.xy[..., 1].max()]

    def get_standardization_dataarray(self, category: str):
        zeros, ones = np.zeros(self.num_state, np.float32), np.ones(self.num_state, np.float32)
        values = {
            "state_mean": zeros,
            "state_std": ones,
            "state_diff_mean_standardized": zeros,
            "state_diff_std_standardized": ones,
        }
        return xr.Dataset({k: ("state_feature", v) for k, v in values.items()})

    def get_vars_names(self, category: str):
        return [f"v{i}" for i in range(self.num_state)]


def make_graph(a, root: Path, xy) -> None:
    began = time.process_time()
    create_graph(str(root / "graph" / "g"), xy, hierarchical=a.model != "graphlam")
    (root / "seconds.json").write_text(json.dumps(time.process_time() - began))


def build(a, root: Path):
    """The network on its own graph; it takes `inputs` features and gives `outputs`."""
    data = Datastore(root, a.rows, a.columns, a.spacing, a.outputs)
    # in a process of its own, whose memory is not the network's
    maker = multiprocessing.get_context("fork").Process(target=make_graph, args=(a, root, data.xy))
    maker.start()
    maker.join()
    seconds = json.loads((root / "seconds.json").read_text())
    # the package always concatenates two states; here the input has the width that is asked for
    utils.compute_grid_input_dim = graph_base.utils.compute_grid_input_dim = lambda *_: a.inputs
    torch.manual_seed(a.seed)
    network = MODELS[a.model](data, "g", a.hidden, 1, a.layers, "sum", 0, 0)
    return network, seconds


def step(network, state, rest):
    """One prediction; `rest` is what follows the state in the input."""
    return network(state, rest, state[..., :0])[0]


def serve(a, network, base: float) -> None:
    torch.set_num_threads(a.threads)
    size = a.rows * a.columns
    state = torch.randn(a.batch, size, a.outputs)
    rest = torch.randn(a.batch, size, a.inputs - a.outputs)
    print(json.dumps({"parameters": sum(p.numel() for p in network.parameters())}), flush=True)
    for _ in sys.stdin:
        network.zero_grad()
        forget_peak()
        began = time.process_time()
        x, loss = state, 0.0
        for _ in range(a.steps):
            x = step(network, x, rest)
            loss = loss + x.square().mean()
        loss.backward()
        print(json.dumps({"cpu_s": time.process_time() - began, "peak_mb": memory("VmHWM") - base}), flush=True)


def export(a, network) -> None:
    """Everything that another implementation needs to give the same output."""
    with torch.no_grad():
        for p in network.parameters():
            p.copy_(p + 0.1 * torch.randn_like(p))
    size = a.rows * a.columns
    state, rest = torch.randn(a.batch, size, a.outputs), torch.randn(a.batch, size, a.inputs - a.outputs)
    with torch.no_grad():
        y = step(network, state, rest)
    arrays = {"input": torch.cat([state, rest], -1).numpy(), "output": (y - state).numpy()}
    arrays |= {f"weights/{k}": v.numpy() for k, v in network.state_dict().items()}
    for key in ("g2m", "m2g", "m2m", "mesh_up", "mesh_down", "mesh_static"):
        for part in ("edge_index", "features"):
            value = getattr(network, f"{key}_{part}", None)
            if value is None:
                continue
            parts = [value] if isinstance(value, torch.Tensor) else list(value)
            arrays |= {f"graph/{key}_{part}/{i}": v.numpy() for i, v in enumerate(parts)}
    np.savez_compressed(a.file, **arrays)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("verb", choices=("serve", "export", "graph"))
    parser.add_argument("file", nargs="?")
    parser.add_argument("--model", choices=MODELS, default="graphlam")
    numbers = {
        "rows": 64,
        "columns": 64,
        "inputs": 20,
        "outputs": 20,
        "hidden": 64,
        "layers": 4,
        "batch": 2,
        "steps": 1,
        "threads": 1,
        "seed": 0,
    }
    for key, default in numbers.items():
        parser.add_argument(f"--{key}", type=int, default=default)
    parser.add_argument("--spacing", type=float, default=2500.0)
    a = parser.parse_args()
    base = memory("VmRSS")
    with tempfile.TemporaryDirectory() as folder:
        # progress of the package goes to standard error, answers to standard output
        answers, sys.stdout = sys.stdout, sys.stderr
        network, seconds = build(a, Path(folder))
        sys.stdout = answers
    if a.verb == "graph":
        print(json.dumps({"cpu_s": seconds}))
    elif a.verb == "export":
        export(a, network)
    else:
        serve(a, network, base)


if __name__ == "__main__":
    main()

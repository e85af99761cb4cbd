"""The peer of benchmarks/points.py: blocks of anemoi-models on a graph that is given; run in the peer's import path.

    python anemoi_models_peer.py serve GRAPH.npz --processor graph|window --layers 4 --window 256 --features 20
        one line in, one line of JSON out: CPU seconds and peak of a forward and backward pass
    python anemoi_models_peer.py export GRAPH.npz FILE.npz
        weights, inputs and output of one mapper block and one processor block
    python anemoi_models_peer.py graph POINTS.npz
        one line in, one line of JSON out: CPU seconds of a graph over points (latitude, longitude), refined icosahedron 5

A network is as theirs are: linear embeddings, a mapper block to the mesh, processor blocks, a mapper block back.
"""

import argparse
import json
import logging
import sys
import time
import warnings
from pathlib import Path
from typing import Any

warnings.filterwarnings("ignore")
logging.disable(logging.CRITICAL)
sys.path.append(str(Path(__file__).parent))

import numpy as np
import torch
from anemoi.models.distributed.shapes import BipartiteGraphShardInfo, GraphShardInfo
from anemoi.models.layers.block import (
    GraphTransformerMapperBlock,
    GraphTransformerProcessorBlock,
    TransformerProcessorBlock,
)
from anemoi.models.layers.utils import load_layer_kernels
from peak import forget_peak, memory
from torch import Tensor, nn

WIDTH, HEADS, RATIO = 64, 4, 4
KERNELS = load_layer_kernels({})


def block(kind: Any, width: int = WIDTH, heads: int = HEADS, edge_dim: int = 3) -> Any:
    return kind(
        in_channels=width, hidden_dim=RATIO * width, out_channels=width, num_heads=heads, edge_dim=edge_dim,
        layer_kernels=KERNELS, graph_attention_backend="pyg",
    )  # fmt: skip


class Network(nn.Module):
    """Encoder, processor, decoder on fixed edges."""

    def __init__(self, graph: dict[str, np.ndarray], processor: str, layers: int, window: int, features: int) -> None:
        super().__init__()
        self.edges = {
            key: (
                torch.from_numpy(np.stack([graph[f"{key}.0.senders"], graph[f"{key}.0.receivers"]])),
                torch.from_numpy(graph[f"{key}.0.features"]),
            )
            for key in ("g2m", "same", "m2g")
        }
        self.nodes = torch.from_numpy(graph["nodes.0"])
        self.processor_kind = processor
        self.embed_cells, self.embed_nodes = nn.Linear(features, WIDTH), nn.Linear(self.nodes.shape[1], WIDTH)
        self.encoder, self.decoder = block(GraphTransformerMapperBlock), block(GraphTransformerMapperBlock)
        if processor == "graph":
            made = [block(GraphTransformerProcessorBlock) for _ in range(layers)]
        else:
            made = [
                TransformerProcessorBlock(
                    num_channels=WIDTH, hidden_dim=RATIO * WIDTH, num_heads=HEADS, window_size=window,
                    layer_kernels=KERNELS, attention_implementation="scaled_dot_product_attention",
                )
                for _ in range(layers)
            ]  # fmt: skip
        self.processor = nn.ModuleList(made)
        self.head = nn.Linear(WIDTH, features)

    def forward(self, x: Tensor) -> Tensor:
        two, one = BipartiteGraphShardInfo(None, None, None), GraphShardInfo(None, None)
        cells, mesh = self.embed_cells(x), self.embed_nodes(self.nodes)
        index, features = self.edges["g2m"]
        (cells, mesh), _ = self.encoder((cells, mesh), features, index, two, 1, (len(cells), len(mesh)))
        for layer in self.processor:
            if self.processor_kind == "graph":
                index, features = self.edges["same"]
                mesh, _ = layer(mesh, features, index, one, 1, len(mesh))
            else:
                (mesh,) = layer(mesh, one, 1)
        index, features = self.edges["m2g"]
        (_, cells), _ = self.decoder((mesh, cells), features, index, two, 1, (len(mesh), len(cells)))
        return self.head(cells)


def serve(a: argparse.Namespace) -> None:
    torch.set_num_threads(1)
    torch.manual_seed(0)
    base = memory("VmRSS")
    graph = dict(np.load(a.graph))
    network = Network(graph, a.processor, a.layers, a.window, a.features)
    x = torch.randn(int(graph["num_cells"]), a.features)
    print(json.dumps({"parameters": sum(p.numel() for p in network.parameters())}), flush=True)
    for _ in sys.stdin:
        network.zero_grad()
        forget_peak()
        began = time.process_time()
        network(x).square().mean().backward()
        print(json.dumps({"cpu_s": time.process_time() - began, "peak_mb": memory("VmHWM") - base}), flush=True)


def export(a: argparse.Namespace) -> None:
    """Small blocks, whose weights and results fit a file of tests."""
    torch.manual_seed(0)
    graph, arrays, width, heads = dict(np.load(a.graph)), {}, 8, 2
    counts = int(graph["num_cells"]), len(graph["nodes.0"])
    cells, nodes = (torch.randn(n, width) for n in counts)
    arrays |= {"cells": cells.numpy(), "nodes": nodes.numpy()}
    for name, kind, key in (("mapper", GraphTransformerMapperBlock, "g2m"), ("processor", GraphTransformerProcessorBlock, "same")):  # fmt: skip
        layer = block(kind, width, heads)
        for parameter in layer.parameters():
            nn.init.normal_(parameter, std=0.4)
        index = torch.from_numpy(np.stack([graph[f"{key}.0.senders"], graph[f"{key}.0.receivers"]]))
        features = torch.from_numpy(graph[f"{key}.0.features"])
        if name == "mapper":
            (_, y), _ = layer((cells, nodes), features, index, BipartiteGraphShardInfo(None, None, None), 1, counts)
        else:
            y, _ = layer(nodes, features, index, GraphShardInfo(None, None), 1, counts[1])
        arrays |= {f"{name}/output": y.detach().numpy()}
        arrays |= {f"{name}/weights/{k}": v.numpy() for k, v in layer.state_dict().items()}
        arrays |= {f"{name}/{part}": graph[f"{key}.0.{part}"] for part in ("senders", "receivers", "features")}
    np.savez_compressed(a.file, **arrays)


def graph(a: argparse.Namespace) -> None:
    from anemoi.graphs.edges import CutOffEdges, KNNEdges, MultiScaleEdges
    from anemoi.graphs.nodes import LatLonNodes, TriNodes
    from torch_geometric.data import HeteroData

    points = dict(np.load(a.graph))
    print(json.dumps({"parameters": 0}), flush=True)
    for _ in sys.stdin:
        began = time.process_time()
        made = LatLonNodes(points["latitude"], points["longitude"], name="data").update_graph(HeteroData(), {})
        made = TriNodes(resolution=5, name="hidden").update_graph(made, {})
        for edges in (
            CutOffEdges("data", "hidden", cutoff_factor=0.6), MultiScaleEdges("hidden", "hidden", x_hops=1),
            KNNEdges("hidden", "data", num_nearest_neighbours=4),
        ):  # fmt: skip
            made = edges.update_graph(made, {})
        print(json.dumps({"cpu_s": time.process_time() - began, "peak_mb": 0.0}), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("what", choices=("serve", "export", "graph"))
    parser.add_argument("graph")
    parser.add_argument("file", nargs="?")
    parser.add_argument("--processor", choices=("graph", "window"), default="graph")
    for name, default in (("layers", 4), ("window", 256), ("features", 20)):
        parser.add_argument(f"--{name}", type=int, default=default)
    a = parser.parse_args()
    {"serve": serve, "export": export, "graph": graph}[a.what](a)


if __name__ == "__main__":
    main()

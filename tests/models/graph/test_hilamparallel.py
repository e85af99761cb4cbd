"""HiLAMParallel: one sum over all edges of a node."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from py4cast.grid import Grid
from py4cast.models.graph.hilamparallel import HiLAMParallel
from py4cast.models.graph.settings import GraphSettings
from tests.models.graph.small_graphs import COUNTS, messages, sums_of, tiny_graph

GRID = Grid(np.array([50.0, 49.0]), np.array([0.0, 1.0, 2.0]))
ENDS = {"same": (0, 0), "up": (0, 1), "down": (1, 0)}


@pytest.mark.parametrize("mesh_aggr", ["sum", "mean"])
def test_a_node_joins_the_messages_of_all_its_edges_at_once(mesh_aggr: str) -> None:
    graph = tiny_graph(3)
    settings = GraphSettings(hidden_dims=4, processor_layers=2, mesh_aggr=mesh_aggr)  # type: ignore[arg-type]
    model: Any = HiLAMParallel(5, 3, settings, GRID, graph).double()
    terms = model.static_terms()
    nodes = [torch.randn(n, 2, 4, dtype=torch.float64) for n in COUNTS]
    edges = {kind: [terms[f"{kind}_{k}"] for k in range(3 if kind == "same" else 2)] for kind in ENDS}
    result, downward = model.exchange(nodes, edges["same"], edges["up"], edges["down"])
    for turn in model.rounds:
        sums, counts = [torch.zeros_like(n) for n in nodes], [torch.zeros(len(n)) for n in nodes]
        changed: dict[str, list[Tensor]] = {kind: [] for kind in ENDS}
        for kind, (sender, receiver) in ENDS.items():
            for level, part in enumerate(getattr(turn, kind)):
                e = edges[kind][level]
                m = messages(part.edge_mlp, part.connections, nodes[level + sender], nodes[level + receiver], e)
                sums[level + receiver] += sums_of(part.connections, m)
                counts[level + receiver] += torch.bincount(
                    part.connections.receivers, minlength=COUNTS[level + receiver]
                )
                changed[kind].append(e + m)
        if mesh_aggr == "mean":
            sums = [s / c.clamp(min=1).view(-1, 1, 1) for s, c in zip(sums, counts, strict=True)]
        nodes = [n + turn.aggr_mlps[k](torch.cat([n, s], -1)) for k, (n, s) in enumerate(zip(nodes, sums, strict=True))]
        edges = changed
    for ours, plain in zip((*result, *downward), (*nodes, *edges["down"]), strict=True):
        torch.testing.assert_close(ours, plain, rtol=1e-6, atol=1e-6)

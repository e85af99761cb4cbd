"""HiLAMParallel: messages within and between all levels of a mesh at once."""

import numpy as np
import torch
from torch import Tensor, nn

from py4cast.models.graph.blockwise import blockwise
from py4cast.models.graph.edges import Edges
from py4cast.models.graph.graph import Graph
from py4cast.models.graph.hierarchy import HierarchicalModel
from py4cast.models.graph.interaction import MessageSum, make_mlp, update_nodes
from py4cast.models.graph.settings import GraphSettings

__all__ = ["HiLAMParallel"]


class HiLAMParallel(HierarchicalModel):
    """Creates a HiLAMParallel: every node gets one sum over all its edges, whatever level they come from.

    a = Σ_same m + Σ_up m + Σ_down m,  x' = x + MLPₐ([x, a]), `processor_layers` times; one MLPₑ per set of edges and
    one MLPₐ per level.

    Reference: J. Oskarsson, T. Landelius, F. Lindsten (2023), Graph-based Neural Weather Prediction for Limited
    Area Modeling, arXiv 2309.17370.
    """

    def make_exchange(self, graph: Graph) -> None:
        self.rounds = nn.ModuleList([_Round(graph, self.settings) for _ in range(self.settings.processor_layers)])

    def exchange(
        self, nodes: list[Tensor], same: list[Tensor], up: list[Tensor], down: list[Tensor]
    ) -> tuple[list[Tensor], list[Tensor]]:
        for each in self.rounds:
            nodes, same, up, down = each(nodes, same, up, down)
        return nodes, down


class _Round(nn.Module):
    """Creates one round of messages over all edges."""

    def __init__(self, graph: Graph, settings: GraphSettings) -> None:
        super().__init__()
        hidden, layers = settings.hidden_dims, settings.hidden_layers
        counts = [len(n) for n in graph.nodes]
        heard = [np.zeros(n) for n in counts]
        sets: dict[str, list[MessageSum]] = {}
        for kind, (sender, receiver) in {"same": (0, 0), "up": (0, 1), "down": (1, 0)}.items():
            sets[kind] = []
            for level, c in enumerate(getattr(graph, kind)):
                edges = Edges(c.senders, c.receivers, counts[level + sender], counts[level + receiver], halo=c.halo)
                sets[kind].append(MessageSum(edges, hidden, layers))
                heard[level + receiver] += np.bincount(c.receivers, minlength=counts[level + receiver])
        self.same, self.up, self.down = (nn.ModuleList(sets[kind]) for kind in ("same", "up", "down"))
        self.aggr_mlps = nn.ModuleList([make_mlp(2 * hidden, hidden, layers) for _ in counts])
        self.is_mean = settings.mesh_aggr == "mean"
        for level, count in enumerate(heard):
            scale = torch.from_numpy(1.0 / np.maximum(count, 1)).float().view(-1, 1, 1)
            self.register_buffer(f"scale_{level}", scale, persistent=False)

    def forward(self, nodes: list[Tensor], *edges: list[Tensor]) -> tuple[list[Tensor], ...]:
        """Nodes of all levels, and the edges `same`, `up`, `down`, after the round."""
        sums: list[Tensor | None] = [None] * len(nodes)
        changed: list[list[Tensor]] = []
        for networks, old, (sender, receiver) in zip(
            (self.same, self.up, self.down), edges, ((0, 0), (0, 1), (1, 0)), strict=True
        ):
            changed.append([])
            for level, (network, e) in enumerate(zip(networks, old, strict=True)):
                heard, e = network(nodes[level + sender], nodes[level + receiver], e)
                before = sums[level + receiver]
                sums[level + receiver] = heard if before is None else before + heard
                changed[-1].append(e)
        return [self._update(level, n, a) for level, (n, a) in enumerate(zip(nodes, sums, strict=True))], *changed

    def _update(self, level: int, nodes: Tensor, sums: Tensor | None) -> Tensor:
        assert sums is not None, "every level has edges of its own"
        if self.is_mean:
            sums = sums * getattr(self, f"scale_{level}")
        mlp: nn.Sequential = self.aggr_mlps[level]  # type: ignore[assignment]
        return blockwise(lambda block: (update_nodes(mlp, *block.nodes), None), [mlp], [nodes, sums])[0]

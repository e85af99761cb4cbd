"""HiLAM: sweeps down and up the levels of a mesh, one level after the other."""

from torch import Tensor, nn

from py4cast.models.graph.graph import Graph
from py4cast.models.graph.hierarchy import HierarchicalModel

__all__ = ["HiLAM"]


class HiLAM(HierarchicalModel):
    """Creates a HiLAM: `processor_layers` times a sweep down, then one up, with weights of their own.

    Within a level and from level to level in turn; edges within a level are shared by both sweeps.

    Reference: J. Oskarsson, T. Landelius, F. Lindsten (2023), Graph-based Neural Weather Prediction for Limited
    Area Modeling, arXiv 2309.17370.
    """

    keeps_skill_in_bf16 = True

    def make_exchange(self, graph: Graph) -> None:
        rounds = range(self.settings.processor_layers)
        self.mesh_down_gnns = nn.ModuleList([self.between(graph, "down") for _ in rounds])
        self.mesh_down_same_gnns = nn.ModuleList([self.between(graph, "same") for _ in rounds])
        self.mesh_up_gnns = nn.ModuleList([self.between(graph, "up") for _ in rounds])
        self.mesh_up_same_gnns = nn.ModuleList([self.between(graph, "same") for _ in rounds])

    def exchange(
        self, nodes: list[Tensor], same: list[Tensor], up: list[Tensor], down: list[Tensor]
    ) -> tuple[list[Tensor], list[Tensor]]:
        top = self.num_levels - 1
        sweeps = zip(
            self.mesh_down_gnns, self.mesh_down_same_gnns, self.mesh_up_gnns, self.mesh_up_same_gnns, strict=True
        )
        for downward, below, upward, above in sweeps:
            nodes[top], same[top] = below[top](nodes[top], nodes[top], same[top])  # type: ignore[index]
            for gap in range(top - 1, -1, -1):
                nodes[gap], down[gap] = downward[gap](nodes[gap + 1], nodes[gap], down[gap])  # type: ignore[index]
                nodes[gap], same[gap] = below[gap](nodes[gap], nodes[gap], same[gap])  # type: ignore[index]
            nodes[0], same[0] = above[0](nodes[0], nodes[0], same[0])  # type: ignore[index]
            for gap in range(top):
                nodes[gap + 1], up[gap] = upward[gap](nodes[gap], nodes[gap + 1], up[gap])  # type: ignore[index]
                nodes[gap + 1], same[gap + 1] = above[gap + 1](nodes[gap + 1], nodes[gap + 1], same[gap + 1])  # type: ignore[index]
        return nodes, down

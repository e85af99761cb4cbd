"""GraphLAM: messages on one flat mesh with edges of all lengths."""

from torch import Tensor, nn

from py4cast.models.graph.base import Addition, GraphModel, Terms
from py4cast.models.graph.graph import Graph

__all__ = ["GraphLAM"]


class GraphLAM(GraphModel):
    """Creates a GraphLAM: (m, e) = IN(m, e) on the mesh, `processor_layers` times.

    References: J. Oskarsson, T. Landelius, F. Lindsten (2023), Graph-based Neural Weather Prediction for Limited
    Area Modeling, arXiv 2309.17370; R. Lam et al. (2023), GraphCast, doi 10.1126/science.adi2336.
    """

    is_hierarchical = False
    keeps_skill_in_bf16 = True

    def make_processor(self, graph: Graph) -> None:
        count = len(graph.nodes[0])
        self.mesh_embedder = self.node_embedder(graph)
        self.m2m_embedder = self.edge_embedder()
        rounds = self.settings.processor_layers
        self.processor = nn.ModuleList(
            [self.interaction(graph.same[0], count, count, update_edges=i + 1 < rounds) for i in range(rounds)]
        )

    def static_terms(self) -> Terms:
        return {
            "mesh": self.embedded("mesh_0", self.mesh_embedder),
            "same": self.embedded("same_0", self.m2m_embedder),
        }

    def process(self, mesh: Tensor, terms: Terms, add: Addition | None = None) -> Tensor:
        edges = terms["same"]
        mesh = mesh if add is None else add(mesh)
        for layer in self.processor:
            mesh, edges = layer(mesh, mesh, edges)
        return mesh

"""GraphTransformer: attention over the edges of a mesh, and between the mesh and the cells."""

from torch import Tensor, nn

from py4cast.models.graph.attentive import AttentionModel
from py4cast.models.graph.base import Terms
from py4cast.models.graph.graph import Graph

__all__ = ["GraphTransformer"]


class GraphTransformer(AttentionModel):
    """Creates a graph transformer: m = EA(m → m) on the mesh, `processor_layers` times.

    References: S. Lang et al. (2024), AIFS: ECMWF's data-driven forecasting system, arXiv 2406.01465; Y. Shi et al.
    (2021), arXiv 2009.03509 (the attention over edges).
    """

    reference = "Lang et al. (2024), arXiv 2406.01465"

    def make_processor(self, graph: Graph) -> None:
        count = len(graph.nodes[0])
        self.m2m_embedder = self.edge_embedder()
        self.processor = nn.ModuleList(
            [self.attention(graph.same[0], count, count, is_within=True) for _ in range(self.settings.processor_layers)]
        )

    def static_terms(self) -> Terms:
        terms = {}
        for number, layer in enumerate(self.processor):
            terms[f"same_{number}"] = self.edge_term("same_0", self.m2m_embedder, layer)  # type: ignore[arg-type]
        return terms

    def process(self, mesh: Tensor, terms: Terms) -> Tensor:
        for number, layer in enumerate(self.processor):
            mesh = layer(mesh, mesh, terms[f"same_{number}"])
        return mesh

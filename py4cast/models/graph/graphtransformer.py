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
        products = self.products(graph.same[0], count, count)
        self.m2m_embedder = self.narrow_embedder()
        rounds = range(self.settings.processor_layers)
        self.processor = nn.ModuleList([self.attention(products, is_within=True) for _ in rounds])

    def static_terms(self) -> Terms:
        return {"same": self.embedded("same_0", self.m2m_embedder)}

    def process(self, mesh: Tensor, terms: Terms) -> Tensor:
        for layer in self.processor:
            mesh = layer(mesh, mesh, terms["same"])
        return mesh

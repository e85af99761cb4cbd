"""What networks of attention on a mesh share: the mesh attends to cells, its processor, cells attend to the mesh.

    v = W·x,  m = EA(v → m₀),  m = processor(m),  v = EA(m → v),  y = W'·LN(v)

with EA the attention over edges and m₀ the embedded mesh nodes.

Reference: S. Lang et al. (2024), AIFS: ECMWF's data-driven forecasting system, arXiv 2406.01465.
"""

from abc import abstractmethod
from typing import ClassVar

from torch import Tensor, nn

from py4cast.models.graph.along import EdgeProducts
from py4cast.models.graph.attention import EdgeAttention
from py4cast.models.graph.base import MeshModel, Terms
from py4cast.models.graph.edges import Edges
from py4cast.models.graph.graph import Connections, Graph
from py4cast.models.graph.interaction import make_mlp
from py4cast.models.graph.settings import AttentionSettings

__all__ = ["AttentionModel"]


class AttentionModel(MeshModel):
    """Abstract network of attention: encoder and decoder over edges, a processor of its own between."""

    settings_kls: ClassVar[type] = AttentionSettings
    settings: AttentionSettings

    def make_coders(self, graph: Graph, num_output_features: int) -> None:
        hidden, finest = self.settings.hidden_dims, len(graph.nodes[0])
        self.mesh_embedder = self.node_embedder(graph)
        self.g2m_embedder = self.narrow_embedder()
        self.m2g_embedder = self.narrow_embedder()
        self.encoder = self.attention(self.products(graph.grid_to_mesh, graph.num_cells, finest))
        self.decoder = self.attention(self.products(graph.mesh_to_grid, finest, graph.num_cells))
        self.output_map = nn.Sequential(nn.LayerNorm(hidden), nn.Linear(hidden, num_output_features))

    def cell_embedder(self, num_input_features: int) -> nn.Sequential:
        # a linear map, as the norm of the first attention is all that reads it but the decoder's residual
        return nn.Sequential(nn.Linear(num_input_features, self.settings.hidden_dims))

    def narrow_embedder(self) -> nn.Sequential:
        """Of length and difference vector, an eighth as wide as the nodes: each layer widens it for itself."""
        return make_mlp(3, self._edge_width, self.settings.hidden_layers)

    @property
    def _edge_width(self) -> int:
        return max(4, self.settings.hidden_dims // 8)

    def attention(self, products: EdgeProducts, is_within: bool = False) -> EdgeAttention:
        """Attention over a set of edges."""
        s = self.settings
        return EdgeAttention(products, s.hidden_dims, s.num_heads, s.mlp_ratio, self._edge_width, is_within)

    @staticmethod
    def products(connections: Connections, num_senders: int, num_receivers: int) -> EdgeProducts:
        """What the layers over a set of edges share."""
        return EdgeProducts(Edges(connections.senders, connections.receivers, num_senders, num_receivers))

    @abstractmethod
    def static_terms(self) -> Terms:
        """What the processor needs of the edges that never change."""

    def precompute(self) -> Terms:
        return {
            "mesh": self.embedded("mesh_0", self.mesh_embedder),
            "g2m": self.embedded("g2m", self.g2m_embedder),
            "m2g": self.embedded("m2g", self.m2g_embedder),
            **self.static_terms(),
            **self.further_terms(),
        }

    def encode(self, cells: Tensor, terms: Terms) -> Tensor:
        return self.encoder(cells, terms["mesh"], terms["g2m"])  # type: ignore[no-any-return]

    def decode(self, mesh: Tensor, cells: Tensor, terms: Terms) -> Tensor:
        return self.output_map(self.decoder(mesh, cells, terms["m2g"]))  # type: ignore[no-any-return]

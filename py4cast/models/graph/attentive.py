"""What networks of attention on a mesh share: the mesh attends to cells, its processor, cells attend to the mesh.

    v = MLP(x),  m = EA(v → m₀),  v ← v + MLP(v),  m = processor(m),  v = EA(m → v),  y = W·LN(v)

with EA the attention over edges and m₀ the embedded mesh nodes.

Reference: S. Lang et al. (2024), AIFS: ECMWF's data-driven forecasting system, arXiv 2406.01465.
"""

from abc import abstractmethod
from typing import ClassVar

from torch import Tensor, nn

from py4cast.models.graph.attention import EdgeAttention, FeedForward
from py4cast.models.graph.base import MeshModel, Terms
from py4cast.models.graph.blockwise import Block, blockwise
from py4cast.models.graph.edges import Edges
from py4cast.models.graph.graph import Connections, Graph
from py4cast.models.graph.interaction import embed
from py4cast.models.graph.settings import AttentionSettings

__all__ = ["AttentionModel"]


class AttentionModel(MeshModel):
    """Abstract network of attention: encoder and decoder over edges, a processor of its own between."""

    settings_kls: ClassVar[type] = AttentionSettings
    settings: AttentionSettings

    def make_coders(self, graph: Graph, num_output_features: int) -> None:
        finest = len(graph.nodes[0])
        self.g2m_embedder = self.edge_embedder()
        self.m2g_embedder = self.edge_embedder()
        self.encoder = self.attention(graph.grid_to_mesh, graph.num_cells, finest)
        self.cell_mlp = FeedForward(self.settings.hidden_dims, self.settings.mlp_ratio)
        self.decoder = self.attention(graph.mesh_to_grid, finest, graph.num_cells)
        self.output_map = nn.Sequential(
            nn.LayerNorm(self.settings.hidden_dims), nn.Linear(self.settings.hidden_dims, num_output_features)
        )
        self.mesh_embedder = self.node_embedder(graph)

    def attention(
        self, connections: Connections, num_senders: int, num_receivers: int, is_within: bool = False
    ) -> EdgeAttention:
        """Attention over a set of edges."""
        edges = Edges(connections.senders, connections.receivers, num_senders, num_receivers)
        s = self.settings
        return EdgeAttention(edges, s.hidden_dims, s.num_heads, s.mlp_ratio, is_within)

    def edge_term(self, name: str, mlp: nn.Sequential, attention: EdgeAttention) -> Tensor:
        """W_e·a of the edges `name`, which never change, `(edges, 1, hidden)`."""
        return self.each(name, attention.edge(embed(mlp, getattr(self, f"{name}_features"))))

    @abstractmethod
    def static_terms(self) -> Terms:
        """What the processor needs of the edges that never change."""

    def precompute(self) -> Terms:
        return {
            "mesh": self.embedded("mesh_0", self.mesh_embedder),
            "g2m": self.edge_term("g2m", self.g2m_embedder, self.encoder),
            "m2g": self.edge_term("m2g", self.m2g_embedder, self.decoder),
            **self.static_terms(),
        }

    def encode(self, cells: Tensor, terms: Terms) -> Tensor:
        return self.encoder(cells, terms["mesh"], terms["g2m"])  # type: ignore[no-any-return]

    def decode(self, mesh: Tensor, cells: Tensor, terms: Terms) -> Tensor:
        decoder = self.decoder

        def layer(block: Block) -> tuple[Tensor, None]:
            return self.output_map(decoder.on_block(block, self.cell_mlp(block.nodes[0]))), None

        modules: list[nn.Module] = [decoder, self.cell_mlp, self.output_map]
        return blockwise(layer, modules, [cells], decoder.edges, decoder.table(mesh), [terms["m2g"]])[0]

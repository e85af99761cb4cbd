"""What the hierarchical networks share: the embeddings of every level, the way up at first and down at last."""

from abc import abstractmethod

from torch import Tensor, nn

from py4cast.models.graph.base import Addition, GraphModel, Terms
from py4cast.models.graph.graph import Connections, Graph
from py4cast.models.graph.interaction import InteractionNetwork

__all__ = ["HierarchicalModel"]


class HierarchicalModel(GraphModel):
    """Abstract hierarchical network: levels 0 (finest) … L−1.

    At first hₗ₊₁ = IN(hₗ → hₗ₊₁) upward, then `exchange` between all levels, at last hₗ = IN(hₗ₊₁ → hₗ) downward.
    """

    is_hierarchical = True

    def make_processor(self, graph: Graph) -> None:
        levels, gaps = range(graph.num_levels), range(graph.num_levels - 1)
        self.num_levels = graph.num_levels
        self.mesh_embedders = nn.ModuleList([self.node_embedder(graph) for _ in levels])
        self.mesh_same_embedders = nn.ModuleList([self.edge_embedder() for _ in levels])
        self.mesh_up_embedders = nn.ModuleList([self.edge_embedder() for _ in gaps])
        self.mesh_down_embedders = nn.ModuleList([self.edge_embedder() for _ in gaps])
        self.mesh_init_gnns = self.between(graph, "up")
        self.make_exchange(graph)
        self.mesh_read_gnns = self.between(graph, "down", update_edges=False)

    def between(self, graph: Graph, kind: str, update_edges: bool = True) -> nn.ModuleList:
        """Interaction networks of the edges `same`, `up` or `down`, one per level or gap."""
        networks: tuple[Connections, ...] = getattr(graph, kind)
        shifts = {"same": (0, 0), "up": (0, 1), "down": (1, 0)}[kind]
        counts = [len(nodes) for nodes in graph.nodes]
        ends = [(counts[level + shifts[0]], counts[level + shifts[1]]) for level in range(len(networks))]
        return nn.ModuleList([self.interaction(c, *e, update_edges) for c, e in zip(networks, ends, strict=True)])

    @abstractmethod
    def make_exchange(self, graph: Graph) -> None:
        """Makes what exchanges messages between all levels."""

    @abstractmethod
    def exchange(
        self, nodes: list[Tensor], same: list[Tensor], up: list[Tensor], down: list[Tensor]
    ) -> tuple[list[Tensor], list[Tensor]]:
        """Nodes of all levels and edges downward after the exchange."""

    def static_terms(self) -> Terms:
        embedders = {"mesh": self.mesh_embedders, "same": self.mesh_same_embedders, "up": self.mesh_up_embedders, "down": self.mesh_down_embedders}  # fmt: skip
        terms: Terms = {}
        for kind, each in embedders.items():
            for level, embedder in enumerate(each):
                assert isinstance(embedder, nn.Sequential), "made so"
                terms[f"{kind}_{level}"] = self.embedded(f"{kind}_{level}", embedder)
        return terms | {"mesh": terms["mesh_0"]}

    def _risen(self, mesh: Tensor, terms: Terms) -> tuple[list[Tensor], list[Tensor]]:
        """Nodes of all levels and edges upward, after each level has heard the finer one."""
        gaps = range(self.num_levels - 1)
        nodes = [mesh] + [terms[f"mesh_{level + 1}"] for level in gaps]
        up = [terms[f"up_{gap}"] for gap in gaps]
        for gap, network in enumerate(self.mesh_init_gnns):
            nodes[gap + 1], up[gap] = network(nodes[gap], nodes[gap + 1], up[gap])
        return nodes, up

    def coarsest(self, mesh: Tensor, terms: Terms) -> Tensor:
        return self._risen(mesh, terms)[0][-1]

    def process(self, mesh: Tensor, terms: Terms, add: Addition | None = None) -> Tensor:
        gaps = range(self.num_levels - 1)
        nodes, up = self._risen(mesh, terms)
        if add is not None:
            nodes[-1] = add(nodes[-1])
        same = [terms[f"same_{level}"] for level in range(self.num_levels)]
        down = [terms[f"down_{gap}"] for gap in gaps]
        nodes, down = self.exchange(nodes, same, up, down)
        for gap in reversed(gaps):
            reader = self.mesh_read_gnns[gap]
            assert isinstance(reader, InteractionNetwork), "made so"
            nodes[gap], _ = reader(nodes[gap + 1], nodes[gap], down[gap])
        return nodes[0]

"""What all networks on a mesh share, and what those of messages do: grid → mesh → (processor) → mesh → grid, in blocks.

    v = MLP(x),  m = IN(v → m₀),  v ← v + MLP(v),  m = processor(m),  v = IN(m → v),  y = head(v)

with m₀ the embedded mesh nodes. Embeddings of edges and mesh nodes depend on weights alone: `precompute` makes
them once per rollout. Tensors are `(nodes, batch, features)` inside, so that an edge moves one contiguous row
whatever the batch.

Reference: J. Oskarsson, T. Landelius, F. Lindsten (2023), Graph-based Neural Weather Prediction for Limited Area
Modeling, arXiv 2309.17370.
"""

from abc import abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from torch import Tensor, nn

from py4cast.batch import Statics
from py4cast.dataset_info import InputInfo
from py4cast.errors import SettingsError
from py4cast.grid import Grid
from py4cast.models.base import NodeModel
from py4cast.models.graph.blockwise import Block, blockwise
from py4cast.models.graph.cache import cached_graph
from py4cast.models.graph.edges import Edges
from py4cast.models.graph.further import FurtherInput
from py4cast.models.graph.graph import Connections, Graph
from py4cast.models.graph.interaction import InteractionNetwork, embed, make_mlp, run_mlp
from py4cast.models.graph.latent import LatentVariable, divergence
from py4cast.models.graph.meshes import is_even_globe
from py4cast.models.graph.parts import NodePart, cell_owners, part_of
from py4cast.models.graph.settings import GraphSettings, MeshSettings
from py4cast.models.split.group import ModelGroup

__all__ = ["Addition", "GraphModel", "MeshModel", "Terms"]

# static terms by name, each `(nodes or edges, 1, hidden)`
Terms = dict[str, Tensor]
Addition = Callable[[Tensor], Tensor]


class MeshModel(NodeModel):
    """Abstract network on a mesh: v = MLP(x), m ← cells, processor, cells ← m, y = head(v).

    Args:
        num_input_features: of the network's input.
        num_output_features: of its output.
        settings: of the network and its mesh.
        grid: whose cells are the nodes.
        graph: to use instead of the one that the settings describe.
        inputs: further inputs by key, of which the cells hear those that the settings name.
    """

    settings_kls: ClassVar[type]
    onnx_supported = True
    hears_gaps = True
    grids: ClassVar[frozenset[str]] = frozenset({"rectangle", "points"})
    is_hierarchical: ClassVar[bool] = False
    global_mesh: ClassVar[Literal["icosahedral", "octahedral"]] = "icosahedral"
    graph_digest: Tensor

    def __init__(
        self, num_input_features: int, num_output_features: int, settings: MeshSettings, grid: Grid, graph: Graph | None = None,
        inputs: Mapping[str, InputInfo] | None = None,
    ) -> None:  # fmt: skip
        super().__init__()
        self.settings = settings
        graph = self.graph_of(settings, grid) if graph is None else graph
        self.grid_embedder = self.cell_embedder(num_input_features)
        how = (grid, settings.hidden_dims, settings.hidden_layers, settings.num_nearest)
        self.further = nn.ModuleDict({key: FurtherInput((inputs or {})[key], *how) for key in settings.further_inputs})
        self.make_coders(graph, num_output_features)
        self._keep("g2m", graph.grid_to_mesh.features)
        self._keep("m2g", graph.mesh_to_grid.features)
        for level, nodes in enumerate(graph.nodes):
            self._keep(f"mesh_{level}", nodes)
        for kind in ("same", "up", "down"):
            for level, connections in enumerate(getattr(graph, kind)):
                self._keep(f"{kind}_{level}", connections.features)
        # kept with the weights, which are worth nothing on another graph
        self.register_buffer("graph_digest", torch.tensor(graph.digest))
        self.make_processor(graph)

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *args: Any) -> None:
        kept = state_dict.setdefault(prefix + "graph_digest", self.graph_digest)
        if int(kept) != int(self.graph_digest):
            args[-1].append(
                "the mesh that this version lays over the grid is not the one that the weights were trained on"
            )
        super()._load_from_state_dict(state_dict, prefix, *args)

    @classmethod
    def graph_of(cls, settings: MeshSettings, grid: Grid) -> Graph:
        """The graph that the settings describe over a grid, from the cache or made."""
        return cached_graph(grid, cls.mesh_settings(settings, grid), cls.is_hierarchical)

    @classmethod
    def mesh_settings(cls, settings: MeshSettings, grid: Grid) -> MeshSettings:
        """The settings with the mesh that `auto` stands for on an even globe."""
        return replace(settings, mesh=cls.global_mesh) if settings.mesh == "auto" and is_even_globe(grid) else settings

    @classmethod
    def inputs_of(cls, settings: Any) -> tuple[str, ...]:
        return tuple(settings.further_inputs)

    @classmethod
    def rank_zero_setup(cls, settings: Any, statics: Statics) -> None:
        """Nothing: each rank finds the graph in the cache, or builds and puts it there without harm."""

    def _keep(self, name: str, features: Any) -> None:
        # where nodes stand in step with cells, many edges are alike: one of each is embedded
        _, first, inverse = np.unique(np.round(features, 6), axis=0, return_index=True, return_inverse=True)
        are_alike = 2 * first.size < len(features)
        kept = torch.from_numpy(features[first] if are_alike else features).unsqueeze(1)
        self.register_buffer(f"{name}_features", kept, persistent=False)
        index = torch.from_numpy(inverse.reshape(-1)) if are_alike else None
        self.register_buffer(f"{name}_index", index, persistent=False)

    def embedded(self, name: str, mlp: nn.Sequential) -> Tensor:
        """Static nodes or edges by name, embedded, `(nodes or edges, 1, hidden)`."""
        return self.each(name, embed(mlp, getattr(self, f"{name}_features")))

    def each(self, name: str, rows: Tensor) -> Tensor:
        """Rows of every node or edge `name`, from those of each of a kind."""
        index = getattr(self, f"{name}_index")
        return rows if index is None else rows.index_select(0, index)

    def cell_embedder(self, num_input_features: int) -> nn.Sequential:
        """Of the input at a cell."""
        return make_mlp(num_input_features, self.settings.hidden_dims, self.settings.hidden_layers)

    def edge_embedder(self) -> nn.Sequential:
        """Of length and difference vector."""
        return make_mlp(3, self.settings.hidden_dims, self.settings.hidden_layers)

    def node_embedder(self, graph: Graph) -> nn.Sequential:
        """Of a mesh node's position."""
        return make_mlp(graph.nodes[0].shape[1], self.settings.hidden_dims, self.settings.hidden_layers)

    @abstractmethod
    def make_coders(self, graph: Graph, num_output_features: int) -> None:
        """Makes what brings cells to the mesh, and back, and the head."""

    @abstractmethod
    def make_processor(self, graph: Graph) -> None:
        """Makes what turns the mesh's state after listening to the cells into the one that they listen to."""

    @abstractmethod
    def precompute(self) -> Terms:
        """All that depends on weights alone."""

    def further_terms(self) -> Terms:
        """What never changes of the further inputs."""
        return {f"further {key}": listener.precompute() for key, listener in self.further.items()}  # type: ignore[operator]

    def cells_of(self, x: Tensor, terms: Terms, further: Mapping[str, Tensor]) -> Tensor:
        """The cells of an input, after they have heard the further ones, `(cells, batch, hidden)`."""
        cells = embed(self.grid_embedder, x.transpose(0, 1))
        for key, listener in self.further.items():
            cells = listener(cells, further[key], terms[f"further {key}"])
        return cells

    @abstractmethod
    def encode(self, cells: Tensor, terms: Terms) -> Tensor:
        """The finest nodes after listening to the cells, `(nodes, batch, hidden)`."""

    @abstractmethod
    def process(self, mesh: Tensor, terms: Terms) -> Tensor:
        """The state of the finest nodes, `(nodes, batch, hidden)` → the same."""

    @abstractmethod
    def decode(self, mesh: Tensor, cells: Tensor, terms: Terms) -> Tensor:
        """The output at the cells, `(cells, batch, features)`."""

    def forward(self, x: Tensor, terms: Terms | None = None, **further: Tensor) -> Tensor:
        """`(batch, ngrid, features)` → `(batch, ngrid, features)`.

        Args:
            x: of every cell, row by row.
            terms: of `precompute`, where several steps share them.
            further: inputs on points of their own by key, `(batch, lat, lon, features)`, and behind these where they are known.
        """
        terms = self.precompute() if terms is None else terms
        cells = self.cells_of(x, terms, further)
        mesh = self.process(self.encode(cells, terms), terms)
        return self.decode(mesh, cells, terms).transpose(0, 1)


class GraphModel(MeshModel):
    """Abstract network of messages: cells to mesh, a processor on the mesh, mesh to cells.

    Args:
        num_input_features: of the network's input.
        num_output_features: of its output.
        settings: of the network and its mesh.
        grid: whose cells are the nodes.
        graph: to use instead of the one that the settings describe.
        num_latent: numbers of a latent variable on the coarsest nodes, for a strategy that asks for it.
        inputs: further inputs by key, of which the cells hear those that the settings name.
    """

    settings_kls: ClassVar[type] = GraphSettings
    settings: GraphSettings
    reference = "Oskarsson et al. (2023), arXiv 2309.17370"
    takes_latent = True

    def __init__(
        self, num_input_features: int, num_output_features: int, settings: GraphSettings, grid: Grid, graph: Graph | None = None,
        num_latent: int = 0, inputs: Mapping[str, InputInfo] | None = None,
    ) -> None:  # fmt: skip
        graph = self.graph_of(settings, grid) if graph is None else graph
        super().__init__(num_input_features, num_output_features, settings, grid, graph, inputs)
        sizes = (len(graph.nodes[-1]), graph.num_cells, num_input_features, num_output_features, num_latent)
        width = (settings.hidden_dims, settings.hidden_layers)
        self.latent = LatentVariable(*sizes, *width) if num_latent else None
        self._made_of = (num_input_features, num_output_features, grid)

    def part(self, group: ModelGroup) -> NodePart:
        if self.latent is not None:
            raise SettingsError("--distributed domain: a latent variable of a mesh is not cut into parts; expected ddp")
        if self.further:
            raise SettingsError("--distributed domain: further inputs of a mesh are not cut into parts; expected ddp")
        num_inputs, num_outputs, grid = self._made_of
        graph, owners = self.graph_of(self.settings, grid), cell_owners(grid, group)
        if graph.digest != int(self.graph_digest):
            raise SettingsError(
                "--distributed domain: the network has a graph of its own; expected that of its settings"
            )
        part = type(self)(num_inputs, num_outputs, self.settings, grid, part_of(graph, owners, group))
        return NodePart(self, part, owners, group)

    def forward(
        self, x: Tensor, terms: Terms | None = None, condition: Tensor | None = None, **further: Tensor
    ) -> Tensor:
        """`(batch, ngrid, features)` → `(batch, ngrid, features)`.

        Args:
            x: of every cell, row by row.
            terms: of `precompute`, where several steps share them.
            condition: for a latent variable, its noise `(batch, lat, lon, latent)`; with the output that is to come behind it
                the variable is drawn from the posterior, and the last feature of what is given back is each cell's share
                of KL(posterior‖prior).
            further: inputs on points of their own by key.
        """
        if self.latent is None:
            return super().forward(x, terms, **further)
        if condition is None:
            raise ValueError("a network with a latent variable was called without its noise")
        terms = self.precompute() if terms is None else terms
        latent, given = self.latent, condition.flatten(1, 2)
        noise, truth = given[..., : latent.num_latent], given[..., latent.num_latent :]
        posterior = None
        if truth.shape[-1]:
            both = embed(latent.posterior_embedder, torch.cat([x, truth.to(x.dtype)], dim=-1).transpose(0, 1))
            posterior = latent.law(latent.posterior, self.coarsest(self.encode(both, terms), terms))
        shares: list[Tensor] = []

        def add(nodes: Tensor) -> Tensor:
            prior = latent.law(latent.prior, nodes)
            if posterior is not None:
                shares.append(divergence(posterior, prior) / x.shape[1])
            return latent.added(nodes, prior if posterior is None else posterior, noise)

        cells = self.cells_of(x, terms, further)
        mesh = self.process(self.encode(cells, terms), terms, add)
        y = self.decode(mesh, cells, terms).transpose(0, 1)
        return torch.cat([y, *(s[:, None, None].expand(-1, y.shape[1], 1) for s in shares)], dim=-1)

    @abstractmethod
    def process(self, mesh: Tensor, terms: Terms, add: Addition | None = None) -> Tensor:
        """The state of the finest nodes, `(nodes, batch, hidden)` → the same; `add` changes the coarsest on the way."""

    def coarsest(self, mesh: Tensor, terms: Terms) -> Tensor:
        """The coarsest nodes after they have heard the finest; of one level these are the same."""
        return mesh

    def make_coders(self, graph: Graph, num_output_features: int) -> None:
        hidden, layers = self.settings.hidden_dims, self.settings.hidden_layers
        self.g2m_embedder = self.edge_embedder()
        self.m2g_embedder = self.edge_embedder()
        finest = len(graph.nodes[0])
        self.g2m_gnn = self.interaction(graph.grid_to_mesh, graph.num_cells, finest, update_edges=False)
        self.encoding_grid_mlp = make_mlp(hidden, hidden, layers)
        self.m2g_gnn = self.interaction(graph.mesh_to_grid, finest, graph.num_cells, update_edges=False)
        self.output_map = make_mlp(hidden, hidden, layers, num_output_features)

    def static_term(self, name: str, network: InteractionNetwork, mlp: nn.Sequential) -> Tensor:
        """What the edges `name`, which never change, add to the first layer of a network, `(edges, 1, hidden)`."""
        return self.each(name, network.static_term(mlp, getattr(self, f"{name}_features")))

    def edges(self, connections: Connections, num_senders: int, num_receivers: int) -> Edges:
        """The edges of a set, joined as the settings say."""
        return Edges(
            connections.senders,
            connections.receivers,
            num_senders,
            num_receivers,
            self.settings.mesh_aggr == "mean",
            connections.halo,
        )

    def interaction(
        self, connections: Connections, num_senders: int, num_receivers: int, update_edges: bool = True
    ) -> InteractionNetwork:
        """An interaction network over a set of edges."""
        edges = self.edges(connections, num_senders, num_receivers)
        return InteractionNetwork(edges, self.settings.hidden_dims, self.settings.hidden_layers, update_edges)

    @abstractmethod
    def static_terms(self) -> Terms:
        """Embeddings that the processor needs, `mesh` (of the finest nodes) among them."""

    def precompute(self) -> Terms:
        return {
            "g2m": self.static_term("g2m", self.g2m_gnn, self.g2m_embedder),
            "m2g": self.static_term("m2g", self.m2g_gnn, self.m2g_embedder),
            **self.static_terms(),
            **self.further_terms(),
        }

    def encode(self, cells: Tensor, terms: Terms) -> Tensor:
        gnn = self.g2m_gnn

        def layer(block: Block) -> tuple[Tensor, None]:
            return gnn.on_block(block, block.nodes[0]), None

        table = gnn.project(cells)
        return blockwise(layer, [gnn], [terms["mesh"]], gnn.connections, table, [terms["g2m"]])[0]

    def decode(self, mesh: Tensor, cells: Tensor, terms: Terms) -> Tensor:
        gnn = self.m2g_gnn

        def layer(block: Block) -> tuple[Tensor, None]:
            embedded = block.nodes[0] + run_mlp(self.encoding_grid_mlp, block.nodes[0])
            return run_mlp(self.output_map, gnn.on_block(block, embedded)), None

        modules: list[nn.Module] = [gnn, self.encoding_grid_mlp, self.output_map]
        return blockwise(layer, modules, [cells], gnn.connections, gnn.project(mesh), [terms["m2g"]])[0]

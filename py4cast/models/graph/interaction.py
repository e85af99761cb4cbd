"""The interaction network: how nodes of a graph hear from each other.

Per edge j→i with features e:  m = MLPₑ([e, xⱼ, xᵢ]),  aᵢ = Σ m,  xᵢ' = xᵢ + MLPₐ([xᵢ, aᵢ]),  e' = e + m.
MLP(x) = LN(W₂·SiLU(W₁x + b₁) + b₂). The first layer of MLPₑ splits, W[e; s; r] = Wₑe + Wₛs + Wᵣr, so that what
belongs to a node is computed once per node and what never changes once per rollout.

Reference: P. Battaglia et al. (2016), Interaction Networks for Learning about Objects, Relations and Physics,
arXiv 1612.00222.
"""

from abc import ABC, abstractmethod

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from py4cast.models.graph.blockwise import Block, blockwise, silu_linear
from py4cast.models.graph.edges import Edges

__all__ = ["InteractionNetwork", "MessageSum", "Messenger", "embed", "make_mlp", "run_mlp", "run_rest", "update_nodes"]


def make_mlp(num_inputs: int, hidden: int, hidden_layers: int, num_outputs: int | None = None) -> nn.Sequential:
    """Linear and SiLU `hidden_layers` times, Linear, and LayerNorm except where `num_outputs` makes it a head."""
    layers: list[nn.Module] = []
    for width in [num_inputs] + [hidden] * (hidden_layers - 1):
        layers += [nn.Linear(width, hidden), nn.SiLU()]
    layers.append(nn.Linear(hidden, hidden if num_outputs is None else num_outputs))
    return nn.Sequential(*layers, *([nn.LayerNorm(hidden)] if num_outputs is None else []))


def run_rest(mlp: nn.Sequential, x: Tensor, start: int = 1) -> Tensor:
    """The rest of an MLP from its layer `start` on."""
    for layer in list(mlp)[start:]:
        if isinstance(layer, nn.Linear):
            x = silu_linear(x, layer)
        elif isinstance(layer, nn.LayerNorm):
            x = layer(x)
    return x


def run_mlp(mlp: nn.Sequential, x: Tensor) -> Tensor:
    """The MLP of `(..., features)`."""
    return run_rest(mlp, mlp[0](x))


def embed(mlp: nn.Sequential, x: Tensor) -> Tensor:
    """The MLP of rows `(rows, batch or 1, features)`, in blocks."""
    return blockwise(lambda block: (run_mlp(mlp, block.nodes[0]), None), [mlp], [x])[0]


def update_nodes(mlp: nn.Sequential, nodes: Tensor, sums: Tensor) -> Tensor:
    """X' = x + MLPₐ([x, a]) of nodes x with the sums a of their messages."""
    weight: Tensor = mlp[0].weight  # type: ignore[assignment]
    of_node, heard = torch.split(weight, nodes.shape[-1], dim=1)
    first = F.linear(nodes, of_node, mlp[0].bias) + F.linear(sums, heard)  # type: ignore[arg-type]
    return nodes + run_rest(mlp, first)


class Messenger(nn.Module, ABC):
    """Abstract network of messages over fixed edges.

    Args:
        connections: the edges.
        hidden: width of everything.
        hidden_layers: of each MLP.
    """

    def __init__(self, connections: Edges, hidden: int, hidden_layers: int) -> None:
        super().__init__()
        self.connections = connections
        self.hidden = hidden
        self.edge_mlp = make_mlp(3 * hidden, hidden, hidden_layers)

    def _first(self) -> tuple[Tensor, ...]:
        weight: Tensor = self.edge_mlp[0].weight  # type: ignore[assignment]
        return torch.split(weight, self.hidden, dim=1)

    def edge_term(self, edges: Tensor) -> Tensor:
        """What edges add to the first layer, Wₑe + b, `(edges, batch or 1, hidden)`."""
        return F.linear(edges, self._first()[0], self.edge_mlp[0].bias)  # type: ignore[arg-type]

    def static_term(self, embedder: nn.Sequential, features: Tensor) -> Tensor:
        """The edge term of edges that never change, from their features, `(edges, 1, hidden)`."""

        def layer(block: Block) -> tuple[Tensor, None]:
            return self.edge_term(run_mlp(embedder, block.nodes[0])), None

        return blockwise(layer, [embedder, self.edge_mlp[0]], [features], keeps=False)[0]

    def project(self, senders: Tensor) -> Tensor:
        """The senders' table as `blockwise` gathers from it, where other ranks have some of them with theirs."""
        return self.connections.grown(F.linear(senders, self._first()[1]))

    def messages(self, block: Block, receivers: Tensor, term: Tensor) -> Tensor:
        """M of the block's edges."""
        second: nn.Linear = self.edge_mlp[2]  # type: ignore[assignment]
        norm = self.edge_mlp[3]
        heard = block.hear(
            term, F.linear(receivers, self._first()[2]), second, norm if isinstance(norm, nn.LayerNorm) else None
        )
        return run_rest(self.edge_mlp, heard, start=3 if isinstance(norm, nn.SiLU) else 4)

    @abstractmethod
    def forward(self, senders: Tensor, receivers: Tensor, edges: Tensor) -> tuple[Tensor, Tensor]:
        """What receivers get, and e'.

        Args:
            senders: `(senders, batch or 1, hidden)`.
            receivers: `(receivers, batch or 1, hidden)`.
            edges: `(edges, batch or 1, hidden)`.
        """


class MessageSum(Messenger):
    """Creates a network whose receivers get the bare sum of their messages, to be added to others."""

    def forward(self, senders: Tensor, receivers: Tensor, edges: Tensor) -> tuple[Tensor, Tensor]:
        def layer(block: Block) -> tuple[Tensor, Tensor]:
            m = self.messages(block, block.nodes[0], self.edge_term(block.edges[0]))
            return block.reduce(m), block.edges[0] + m

        sums, changed = blockwise(layer, [self], [receivers], self.connections, self.project(senders), [edges])
        assert changed is not None, "the layer gives both"
        return sums, changed


class InteractionNetwork(Messenger):
    """Creates one interaction network: receivers get x'.

    Args:
        connections: the edges.
        hidden: width of everything.
        hidden_layers: of each MLP.
        update_edges: whether edges change too.
    """

    def __init__(self, connections: Edges, hidden: int, hidden_layers: int, update_edges: bool = True) -> None:
        super().__init__(connections, hidden, hidden_layers)
        self.update_edges = update_edges
        self.aggr_mlp = make_mlp(2 * hidden, hidden, hidden_layers)

    def on_block(self, block: Block, receivers: Tensor) -> Tensor:
        """The block's receivers after it, from edges that never change (`block.edges[0]` is their term)."""
        return update_nodes(self.aggr_mlp, receivers, block.reduce(self.messages(block, receivers, block.edges[0])))

    def forward(self, senders: Tensor, receivers: Tensor, edges: Tensor) -> tuple[Tensor, Tensor]:
        def layer(block: Block) -> tuple[Tensor, Tensor | None]:
            cells, e = block.nodes[0], block.edges[0]
            m = self.messages(block, cells, self.edge_term(e))
            return update_nodes(self.aggr_mlp, cells, block.reduce(m)), e + m if self.update_edges else None

        nodes, changed = blockwise(layer, [self], [receivers], self.connections, self.project(senders), [edges])
        return nodes, edges if changed is None else changed

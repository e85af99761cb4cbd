"""A latent variable on the coarsest nodes of a mesh: what moves the members of a network of messages.

    prior      z = μ(m) + σ(m)·η          of the nodes m that have heard the cells
    posterior  z = μ_q(m_q) + σ_q(m_q)·η  of nodes that have heard the next state too; in training
    m ← m + MLP(z)

Reference: J. Oskarsson et al. (2024), Probabilistic weather forecasting with hierarchical graph neural networks,
arXiv 2406.04759.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from py4cast.models.graph.interaction import embed, make_mlp

__all__ = ["LatentVariable", "divergence"]


class _Law(NamedTuple):
    """A normal law of every node's numbers, `(nodes, batch, latent)` each.

    Args:
        mean: μ.
        log_std: log σ.
    """

    mean: Tensor
    log_std: Tensor


def divergence(q: _Law, p: _Law) -> Tensor:
    """KL(q‖p) = Σ log σ_p/σ_q + (σ_q² + (μ_q − μ_p)²)/(2σ_p²) − ½ over nodes and numbers, `(batch,)`."""
    square = (2 * q.log_std).exp() + (q.mean - p.mean).square()
    each = p.log_std - q.log_std + 0.5 * square * (-2 * p.log_std).exp() - 0.5
    return each.sum((0, 2))


class LatentVariable(nn.Module):
    """Creates the variable, its prior and its posterior; both begin as standard normal.

    Args:
        num_nodes: of the level that it lives on.
        num_cells: of the grid, on which its noise is given.
        num_inputs: features of the network's input.
        num_outputs: of its output, which the posterior sees.
        num_latent: numbers per node.
        hidden: width of nodes.
        hidden_layers: of each MLP.

    Raises:
        ValueError: more nodes than cells, whose noise is too little.
    """

    cells: Tensor

    def __init__(
        self, num_nodes: int, num_cells: int, num_inputs: int, num_outputs: int, num_latent: int, hidden: int, hidden_layers: int
    ) -> None:  # fmt: skip
        super().__init__()
        if num_nodes > num_cells:
            raise ValueError(
                f"its mesh has {num_nodes} nodes at the coarsest level, the grid {num_cells} cells of noise; expected fewer nodes"
            )
        self.num_latent = num_latent
        self.posterior_embedder = make_mlp(num_inputs + num_outputs, hidden, hidden_layers)
        self.prior, self.posterior = (make_mlp(hidden, hidden, hidden_layers, 2 * num_latent) for _ in range(2))
        for head in (self.prior, self.posterior):
            last = head[-1]
            assert isinstance(last, nn.Linear), "a head has no norm"
            nn.init.zeros_(last.weight)
            nn.init.zeros_(last.bias)
        self.embedder = make_mlp(num_latent, hidden, hidden_layers)
        # noise is white: any cell of its own serves a node, whatever their places
        self.register_buffer("cells", torch.arange(num_nodes) * num_cells // num_nodes, persistent=False)

    def law(self, head: nn.Sequential, nodes: Tensor) -> _Law:
        """The law that a head makes of nodes `(nodes, batch, hidden)`."""
        mean, log_std = embed(head, nodes).chunk(2, dim=-1)
        # within e^±5, so that a law can neither vanish nor explode
        return _Law(mean, 5 * torch.tanh(log_std / 5))

    def added(self, nodes: Tensor, law: _Law, noise: Tensor) -> Tensor:
        """The nodes with the variable of a law added, of noise at the cells `(batch, cells, latent)`."""
        of_nodes = noise.index_select(1, self.cells).transpose(0, 1).to(nodes.dtype)
        return nodes + embed(self.embedder, law.mean + law.log_std.exp() * of_nodes)

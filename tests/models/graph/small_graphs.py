"""A graph of a few nodes, and layers written plainly, edge by edge, for tests of graph networks."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from py4cast.models.graph.edges import Edges
from py4cast.models.graph.graph import Connections, Graph

NUM_CELLS, COUNTS = 6, (4, 3, 2)


def joined(num_senders: int, num_receivers: int, seed: int, num_edges: int | None = None) -> Connections:
    """Some of all edges between two sets of nodes, sorted by receiver, with random features."""
    rng = np.random.default_rng(seed)
    whole = num_senders * num_receivers
    chosen = np.sort(rng.choice(whole, num_edges or 2 * whole // 3, replace=False))
    features = rng.standard_normal((chosen.size, 3)).astype(np.float32)
    return Connections(chosen % num_senders, chosen // num_senders, features)


def tiny_graph(num_levels: int = 1) -> Graph:
    """Six cells under levels of four, three and two nodes."""
    counts = COUNTS[:num_levels]
    rng = np.random.default_rng(7)
    nodes = tuple(rng.standard_normal((n, 2)).astype(np.float32) for n in counts)
    gaps = range(num_levels - 1)
    return Graph(
        num_cells=NUM_CELLS,
        nodes=nodes,
        places=tuple(n.astype(np.float64) for n in nodes),
        grid_to_mesh=joined(NUM_CELLS, counts[0], 1),
        mesh_to_grid=joined(counts[0], NUM_CELLS, 2),
        same=tuple(joined(n, n, 10 + k) for k, n in enumerate(counts)),
        up=tuple(joined(counts[k], counts[k + 1], 20 + k) for k in gaps),
        down=tuple(joined(counts[k + 1], counts[k], 30 + k) for k in gaps),
    )


def messages(edge_mlp: Any, joins: Edges, senders: Tensor, receivers: Tensor, e: Tensor) -> Tensor:
    """MLP([e, xⱼ, xᵢ]) of each edge, `(edges, batch, hidden)`."""
    batch = max(t.shape[1] for t in (senders, receivers, e))
    rows = (e, senders[joins.senders], receivers[joins.receivers])
    message: Tensor = edge_mlp(torch.cat([r.expand(-1, batch, -1) for r in rows], -1))
    return message


def sums_of(joins: Edges, rows: Tensor) -> Tensor:
    """Sums of the edges' rows by receiver, one edge after the other."""
    total = rows.new_zeros(joins.num_receivers, *rows.shape[1:])
    for receiver, row in zip(joins.receivers.tolist(), rows, strict=True):
        total[receiver] += row
    return total


def interaction(network: Any, senders: Tensor, receivers: Tensor, e: Tensor) -> tuple[Tensor, Tensor]:
    """X' = x + MLP([x, Σm]) and e' = e + m, or e where the network leaves edges as they are."""
    m = messages(network.edge_mlp, network.connections, senders, receivers, e)
    heard = sums_of(network.connections, m)
    kept = receivers.expand(-1, m.shape[1], -1)
    return kept + network.aggr_mlp(torch.cat([kept, heard], -1)), e + m if network.update_edges else e


def rows_of(features: Sequence[np.ndarray] | np.ndarray) -> Tensor:
    """Features of nodes or edges as `(rows, 1, features)` in double precision."""
    return torch.from_numpy(np.asarray(features)).double().unsqueeze(1)

"""Attention over edges: how a node of a graph chooses whom it hears.

Per head of width d, edge j→i with features e, LN the norm of each side:

    q = W_q·LN(xᵢ),  k = W_k·LN(xⱼ),  v = W_v·LN(xⱼ),  e = W_e·aⱼᵢ
    α = softmax over the edges of i of q·(k + e)/√d,   mᵢ = Σⱼ α·(v + e)
    xᵢ ← xᵢ + P(mᵢ + W_s·LN(xᵢ)),   xᵢ ← xᵢ + W₂·GELU(W₁·LN(xᵢ))

What belongs to a node is computed once per node, what never changes once per rollout. A receiver's scores stand in a
row, filled up where it has fewer edges than others, so that the softmax is exact whatever the scores: no bound stands
for their maximum.

References: Y. Shi et al. (2021), Masked Label Prediction: Unified Message Passing Model for Semi-Supervised
Classification, arXiv 2009.03509; S. Lang et al. (2024), AIFS, arXiv 2406.01465.
"""

from math import sqrt
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from py4cast.models.graph.blockwise import Block, blockwise, shrunk
from py4cast.models.graph.edges import Edges

__all__ = ["EdgeAttention", "FeedForward"]


class FeedForward(nn.Module):
    """Creates x + W₂·GELU(W₁·LN(x)), whose backward pass keeps one of the two wide arrays.

    Args:
        hidden: width of the input and of the output.
        ratio: width of the hidden layer over it.
    """

    def __init__(self, hidden: int, ratio: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(hidden)
        self.widen = nn.Linear(hidden, ratio * hidden)
        self.narrow = nn.Linear(ratio * hidden, hidden)

    def forward(self, x: Tensor) -> Tensor:
        """The rows after it, `(..., hidden)` → the same."""
        wide = self.widen(self.norm(x))
        if torch.compiler.is_compiling() or torch.is_autocast_enabled(x.device.type) or not torch.is_grad_enabled():
            return torch.add(x, self.narrow(F.gelu(wide)))
        return x + _GELULinear.apply(wide, self.narrow.weight, self.narrow.bias)  # type: ignore[no-untyped-call, no-any-return]


class _GELULinear(torch.autograd.Function):
    """W·GELU(x) + b that keeps x alone."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        ctx.save_for_backward(x, weight)
        return F.linear(F.gelu(x), weight, bias)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, ...]:
        x, weight = ctx.saved_tensors
        rows = gradient.flatten(0, -2)
        of_weight = rows.T @ F.gelu(x).flatten(0, -2)
        return torch.ops.aten.gelu_backward(gradient @ weight, x), of_weight, rows.sum(0)


class EdgeAttention(nn.Module):
    """Creates one layer of attention over fixed edges.

    Args:
        edges: who sends to whom.
        hidden: width of everything.
        num_heads: heads, a divisor of `hidden`.
        ratio: width of the hidden layer after it, over `hidden`.
        is_within: whether senders are the receivers, which then have one norm.
    """

    def __init__(self, edges: Edges, hidden: int, num_heads: int, ratio: int, is_within: bool = False) -> None:
        super().__init__()
        self.edges = edges
        self.num_heads = num_heads
        self.norm = nn.LayerNorm(hidden)
        self.sender_norm = self.norm if is_within else nn.LayerNorm(hidden)
        self.query = nn.Linear(hidden, hidden)
        self.key_value = nn.Linear(hidden, 2 * hidden)
        self.edge = nn.Linear(hidden, hidden)
        self.self_term = nn.Linear(hidden, hidden)
        self.projection = nn.Linear(hidden, hidden)
        self.feed_forward = FeedForward(hidden, ratio)

    def table(self, senders: Tensor) -> Tensor:
        """Keys and values of the senders, `(senders, batch, 2 · hidden)`."""

        def layer(block: Block) -> tuple[Tensor, None]:
            return self.key_value(self.sender_norm(block.nodes[0])), None

        return blockwise(layer, [self.sender_norm, self.key_value], [senders])[0]

    def on_block(self, block: Block, receivers: Tensor) -> Tensor:
        """The block's receivers after it; `block.edges[0]` is W_e·a of its edges, `block.table` of their senders."""
        x = self.norm(receivers)
        heard = attend(block, self.query(x), block.edges[0], self.num_heads)
        return self.feed_forward(receivers + self.projection(heard + self.self_term(x)))  # type: ignore[no-any-return]

    def forward(self, senders: Tensor, receivers: Tensor, term: Tensor) -> Tensor:
        """The receivers after it, `(receivers, batch, hidden)`.

        Args:
            senders: `(senders, batch or 1, hidden)`.
            receivers: `(receivers, batch or 1, hidden)`.
            term: W_e·a of the edges, `(edges, 1, hidden)`.
        """
        return blockwise(
            lambda block: (self.on_block(block, block.nodes[0]), None),
            [self], [receivers], self.edges, self.table(senders), [term],
        )[0]  # fmt: skip


def attend(block: Block, query: Tensor, term: Tensor, num_heads: int) -> Tensor:
    """Σⱼ α·(v + e) of the block's receivers, `(receivers, batch, hidden)`."""
    assert block.table is not None, "only edges are attended to"
    table, term = block.table, term.to(query.dtype)
    if table.anchor is None or not torch.is_grad_enabled():
        key, value = _heard(block, table.rows, term)
        return _of_heads(block, _shares(block, query, key, num_heads), value)
    with torch.autocast(query.device.type, enabled=False):
        return _Attend.apply(block, num_heads, table.anchor, query, term)  # type: ignore[no-untyped-call, no-any-return]


def _heard(block: Block, rows: Tensor, term: Tensor) -> tuple[Tensor, ...]:
    """K + e and v + e of the block's edges, each `(edges, batch, hidden)`."""
    key, value = rows.index_select(0, block.senders()).chunk(2, dim=-1)
    return key + term, value + term


def _shares(block: Block, query: Tensor, key: Tensor, num_heads: int) -> Tensor:
    """α of the block's edges, `(edges, batch, heads)`."""
    assert block.connections is not None, "only edges have shares"
    width = query.shape[-1] // num_heads
    scores = _per_head(block.connections.times(key, query, block.first, block.last), num_heads).sum(-1)
    return block.connections.softmax(scores / sqrt(width), block.first, block.last)


def _of_heads(block: Block, shares: Tensor, rows: Tensor) -> Tensor:
    """Sums of the edges' rows by receiver, each head with its shares."""
    assert block.connections is not None, "only edges are summed"
    return block.connections.total(_weighted(shares, rows), block.first, block.last)


def _per_head(rows: Tensor, num_heads: int) -> Tensor:
    return rows.reshape(*rows.shape[:-1], num_heads, -1)


def _weighted(shares: Tensor, rows: Tensor) -> Tensor:
    num_heads = shares.shape[-1]
    return (shares.unsqueeze(-1) * _per_head(rows, num_heads)).flatten(-2)


class _Attend(torch.autograd.Function):
    """Keeps queries, terms and shares: keys and values of edges are gathered again, which costs less than to keep them."""

    @staticmethod
    def forward(ctx: Any, block: Block, num_heads: int, anchor: Tensor, query: Tensor, term: Tensor) -> Tensor:
        assert block.table is not None, "only edges are attended to"
        ctx.block = block._replace(nodes=(), edges=())
        key, value = _heard(block, block.table.rows, term)
        shares = _shares(block, query, key, num_heads)
        ctx.save_for_backward(query, term, shares)
        return _of_heads(block, shares, value)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        query, term, shares = ctx.saved_tensors
        block, num_heads = ctx.block, shares.shape[-1]
        edges, table, span = block.connections, block.table, (block.first, block.last)
        key, value = _heard(block, table.rows, term)
        of_shares = _per_head(edges.times(value, gradient, *span), num_heads).sum(-1)
        # of a softmax: α·(g − Σ α·g)
        of_scores = shares * edges.add(of_shares, -edges.total(shares * of_shares, *span), *span)
        of_scores = of_scores / sqrt(query.shape[-1] // num_heads)
        of_query = shrunk(_of_heads(block, of_scores, key), query)
        ones = torch.ones_like(key)
        of_key = edges.times(_weighted(of_scores, ones), query, *span)
        of_value = edges.times(_weighted(shares, ones), gradient, *span)
        if table.gradient is not None:
            both = torch.cat([of_key, of_value], dim=-1)
            table.gradient.index_add_(0, block.senders(), shrunk(both, table.gradient))
        return None, None, gradient.new_zeros(()), of_query, shrunk(of_key + of_value, term)

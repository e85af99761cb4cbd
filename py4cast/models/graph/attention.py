"""Attention over edges: how a node of a graph chooses whom it hears.

Per head of width d, edge j→i with features e, LN the norm of each side:

    q = W_q·LN(xᵢ),  k = W_k·LN(xⱼ),  v = W_v·LN(xⱼ),  e = W_e·aⱼᵢ
    α = softmax over the edges of i of q·(k + e)/√d,   mᵢ = Σⱼ α·(v + e)
    xᵢ ← xᵢ + P(mᵢ + W_s·LN(xᵢ)),   xᵢ ← xᵢ + W₂·GELU(W₁·LN(xᵢ))

What belongs to a node is computed once per node. So is all that a matrix does to edges: q·W_e·a = (W_eᵀq)·a and
Σ α·W_e·a = W_e·Σ α·a, so that edges have a few numbers each and no row as wide as a node's. The softmax is exact
whatever the scores: no bound stands for their maximum. The backward pass keeps rows of nodes and the shares α alone.

References: Y. Shi et al. (2021), Masked Label Prediction: Unified Message Passing Model for Semi-Supervised
Classification, arXiv 2009.03509; S. Lang et al. (2024), AIFS, arXiv 2406.01465.
"""

from math import sqrt
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from py4cast.models.graph.along import EdgeProducts, Products
from py4cast.models.graph.blockwise import Block, blockwise, gelu_linear

__all__ = ["EdgeAttention", "FeedForward"]


class FeedForward(nn.Module):
    """Creates x + W₂·GELU(W₁·LN(x)), whose backward pass keeps one of the two wide arrays.

    Args:
        hidden: width of the input and of the output.
        ratio: width of the hidden layer over it.
    """

    def __init__(self, hidden: int, ratio: int) -> None:
        super().__init__()
        self.ratio = ratio
        self.norm = nn.LayerNorm(hidden)
        self.widen = nn.Linear(hidden, ratio * hidden)
        self.narrow = nn.Linear(ratio * hidden, hidden)

    def forward(self, x: Tensor) -> Tensor:
        """The rows after it, `(..., hidden)` → the same."""
        return x + gelu_linear(self.widen(self.norm(x)), self.narrow)


class EdgeAttention(nn.Module):
    """Creates one layer of attention over fixed edges.

    Args:
        products: along the edges.
        hidden: width of the nodes.
        num_heads: heads, a divisor of `hidden`.
        ratio: width of the hidden layer after it, over `hidden`.
        edge_width: of the edges' features a.
        is_within: whether senders are the receivers, which then have one norm.
    """

    of_head: Tensor

    def __init__(
        self, products: EdgeProducts, hidden: int, num_heads: int, ratio: int, edge_width: int, is_within: bool = False
    ) -> None:  # fmt: skip
        super().__init__()
        self.products = products
        self.num_heads = num_heads
        self.norm = nn.LayerNorm(hidden)
        self.sender_norm = self.norm if is_within else nn.LayerNorm(hidden)
        self.query = nn.Linear(hidden, hidden)
        self.key = nn.Linear(hidden, hidden)
        self.value = nn.Linear(hidden, hidden)
        self.self_term = nn.Linear(hidden, hidden)
        self.edge = nn.Linear(edge_width, hidden)
        self.projection = nn.Linear(hidden, hidden)
        self.feed_forward = FeedForward(hidden, ratio)
        of_head = torch.eye(num_heads).repeat_interleave(hidden // num_heads, 0).repeat_interleave(edge_width, 1)
        self.register_buffer("of_head", of_head, persistent=False)

    def forward(self, senders: Tensor, receivers: Tensor, features: Tensor) -> Tensor:
        """The receivers after it, `(receivers, batch, hidden)`.

        Args:
            senders: `(senders, batch, hidden)`.
            receivers: `(receivers, batch or 1, hidden)`.
            features: of the edges, `(edges, 1, edge_width)`.
        """
        receivers = receivers.expand(-1, senders.shape[1], -1)
        x = self.norm(receivers)
        y = x if senders is receivers else self.sender_norm(senders)
        # of the weights, 1/√d costs nothing
        scale = 1 / sqrt(x.shape[-1] // self.num_heads)
        query = F.linear(x, scale * self.query.weight, scale * self.query.bias)
        heard = self._heard(query, self.key(y), self.value(y), features.squeeze(1)) + self.self_term(x)

        def layer(block: Block) -> tuple[Tensor, None]:
            rows, of_edges = block.nodes
            return self.feed_forward(rows + self.projection(of_edges)), None

        modules: list[nn.Module] = [self.projection, self.feed_forward]
        return blockwise(layer, modules, [receivers, heard], widening=self.feed_forward.ratio)[0]

    def _heard(self, query: Tensor, key: Tensor, value: Tensor, features: Tensor) -> Tensor:
        """Σⱼ α·(v + e), `(receivers, batch, hidden)`."""
        # each head's block of W_e on a diagonal, (hidden, heads · edge_width)
        of_edges = self.edge.weight.repeat(1, self.num_heads) * self.of_head
        rows = [_exact(_per_head(t, self.num_heads)) for t in (query, key, value, query @ of_edges)]
        products = self.products.of(rows[0])
        if torch.compiler.is_compiling():
            heard, told, _ = _attend(products, *rows, _exact(features))
        else:
            with torch.autocast(query.device.type, enabled=False):
                heard, told = _Attend.apply(products, *rows, _exact(features))  # type: ignore[no-untyped-call]
        # shares sum to one, so that the bias of W_e comes through as it is
        told = F.linear(told.flatten(2).to(of_edges.dtype), of_edges, self.edge.bias)
        return heard.flatten(2).to(value.dtype) + told


def _per_head(rows: Tensor, num_heads: int) -> Tensor:
    return rows.reshape(*rows.shape[:-1], num_heads, -1)


def _exact(rows: Tensor) -> Tensor:
    """Scores and shares are never of fewer than 32 bits, whatever autocast says."""
    return rows if rows.dtype in (torch.float32, torch.float64) else rows.float()


def _attend(products: Products, *tensors: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Σ α·v and Σ α·a by receiver and head, and the shares α, of queries, keys, values, W_eᵀq and features."""
    query, key, value, of_edges, features = tensors
    scores = products.dots(query, key) + products.dots_of_edges(of_edges, features)
    shares = products.softmax(scores)
    told = products.sums_of_edges(shares, features)
    return products.sums(shares, value), told.reshape(*query.shape[:-1], -1), shares


class _Attend(torch.autograd.Function):
    """Keeps rows of nodes and the shares: all else of the edges is computed again."""

    @staticmethod
    def forward(ctx: Any, products: Products, *tensors: Tensor) -> tuple[Tensor, Tensor]:
        heard, told, shares = _attend(products, *tensors)
        ctx.products = products
        ctx.save_for_backward(*tensors, shares)
        return heard, told

    @staticmethod
    def backward(ctx: Any, of_heard: Tensor, of_told: Tensor) -> tuple[Tensor | None, ...]:
        query, key, value, of_edges, features, shares = ctx.saved_tensors
        products: Products = ctx.products
        of_shares = products.dots(of_heard, value) + products.dots_of_edges(of_told, features)
        of_scores = products.softmax_back(shares, of_shares)
        of_features = None
        if ctx.needs_input_grad[5]:
            of_features = products.back_to_edges(of_scores, of_edges) + products.back_to_edges(shares, of_told)
        return (
            None,
            products.sums(of_scores, key),
            products.back(of_scores, query),
            products.back(shares, of_heard),
            products.sums_of_edges(of_scores, features).reshape(of_edges.shape),
            of_features,
        )

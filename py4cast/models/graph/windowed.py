"""Windowed self-attention: every node attends to those near it in an order that keeps neighbours together.

Node i of N attends to all j with |i − j| ≤ w. Blocks of w queries meet the keys of their own block and of both
neighbours, under a mask of the band: exact, and cost and memory grow with N·w instead of N².

Reference: S. Lang et al. (2024), AIFS: ECMWF's data-driven forecasting system, arXiv 2406.01465.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from py4cast.models.graph.attention import FeedForward
from py4cast.models.graph.blockwise import Block, blockwise

__all__ = ["WindowedAttention", "banded_attention"]


def banded_attention(query: Tensor, key: Tensor, value: Tensor, window: int) -> Tensor:
    """Σⱼ softmax(q·k/√d)·v over |i − j| ≤ window, `(batch, heads, nodes, d)`.

    Args:
        query: `(batch, heads, nodes, d)`.
        key: the same.
        value: the same.
        window: w.
    """
    count = query.shape[2]
    if window >= count - 1:
        return F.scaled_dot_product_attention(query, key, value)
    num_blocks = -(-count // window)
    over = num_blocks * window - count
    query, key, value = (_blocks(F.pad(t, (0, 0, 0, over)), window) for t in (query, key, value))
    key, value = _with_neighbours(key), _with_neighbours(value)
    # the band is the same for all blocks but those at the ends and the one before the last, which is filled up
    ends = [block for block in range(num_blocks) if block == 0 or block + 2 >= num_blocks]
    parts = [_of_blocks(query, key, value, block, block + 1, band(block, window, count, query)) for block in ends]
    if num_blocks > 3:
        middle = _of_blocks(query, key, value, 1, num_blocks - 2, band(1, window, count, query))
        parts.insert(1, middle)
    return torch.cat(parts, dim=2).flatten(2, 3)[:, :, :count]


def _blocks(nodes: Tensor, window: int) -> Tensor:
    """`(batch, heads, nodes, d)` as `(batch, heads, blocks, window, d)`."""
    return nodes.reshape(*nodes.shape[:2], -1, window, nodes.shape[-1])


def _of_blocks(query: Tensor, key: Tensor, value: Tensor, first: int, last: int, mask: Tensor) -> Tensor:
    """Attention within the blocks `first … last − 1`, `(batch, heads, blocks, window, d)`."""
    # (batch · blocks, heads, window or 3·window, d)
    query, key, value = (t[:, :, first:last].transpose(1, 2).flatten(0, 1) for t in (query, key, value))
    heads = F.scaled_dot_product_attention(query, key, value, attn_mask=mask)
    return heads.reshape(-1, last - first, *heads.shape[1:]).transpose(1, 2)


def band(block: int, window: int, count: int, like: Tensor) -> Tensor:
    """What is added to the scores of a block's nodes, `(window, 3·window)`: 0 for keys within the window, else −∞."""
    rows, columns = (torch.arange(n, device=like.device) for n in (window, 3 * window))
    inside = (columns[None] - window - rows[:, None]).abs() <= window
    node = (block - 1) * window + columns
    exists = (node >= 0) & (node < count)
    # a query that stands for no node attends to what is near, so that its softmax is of something
    beyond = block * window + rows >= count
    seen = inside & (exists[None] | beyond[:, None])
    return torch.zeros(seen.shape, dtype=like.dtype, device=like.device).masked_fill(~seen, float("-inf"))


def _with_neighbours(blocks: Tensor) -> Tensor:
    """Each block beside the one before and the one after, `(batch, heads, blocks, 3·window, d)`."""
    padded = F.pad(blocks, (0, 0, 0, 0, 1, 1))
    return torch.cat([padded[:, :, :-2], blocks, padded[:, :, 2:]], dim=3)


class WindowedAttention(nn.Module):
    """Creates one layer: x ← x + P·SA(LN(x)), x ← x + W₂·GELU(W₁·LN(x)), with SA within the window.

    Args:
        hidden: width of everything.
        num_heads: heads, a divisor of `hidden`.
        ratio: width of the hidden layer after it, over `hidden`.
        window: nodes on each side.
    """

    def __init__(self, hidden: int, num_heads: int, ratio: int, window: int) -> None:
        super().__init__()
        self.num_heads, self.window = num_heads, window
        self.norm = nn.LayerNorm(hidden)
        self.query_key_value = nn.Linear(hidden, 3 * hidden)
        self.projection = nn.Linear(hidden, hidden)
        self.feed_forward = FeedForward(hidden, ratio)

    def forward(self, nodes: Tensor) -> Tensor:
        """Nodes in their order, `(nodes, batch, hidden)` → the same."""
        # (3, batch, heads, nodes, d)
        three: Tensor = self.query_key_value(self.norm(nodes))
        query, key, value = three.reshape(*nodes.shape[:2], 3, self.num_heads, -1).permute(2, 1, 3, 0, 4)
        heard = banded_attention(query, key, value, self.window)

        def layer(block: Block) -> tuple[Tensor, None]:
            return self.feed_forward(block.nodes[0] + self.projection(block.nodes[1])), None

        rows = heard.permute(2, 0, 1, 3).flatten(2)
        modules: list[nn.Module] = [self.projection, self.feed_forward]
        return blockwise(layer, modules, [nodes, rows], widening=self.feed_forward.ratio)[0]

"""Layers of edges and their receivers, computed in blocks that stay in the processor's cache.

A message-passing layer on a grid is bound by memory as much as by arithmetic: written plainly, every operation
reads and writes an array of all edges, and the backward pass keeps each of them. Here a block of receivers, with
the edges that end in it, goes through the whole layer before the next one starts, and the backward pass takes the
blocks in reverse. Results and gradients are those of the plain layer, up to the order of sums.
"""

from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from py4cast.models.graph.edges import Edges

__all__ = ["Block", "Layer", "Table", "blockwise", "gelu_linear", "silu_linear"]

# rows of hidden features per block: 2 MB of float32 at width 64, which a core's caches hold; elsewhere launches count
_ROWS_CPU = 8192
_ROWS_OTHER = 1 << 20


class Table:
    """The senders' rows, and where their gradient gathers from block to block instead of one array for each.

    Args:
        rows: `(senders, batch or 1, features)`.
        is_shared: whether several blocks gather from it; a single one leaves the gradient to autograd.
    """

    def __init__(self, rows: Tensor, is_shared: bool) -> None:
        self.rows = rows
        # what makes messages part of a graph even where nothing but the senders needs a gradient
        self.anchor = rows.new_zeros((), requires_grad=True) if is_shared else None
        self.gradient: Tensor | None = None


class Block(NamedTuple):
    """What a layer sees of one block of receivers and the edges that end in them.

    Args:
        nodes: of the receivers, one tensor per input, `(receivers, batch or 1, features)`.
        edges: of the edges, one tensor per input, `(edges, batch or 1, features)`.
        first: index of the first receiver.
        last: index after the last one.
        connections: all edges; None where a node depends on itself alone.
        table: the senders; None without edges.
    """

    nodes: tuple[Tensor, ...]
    edges: tuple[Tensor, ...]
    first: int
    last: int
    connections: Edges | None
    table: Table | None

    def reduce(self, rows: Tensor) -> Tensor:
        """Sums (or means) of the edges' rows by receiver."""
        assert self.connections is not None, "only edges are summed"
        return self.connections.sum(rows, self.first, self.last)

    def hear(self, term: Tensor, received: Tensor, linear: nn.Linear, norm: nn.LayerNorm | None) -> Tensor:
        """LN(W·SiLU(sⱼ + tᵢⱼ + rᵢ) + b) for each edge j→i: the table's row of its sender, its term, its receiver's row.

        Without `norm` there is no LN.
        """
        assert self.connections is not None and self.table is not None, "only edges hear"
        if self.table.anchor is None or not torch.is_grad_enabled():
            y = silu_linear(self._sum(term, received), linear)
            return y if norm is None else norm(y)
        dtype = _autocast_dtype(term)
        scale = () if norm is None else (norm.weight, norm.bias)
        with torch.autocast(term.device.type, enabled=False):
            weight, bias = (t if dtype is None else t.to(dtype) for t in (linear.weight, linear.bias))
            how = (dtype, None if norm is None else norm.eps)
            return _Hear.apply(self, how, self.table.anchor, term, received, weight, bias, *scale)  # type: ignore[no-untyped-call, no-any-return]

    def senders(self) -> Tensor:
        """Indices of the edges' senders."""
        assert self.connections is not None, "only edges have senders"
        e0, e1 = self.connections.edge_range(self.first, self.last)
        return self.connections.senders[e0:e1]

    def _sum(self, term: Tensor, received: Tensor) -> Tensor:
        assert self.connections is not None and self.table is not None, "only edges hear"
        sent = self.table.rows.index_select(0, self.senders())
        is_free = not torch.is_grad_enabled() and sent.shape[1] >= max(term.shape[1], received.shape[1])
        if is_free and sent.dtype == term.dtype == received.dtype:
            return self.connections.add_(sent.add_(term), received, self.first, self.last)
        return self.connections.add(sent + term, received, self.first, self.last)


# from a block to the result for its receivers and, where edges are updated, for its edges
Layer = Callable[[Block], tuple[Tensor, Tensor | None]]


def blockwise(
    layer: Layer,
    modules: Iterable[nn.Module],
    nodes: Sequence[Tensor],
    connections: Edges | None = None,
    senders: Tensor | None = None,
    edges: Sequence[Tensor] = (),
    keeps: bool = True,
    widening: int = 1,
) -> tuple[Tensor, Tensor | None]:
    """The results of `layer` for all receivers, `(receivers, batch, features)`, and for all edges where it has one.

    Args:
        layer: what is computed on one block.
        modules: whose parameters `layer` uses.
        nodes: inputs by receiver, `(receivers, batch or 1, features)`.
        connections: edges sorted by receiver; None where a node depends on itself alone.
        senders: the table that edges gather from, `(senders, batch or 1, features)`.
        edges: inputs by edge, `(edges, batch or 1, features)`.
        keeps: whether blocks keep what the backward pass needs, instead of being run again.
        widening: how many times as wide as a row the widest array is that `layer` makes of it.
    """
    plan = _Plan(layer, connections, len(nodes), len(edges), keeps and torch.is_grad_enabled(), widening)
    batch = max(t.shape[1] for t in (*nodes, *edges, *(() if senders is None else (senders,))))
    cuts = [] if torch.compiler.is_compiling() else plan.cuts(nodes, batch)
    if len(cuts) < 2:
        table = None if senders is None else Table(senders, is_shared=False)
        return layer(plan.block(nodes, edges, table, 0, nodes[0].shape[0]))
    parameters = [p for module in modules for p in module.parameters()]
    tensors = (*nodes, *edges, *parameters)
    results: tuple[Tensor, ...] = _Blockwise.apply(plan, cuts, senders, *tensors)  # type: ignore[no-untyped-call]
    return results[0], results[1] if len(results) > 1 else None


class _Plan(NamedTuple):
    """Which rows of which tensor a block needs."""

    layer: Layer
    connections: Edges | None
    num_nodes: int
    num_edges: int
    keeps: bool
    widening: int

    def cuts(self, nodes: Sequence[Tensor], batch: int) -> list[tuple[int, int]]:
        """Where blocks of receivers begin and end."""
        rows = _ROWS_CPU if nodes[0].device.type == "cpu" else _ROWS_OTHER
        degree = 1.0 if self.connections is None else max(1.0, self.connections.mean_degree)
        step, size = max(1, int(rows / (batch * degree * self.widening))), nodes[0].shape[0]
        return [(first, min(first + step, size)) for first in range(0, size, step)]

    def split(self, tensors: Sequence[Tensor]) -> tuple[Sequence[Tensor], Sequence[Tensor]]:
        """Inputs by receiver and by edge."""
        return tensors[: self.num_nodes], tensors[self.num_nodes : self.num_nodes + self.num_edges]

    def run(
        self, ctx: Any, tensors: Sequence[Tensor], first: int, last: int, keeps: bool
    ) -> tuple[list[Tensor], list[Tensor]]:
        """The block's inputs as leaves of a graph of its own, and its results."""
        nodes, edges = self.split(tensors)
        block, leaves = self.block(nodes, edges, ctx.table, first, last), []
        with torch.set_grad_enabled(keeps):
            if keeps:
                flags = ctx.needs_input_grad[3:]
                leaves = [
                    t.detach().requires_grad_(f) for t, f in zip((*block.nodes, *block.edges), flags, strict=False)
                ]
                block = block._replace(nodes=tuple(leaves[: self.num_nodes]), edges=tuple(leaves[self.num_nodes :]))
            return leaves, [r for r in self.layer(block) if r is not None]

    def rows(self, first: int, last: int) -> tuple[slice, slice]:
        """Of receivers and of edges, for receivers `first … last − 1`."""
        e0, e1 = (0, 0) if self.connections is None else self.connections.edge_range(first, last)
        return slice(first, last), slice(e0, e1)

    def block(
        self, nodes: Sequence[Tensor], edges: Sequence[Tensor], table: Table | None, first: int, last: int
    ) -> Block:
        """Views of the tensors' rows."""
        nodes_of, of_edges = self.rows(first, last)
        return Block(
            tuple(t[nodes_of] for t in nodes), tuple(t[of_edges] for t in edges), first, last, self.connections, table
        )


class _Hear(torch.autograd.Function):
    """Keeps its inputs alone: gathering, summing and one product again cost less than what they make costs to keep."""

    @staticmethod
    def forward(
        ctx: Any, block: Block, how: tuple[torch.dtype | None, float | None], anchor: Tensor, term: Tensor, received: Tensor,
        weight: Tensor, bias: Tensor, *scale: Tensor,
    ) -> Tensor:  # fmt: skip
        ctx.block, ctx.how = block._replace(nodes=(), edges=()), how
        dtype, eps = how
        y = F.linear(F.silu(_to(block._sum(term, received), dtype)), weight, bias)
        moments: list[Tensor] = []
        if eps is not None:
            norm_weight, norm_bias = scale
            y, *moments = torch.native_layer_norm(_to(y, norm_weight.dtype), y.shape[-1:], norm_weight, norm_bias, eps)
        ctx.save_for_backward(term, received, weight, bias, *scale, *moments)
        return y

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        term, received, weight, bias, *rest = ctx.saved_tensors
        block, table, (dtype, eps) = ctx.block, ctx.block.table, ctx.how
        heard = _to(block._sum(term, received), dtype)
        activated = F.silu(heard)
        of_scale: list[Tensor] = []
        if eps is not None:
            norm_weight, norm_bias, mean, rstd = rest
            y = _to(F.linear(activated, weight, bias), norm_weight.dtype)
            gradient, *of_scale = torch.ops.aten.native_layer_norm_backward(
                gradient.contiguous(), y, y.shape[-1:], mean, rstd, norm_weight, norm_bias, [True, True, True]
            )
            gradient = _to(gradient, weight.dtype)
        rows = gradient.flatten(0, -2)
        of_weight = rows.T @ activated.flatten(0, -2)
        of_sum = torch.ops.aten.silu_backward(gradient @ weight, heard)
        if table.gradient is not None:
            table.gradient.index_add_(0, block.senders(), _shrunk(of_sum, table.gradient))
        of_received = _shrunk(block.connections.total(of_sum, block.first, block.last), received)
        of_term = _shrunk(of_sum, term)
        return None, None, gradient.new_zeros(()), of_term, of_received, of_weight, rows.sum(0), *of_scale


def _to(x: Tensor, dtype: torch.dtype | None) -> Tensor:
    return x if dtype is None else x.to(dtype)


def _shrunk(gradient: Tensor, like: Tensor) -> Tensor:
    """The gradient of what was spread over the batch."""
    return (gradient.sum(1, keepdim=True) if like.shape[1] < gradient.shape[1] else gradient).to(like.dtype)


class _Blockwise(torch.autograd.Function):
    """Runs the blocks; to go back, each has kept a graph of its own or is run again."""

    @staticmethod
    def forward(
        ctx: Any, plan: _Plan, cuts: list[tuple[int, int]], senders: Tensor | None, *tensors: Tensor
    ) -> tuple[Tensor, ...]:
        nodes = plan.split(tensors)[0]
        ctx.plan, ctx.arithmetic, ctx.kept = plan, _autocast_dtype(nodes[0]), []
        ctx.table = None if senders is None else Table(senders.detach(), is_shared=True)
        keeps = plan.keeps and any(ctx.needs_input_grad)
        ctx.cuts = cuts
        ctx.save_for_backward(senders, *tensors)
        sizes = (nodes[0].shape[0], 0 if plan.connections is None else plan.connections.num_edges)
        results: list[Tensor] = []
        for first, last in cuts:
            leaves, outputs = plan.run(ctx, tensors, first, last, keeps)
            if not results:
                results = [r.new_empty(n, *r.shape[1:]) for r, n in zip(outputs, sizes, strict=False)]
            for whole, part, place in zip(results, outputs, plan.rows(first, last), strict=False):
                whole[place] = part.detach()
            if keeps:
                ctx.kept.append((leaves, outputs))
        return tuple(results)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        plan, table, (senders, *tensors) = ctx.plan, ctx.table, ctx.saved_tensors
        num_rows = plan.num_nodes + plan.num_edges
        totals = [
            None if not f else torch.empty_like(t) if i < num_rows else torch.zeros_like(t)
            for i, (t, f) in enumerate(zip(tensors, ctx.needs_input_grad[3:], strict=True))
        ]
        if table is not None and ctx.needs_input_grad[2]:
            table.gradient = torch.zeros_like(senders)
        for first, last in reversed(ctx.cuts):
            if ctx.kept:
                leaves, outputs = ctx.kept.pop()
            else:
                with _arithmetic(tensors[0], ctx.arithmetic):
                    leaves, outputs = plan.run(ctx, tensors, first, last, True)
            nodes_of, of_edges = plan.rows(first, last)
            given = [g[rows] for g, rows in zip(gradients, (nodes_of, of_edges), strict=False)]
            anchors = [] if table is None else [table.anchor]
            sources = [t for t in (*leaves, *tensors[num_rows:], *anchors) if t.requires_grad]
            parts = torch.autograd.grad(outputs, sources, given, allow_unused=True)
            wanted = [(i, total) for i, total in enumerate(totals) if total is not None]
            for (i, total), part in zip(wanted, parts, strict=False):
                if i < num_rows:
                    total[nodes_of if i < plan.num_nodes else of_edges] = 0.0 if part is None else part
                elif part is not None:
                    total.add_(part)
        return (None, None, None if table is None else table.gradient, *totals)


def _arithmetic(x: Tensor, dtype: torch.dtype | None) -> AbstractContextManager[Any]:
    """The autocast that was in force in the forward pass."""
    return nullcontext() if dtype is None else torch.autocast(x.device.type, dtype=dtype)


class _Activation(NamedTuple):
    """A function of each number, and the gradient of its input from that of its output and the input."""

    run: Callable[[Tensor], Tensor]
    back: Callable[[Tensor, Tensor], Tensor]


_SILU = _Activation(F.silu, torch.ops.aten.silu_backward)
_GELU = _Activation(F.gelu, torch.ops.aten.gelu_backward)


class _ActivatedLinear(torch.autograd.Function):
    """W·f(x) + b that keeps x alone."""

    @staticmethod
    def forward(ctx: Any, activation: _Activation, x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        ctx.activation = activation
        ctx.save_for_backward(x, weight)
        return F.linear(activation.run(x), weight, bias)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        x, weight = ctx.saved_tensors
        rows = gradient.flatten(0, -2)
        of_weight = rows.T @ ctx.activation.run(x).flatten(0, -2)
        return None, ctx.activation.back(gradient @ weight, x), of_weight, rows.sum(0)


def _autocast_dtype(x: Tensor) -> torch.dtype | None:
    kind = x.device.type
    return torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else None


def _activated_linear(activation: _Activation, x: Tensor, linear: nn.Linear) -> Tensor:
    """W·f(x) + b of `(..., features)`; the backward pass computes f again instead of keeping it."""
    if torch.compiler.is_compiling() or not torch.is_grad_enabled():
        return F.linear(activation.run(x), linear.weight, linear.bias)
    dtype = _autocast_dtype(x)
    if dtype is not None:
        with torch.autocast(x.device.type, enabled=False):
            return _ActivatedLinear.apply(activation, x.to(dtype), linear.weight.to(dtype), linear.bias.to(dtype))  # type: ignore[no-untyped-call, no-any-return]
    return _ActivatedLinear.apply(activation, x, linear.weight, linear.bias)  # type: ignore[no-untyped-call, no-any-return]


def silu_linear(x: Tensor, linear: nn.Linear) -> Tensor:
    """W·SiLU(x) + b of `(..., features)`; the backward pass computes SiLU again instead of keeping it."""
    return _activated_linear(_SILU, x, linear)


def gelu_linear(x: Tensor, linear: nn.Linear) -> Tensor:
    """W·GELU(x) + b of `(..., features)`; the backward pass computes GELU again instead of keeping it."""
    return _activated_linear(_GELU, x, linear)

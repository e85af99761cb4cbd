"""Products along edges: what attention needs of them, as sparse matrices on a processor, else by gathering.

For edges j→i, heads h and numbers α per edge and head:

    dots    sⱼᵢ = xᵢ·yⱼ          of rows x of receivers and y of senders (or of the edges themselves)
    sums    xᵢ = Σⱼ α·yⱼ         and back, yⱼ = Σᵢ α·xᵢ
    softmax αⱼᵢ = exp(sⱼᵢ) / Σⱼ exp(sⱼᵢ)

A sparse product reads a sender's row, multiplies and adds without an array of all edges between: it takes the time of one
of the passes of which a gathered product has five. Numbers per edge stay in the order that the products like best; only
these classes know it.
"""

import warnings
from abc import ABC, abstractmethod
from typing import NamedTuple

import torch
from torch import Tensor, nn

from py4cast.models.graph.edges import Edges

__all__ = ["EdgeProducts", "Gathers", "Products", "SparseRows"]


class Products(ABC):
    """Abstract products along edges; rows are `(receivers or senders, batch, heads, width)`, of edges `(edges, width)`."""

    @abstractmethod
    def dots(self, x: Tensor, y: Tensor) -> Tensor:
        """Dot products of receivers' rows with senders' rows, a number per edge, batch and head."""

    @abstractmethod
    def dots_of_edges(self, x: Tensor, features: Tensor) -> Tensor:
        """Dot products of receivers' rows with the features of their edges."""

    @abstractmethod
    def softmax(self, scores: Tensor) -> Tensor:
        """Shares ≥ 0 of a receiver's edges that sum to one."""

    @abstractmethod
    def softmax_back(self, shares: Tensor, gradient: Tensor) -> Tensor:
        """The gradient of the scores, α·(g − Σ α·g)."""

    @abstractmethod
    def sums(self, numbers: Tensor, y: Tensor) -> Tensor:
        """Sums of senders' rows by receiver."""

    @abstractmethod
    def sums_of_edges(self, numbers: Tensor, features: Tensor) -> Tensor:
        """Sums of edges' features by receiver."""

    @abstractmethod
    def back(self, numbers: Tensor, x: Tensor) -> Tensor:
        """Sums of receivers' rows by sender."""

    @abstractmethod
    def back_to_edges(self, numbers: Tensor, x: Tensor) -> Tensor:
        """Sums of receivers' rows by edge, over batch and heads."""


class Gathers(Products):
    """Creates products by gathering, of torch's common operations: what is exported, compiled and run on accelerators.

    Numbers are `(edges, batch, heads)`.
    """

    def __init__(self, edges: Edges) -> None:
        self.edges = edges

    def dots(self, x: Tensor, y: Tensor) -> Tensor:
        return self._to_edges(y.index_select(0, self.edges.senders), x)

    def dots_of_edges(self, x: Tensor, features: Tensor) -> Tensor:
        return self._to_edges(features[:, None, None], x)

    def _to_edges(self, rows: Tensor, x: Tensor) -> Tensor:
        return self.edges.times(rows, x, 0, len(x)).sum(-1)

    def softmax(self, scores: Tensor) -> Tensor:
        return self.edges.softmax(scores, 0, self.edges.num_receivers)

    def softmax_back(self, shares: Tensor, gradient: Tensor) -> Tensor:
        count = self.edges.num_receivers
        return shares * self.edges.add(gradient, -self.edges.total(shares * gradient, 0, count), 0, count)

    def sums(self, numbers: Tensor, y: Tensor) -> Tensor:
        return self._by_receiver(numbers.unsqueeze(-1) * y.index_select(0, self.edges.senders))

    def sums_of_edges(self, numbers: Tensor, features: Tensor) -> Tensor:
        return self._by_receiver(numbers.unsqueeze(-1) * features[:, None, None])

    def _by_receiver(self, rows: Tensor) -> Tensor:
        return self.edges.total(rows, 0, self.edges.num_receivers)

    def back(self, numbers: Tensor, x: Tensor) -> Tensor:
        rows = self.edges.times(numbers.unsqueeze(-1), x, 0, len(x))
        return rows.new_zeros(self.edges.num_senders, *rows.shape[1:]).index_add_(0, self.edges.senders, rows)

    def back_to_edges(self, numbers: Tensor, x: Tensor) -> Tensor:
        return self.edges.times(numbers.unsqueeze(-1), x, 0, len(x)).sum((1, 2))


class _Pattern(NamedTuple):
    """Where the numbers of a matrix stand: its rows are of receivers (or senders), each with its batch and head."""

    starts: Tensor
    columns: Tensor
    shape: tuple[int, int]

    def matrix(self, numbers: Tensor) -> Tensor:
        return torch.sparse_csr_tensor(self.starts, self.columns, numbers, self.shape, check_invariants=False)


class SparseRows(Products):
    """Creates products by sparse matrices, a row for each receiver, batch and head; for a processor.

    Numbers are `(rows' entries,)`: all edges of the first receiver for the first head, then for the second one, and so on.

    Args:
        edges: who sends to whom.
        copies: batch × heads.
    """

    def __init__(self, edges: Edges, copies: int) -> None:
        with warnings.catch_warnings():
            # torch says once that its sparse rows are young; their results are tested here against gathers
            warnings.simplefilter("ignore", UserWarning)
            torch.eye(1).to_sparse_csr()
        self.degree, self.copies = edges.degree, copies
        self.num_receivers, self.num_senders = edges.num_receivers, edges.num_senders
        degrees = edges.receivers.bincount(minlength=edges.num_receivers)
        rows = degrees.repeat_interleave(copies)
        self.starts = torch.cat([rows.new_zeros(1), rows.cumsum(0)])
        self.row_of_entry = torch.arange(rows.numel()).repeat_interleave(rows)
        copy = self.row_of_entry % copies
        # the edge of each entry: those of a receiver in turn, once for each copy
        first = degrees.cumsum(0) - degrees
        edge = (
            torch.arange(self.row_of_entry.numel())
            - self.starts[self.row_of_entry]
            + first[self.row_of_entry // copies]
        )
        senders = edges.senders[edge] * copies + copy
        self.by_sender = self._pattern(self.starts, senders, self.num_senders * copies)
        self.by_edge = self._pattern(self.starts, edge, edges.num_edges)
        self.order, self.to_senders = self._turned(senders, self.num_senders * copies)
        self.edge_order, self.to_edges = self._turned(edge, edges.num_edges)

    def _pattern(self, starts: Tensor, columns: Tensor, width: int) -> _Pattern:
        # indices of 32 bits are read in half the time, where the numbers of entries allow it
        dtype = torch.int32 if int(starts[-1]) < 2**31 and width < 2**31 else torch.int64
        return _Pattern(starts.to(dtype), columns.to(dtype), (len(starts) - 1, width))

    def _turned(self, columns: Tensor, width: int) -> tuple[Tensor, _Pattern]:
        """The pattern of the transposed matrix, and where its numbers stand in this one."""
        order = columns.argsort(stable=True)
        starts = torch.cat([columns.new_zeros(1), columns.bincount(minlength=width).cumsum(0)])
        return order, self._pattern(starts, self.row_of_entry[order], len(self.starts) - 1)

    def dots(self, x: Tensor, y: Tensor) -> Tensor:
        return self._dots(self.by_sender, _rows(x), _rows(y))

    def dots_of_edges(self, x: Tensor, features: Tensor) -> Tensor:
        return self._dots(self.by_edge, _rows(x), features)

    def _dots(self, pattern: _Pattern, x: Tensor, y: Tensor) -> Tensor:
        nothing = pattern.matrix(x.new_zeros(pattern.columns.numel()))
        products: Tensor = torch.sparse.sampled_addmm(nothing, x, y.T, beta=0.0)
        return products.values()

    def softmax(self, scores: Tensor) -> Tensor:
        if self.degree is not None:
            return scores.reshape(-1, self.degree).softmax(1).flatten()
        most = torch.segment_reduce(scores, "max", offsets=self.starts)
        shares = scores.sub(most.index_select(0, self.row_of_entry)).exp_()
        return shares.div_(self._row_sums(shares))

    def softmax_back(self, shares: Tensor, gradient: Tensor) -> Tensor:
        return gradient.sub(self._row_sums(shares * gradient)).mul_(shares)

    def _row_sums(self, numbers: Tensor) -> Tensor:
        """Sums over each row, at each of its entries."""
        if self.degree is not None:
            rows = numbers.reshape(-1, self.degree)
            return rows.sum(1, keepdim=True).expand_as(rows).reshape(-1)
        sums = torch.segment_reduce(numbers, "sum", offsets=self.starts)
        return sums.index_select(0, self.row_of_entry)

    def sums(self, numbers: Tensor, y: Tensor) -> Tensor:
        rows = self.by_sender.matrix(numbers) @ _rows(y)
        return rows.reshape(self.num_receivers, *y.shape[1:])

    def sums_of_edges(self, numbers: Tensor, features: Tensor) -> Tensor:
        rows = self.by_edge.matrix(numbers) @ features
        return rows.reshape(self.num_receivers, self.copies, -1)

    def back(self, numbers: Tensor, x: Tensor) -> Tensor:
        rows = self.to_senders.matrix(numbers.index_select(0, self.order)) @ _rows(x)
        return rows.reshape(self.num_senders, *x.shape[1:])

    def back_to_edges(self, numbers: Tensor, x: Tensor) -> Tensor:
        rows: Tensor = self.to_edges.matrix(numbers.index_select(0, self.edge_order)) @ _rows(x)
        return rows


class EdgeProducts(nn.Module):
    """Creates what gives the products along fixed edges that suit a device; layers over the same edges share it.

    Args:
        edges: who sends to whom.
    """

    def __init__(self, edges: Edges) -> None:
        super().__init__()
        edges.prepare_softmax()
        self.edges = edges
        self._sparse: dict[int, SparseRows] = {}

    def of(self, rows: Tensor) -> Products:
        """The products for rows `(receivers, batch, heads, width)`."""
        if rows.device.type != "cpu" or torch.compiler.is_compiling():
            return Gathers(self.edges)
        copies = rows.shape[1] * rows.shape[2]
        if copies not in self._sparse:
            # one batch size in training, another at the end of an epoch: no more are kept
            self._sparse = dict(list(self._sparse.items())[-1:]) | {copies: SparseRows(self.edges, copies)}
        return self._sparse[copies]


def _rows(x: Tensor) -> Tensor:
    """`(nodes, batch, heads, width)` as `(nodes · batch · heads, width)`."""
    return x.reshape(-1, x.shape[-1])

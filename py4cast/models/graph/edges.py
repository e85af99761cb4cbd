"""Edges: who sends to whom, sorted by receiver so that a block of receivers has its edges in one piece."""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from py4cast.models.graph.halo import Halo

__all__ = ["Edges"]


class _Total(torch.autograd.Function):
    """Sums of rows by index; torch's own `index_add` keeps the rows for its backward pass, which does not read them."""

    @staticmethod
    def forward(ctx: Any, rows: Tensor, index: Tensor, count: int) -> Tensor:
        ctx.save_for_backward(index)
        return rows.new_zeros(count, *rows.shape[1:]).index_add_(0, index, rows)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        return gradient.index_select(0, ctx.saved_tensors[0]), None, None


class Edges(nn.Module):
    """Creates the edges j→i of a layer, and sums over the edges of a receiver.

    Args:
        senders: index of each edge's sender, `(edges,)`.
        receivers: index of each edge's receiver, `(edges,)`, not decreasing.
        num_senders: size of the table that senders index.
        num_receivers: number of receivers, those without an edge included.
        is_mean: whether a receiver gets the mean of its messages instead of their sum.
        halo: what brings the senders that other ranks have, behind this rank's.

    Raises:
        ValueError: receivers that are not sorted, or indices that are out of range.
    """

    senders: Tensor
    receivers: Tensor
    scale: Tensor
    _slots: Tensor
    _places: Tensor

    def __init__(
        self, senders: NDArray[np.int64], receivers: NDArray[np.int64], num_senders: int, num_receivers: int, is_mean: bool = False,
        halo: Halo | None = None,
    ) -> None:  # fmt: skip
        super().__init__()
        self.halo = halo
        num_senders += 0 if halo is None else sum(halo.received)
        if senders.shape != receivers.shape or senders.ndim != 1:
            raise ValueError(
                f"edges: senders {senders.shape} and receivers {receivers.shape} must be 1-D and of one size"
            )
        if senders.size and (np.diff(receivers) < 0).any():
            raise ValueError("edges: receivers must be sorted")
        for what, index, size in (("sender", senders, num_senders), ("receiver", receivers, num_receivers)):
            if index.size and (index.min() < 0 or index.max() >= size):
                raise ValueError(f"edges: {what} {index.max() if index.max() >= size else index.min()} of {size}")
        degree = np.bincount(receivers, minlength=num_receivers)
        self._starts: list[int] = np.concatenate([[0], np.cumsum(degree)]).tolist()
        self.num_senders, self.num_receivers, self.num_edges = num_senders, num_receivers, int(senders.size)
        self.degree = int(degree[0]) if num_receivers and (degree == degree[0]).all() else None
        self.is_mean = is_mean
        self.register_buffer("senders", torch.from_numpy(senders.astype(np.int64)), persistent=False)
        self.register_buffer("receivers", torch.from_numpy(receivers.astype(np.int64)), persistent=False)
        scale = torch.from_numpy(1.0 / np.maximum(degree, 1)).float().view(-1, 1, 1)
        self.register_buffer("scale", scale, persistent=False)

    def grown(self, senders: Tensor) -> Tensor:
        """The table that edges gather from, `(senders, batch or 1, features)`: with the rows of other ranks behind this one's."""
        return senders if self.halo is None else self.halo.grown(senders)

    def prepare_softmax(self) -> None:
        """Makes the tables that `softmax` reads where receivers differ in their number of edges; sums need none."""
        if self.degree is None:
            receivers = self.receivers.numpy()
            slots, places = self._rows_of(receivers, np.bincount(receivers, minlength=self.num_receivers))
            self.register_buffer("_slots", torch.from_numpy(slots), persistent=False)
            self.register_buffer("_places", torch.from_numpy(places), persistent=False)

    def _rows_of(
        self, receivers: NDArray[np.int64], degree: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """The edges of each receiver, filled up with −1, `(receivers, most edges)`, and where each edge stands in them."""
        most = int(degree.max(initial=0))
        places = receivers * most + np.arange(receivers.size) - np.asarray(self._starts)[receivers]
        slots = np.full(self.num_receivers * most, -1, np.int64)
        slots[places] = np.arange(receivers.size)
        return slots.reshape(self.num_receivers, most), places

    @property
    def mean_degree(self) -> float:
        """The mean number of edges that a receiver has."""
        return self.num_edges / max(1, self.num_receivers)

    def edge_range(self, first: int, last: int) -> tuple[int, int]:
        """The edges that end in receivers `first … last − 1`."""
        return self._starts[first], self._starts[last]

    def total(self, rows: Tensor, first: int, last: int) -> Tensor:
        """Sums of the edges' rows by receiver, for receivers `first … last − 1`.

        Args:
            rows: of their edges, `(edges, batch, features)`.
            first: the first receiver.
            last: the one after the last.
        """
        if self.degree is not None:
            return rows.reshape(last - first, self.degree, *rows.shape[1:]).sum(1)
        e0, e1 = self.edge_range(first, last)
        index = self.receivers[e0:e1] - first
        if torch.compiler.is_compiling() or not rows.requires_grad:
            return rows.new_zeros(last - first, *rows.shape[1:]).index_add(0, index, rows)
        return _Total.apply(rows, index, last - first)  # type: ignore[no-untyped-call, no-any-return]

    def sum(self, rows: Tensor, first: int, last: int) -> Tensor:
        """Sums as `total`, or means where the edges are joined so."""
        total = self.total(rows, first, last)
        return total * self.scale[first:last].to(total.dtype) if self.is_mean else total

    def add(self, rows: Tensor, received: Tensor, first: int, last: int) -> Tensor:
        """Adds the receivers' rows to the rows of each of their edges.

        Args:
            rows: of edges, `(edges, batch or 1, features)`.
            received: of the receivers, `(receivers, batch or 1, features)`.
            first: the first receiver.
            last: the one after the last.
        """
        if self.degree is not None:
            per_node = rows.reshape(last - first, self.degree, *rows.shape[1:])
            return (per_node + received.unsqueeze(1)).flatten(0, 1)
        e0, e1 = self.edge_range(first, last)
        return rows + received.index_select(0, self.receivers[e0:e1] - first)

    def times(self, rows: Tensor, received: Tensor, first: int, last: int) -> Tensor:
        """Multiplies the rows of each edge by its receiver's.

        Args:
            rows: of edges, `(edges, batch or 1, ...)`.
            received: of the receivers, `(receivers, batch or 1, ...)`.
            first: the first receiver.
            last: the one after the last.
        """
        if self.degree is not None:
            return (rows.reshape(last - first, self.degree, *rows.shape[1:]) * received.unsqueeze(1)).flatten(0, 1)
        e0, e1 = self.edge_range(first, last)
        return rows * received.index_select(0, self.receivers[e0:e1] - first)

    def softmax(self, scores: Tensor, first: int, last: int) -> Tensor:
        """Shares of a receiver's edges that are ≥ 0 and sum to 1, `(edges, batch, heads)`, after `prepare_softmax`.

        Args:
            scores: of edges, `(edges, batch, heads)`.
            first: the first receiver.
            last: the one after the last.
        """
        if self.degree is not None:
            return scores.reshape(last - first, self.degree, *scores.shape[1:]).softmax(1).flatten(0, 1)
        e0, e1 = self.edge_range(first, last)
        slots, places = self._slots[first:last], self._places[e0:e1] - first * self._slots.shape[1]
        slots = torch.where(slots < 0, e1 - e0, slots - e0)
        # one score more, for the slots that hold no edge
        filled = torch.cat([scores, scores.new_full((1, *scores.shape[1:]), float("-inf"))])
        rows = filled.index_select(0, slots.flatten()).reshape(*slots.shape, *scores.shape[1:]).softmax(1)
        return rows.flatten(0, 1).index_select(0, places)

    def add_(self, rows: Tensor, received: Tensor, first: int, last: int) -> Tensor:
        """`add` in place, where the rows are nobody else's."""
        if self.degree is not None:
            rows.view(last - first, self.degree, *rows.shape[1:]).add_(received.unsqueeze(1))
            return rows
        e0, e1 = self.edge_range(first, last)
        return rows.add_(received.index_select(0, self.receivers[e0:e1] - first))

"""Edges: sums, means and what receivers add, by hand."""

import numpy as np
import pytest
import torch

from py4cast.models.graph.edges import Edges

ROWS = torch.tensor([1.0, 2.0, 4.0, 8.0]).view(4, 1, 1)


def uneven(is_mean: bool = False) -> Edges:
    """Receiver 0 has edge 0, receiver 1 none, receiver 2 the others."""
    return Edges(np.array([1, 0, 1, 2]), np.array([0, 2, 2, 2]), 3, 3, is_mean)


def even(is_mean: bool = False) -> Edges:
    """Two edges to each of two receivers."""
    return Edges(np.array([0, 1, 1, 2]), np.array([0, 0, 1, 1]), 3, 2, is_mean)


def test_degrees_are_one_number_only_where_they_are_equal() -> None:
    assert (even().degree, even().mean_degree, even().num_edges) == (2, 2.0, 4)
    assert uneven().degree is None and uneven().mean_degree == pytest.approx(4 / 3)
    assert uneven().scale.flatten().tolist() == pytest.approx([1.0, 1.0, 1 / 3])


def test_the_edges_of_receivers_lie_in_one_piece() -> None:
    edges = uneven()
    assert [edges.edge_range(k, k + 1) for k in range(3)] == [(0, 1), (1, 1), (1, 4)]
    assert edges.edge_range(0, 3) == (0, 4)


@pytest.mark.parametrize(
    ("edges", "first", "last", "sums"),
    [(uneven(), 0, 3, [1.0, 0.0, 14.0]), (uneven(), 1, 3, [0.0, 14.0]), (even(), 0, 2, [3.0, 12.0]), (even(), 1, 2, [12.0])],
)  # fmt: skip
def test_sums_are_by_receiver_of_a_part(edges: Edges, first: int, last: int, sums: list[float]) -> None:
    e0, e1 = edges.edge_range(first, last)
    rows = ROWS[e0:e1]
    assert edges.total(rows, first, last).flatten().tolist() == sums
    assert edges.sum(rows, first, last).flatten().tolist() == sums
    recorded = edges.total(rows.clone().requires_grad_(), first, last)
    assert recorded.flatten().tolist() == sums, "the same where a gradient is wanted"


@pytest.mark.parametrize(("edges", "means"), [(uneven(True), [1.0, 0.0, 14 / 3]), (even(True), [1.5, 6.0])])
def test_means_divide_by_the_number_of_edges_and_none_is_zero(edges: Edges, means: list[float]) -> None:
    assert edges.sum(ROWS, 0, edges.num_receivers).flatten().tolist() == pytest.approx(means)
    assert edges.sum(ROWS.double(), 0, edges.num_receivers).dtype == torch.float64


@pytest.mark.parametrize("edges", [uneven(), even()])
def test_the_gradient_of_a_sum_is_that_of_its_receiver(edges: Edges) -> None:
    rows = ROWS.clone().requires_grad_()
    weights = torch.tensor([10.0, 20.0, 30.0])[: edges.num_receivers]
    (gradient,) = torch.autograd.grad((edges.total(rows, 0, edges.num_receivers).flatten() * weights).sum(), rows)
    assert gradient.flatten().tolist() == weights[edges.receivers].tolist()


@pytest.mark.parametrize("edges", [uneven(), even()])
def test_a_receiver_adds_its_row_to_each_of_its_edges(edges: Edges) -> None:
    received = torch.tensor([100.0, 200.0, 300.0])[: edges.num_receivers].view(-1, 1, 1)
    expected = ROWS + received[edges.receivers]
    assert torch.equal(edges.add(ROWS, received, 0, edges.num_receivers), expected)
    rows = ROWS.clone()
    assert edges.add_(rows, received, 0, edges.num_receivers) is rows and torch.equal(rows, expected)
    last = edges.num_receivers - 1
    e0, e1 = edges.edge_range(last, last + 1)
    assert torch.equal(edges.add(ROWS[e0:e1], received[last:], last, last + 1), expected[e0:e1])


def test_what_receivers_add_spreads_over_the_batch() -> None:
    added = uneven().add(ROWS, torch.tensor([[[1.0], [2.0]]]).expand(3, 2, 1), 0, 3)
    assert added[:, 0].flatten().tolist() == [2.0, 3.0, 5.0, 9.0]
    assert added[:, 1].flatten().tolist() == [3.0, 4.0, 6.0, 10.0]


def test_no_edges_are_no_sums() -> None:
    edges = Edges(np.zeros(0, np.int64), np.zeros(0, np.int64), 2, 3)
    assert edges.degree == 0 and edges.mean_degree == 0.0
    assert edges.sum(torch.zeros(0, 2, 4), 0, 3).tolist() == torch.zeros(3, 2, 4).tolist()


def test_two_dimensions_are_refused() -> None:
    square = np.zeros((2, 2), np.int64)
    with pytest.raises(ValueError, match=r"senders \(2, 2\) and receivers \(2, 2\) must be 1-D and of one size"):
        Edges(square, square, 2, 2)
    with pytest.raises(ValueError, match="edges: receiver -1 of 2"):
        Edges(np.array([0]), np.array([-1]), 2, 2)

"""Attention over edges against its formula written edge by edge, and its gradients."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from py4cast.models.graph import blockwise
from py4cast.models.graph.attention import EdgeAttention, FeedForward
from py4cast.models.graph.edges import Edges

HEADS, HIDDEN = 2, 6


def layer(is_even: bool, is_within: bool = False) -> EdgeAttention:
    rng = np.random.default_rng(0)
    degree = np.full(40, 3) if is_even else rng.integers(1, 7, 40)
    receivers = np.repeat(np.arange(40), degree)
    senders = rng.integers(0, 40 if is_within else 23, receivers.size)
    torch.manual_seed(1)
    edges = Edges(senders, receivers, 40 if is_within else 23, 40)
    made = EdgeAttention(edges, HIDDEN, HEADS, 4, is_within).double()
    for norm in {made.norm, made.sender_norm, made.feed_forward.norm}:
        nn.init.normal_(norm.weight)
    return made


def by_edge(module: EdgeAttention, senders: torch.Tensor, receivers: torch.Tensor, term: torch.Tensor) -> torch.Tensor:
    """The formula, receiver by receiver."""
    rows = []
    for i, x in enumerate(receivers):
        heard = torch.nonzero(module.edges.receivers == i).flatten()
        query = module.query(module.norm(x)).reshape(-1, HEADS, HIDDEN // HEADS)
        each = module.key_value(module.sender_norm(senders[module.edges.senders[heard]]))
        key, value = (
            (part + term[heard]).reshape(len(heard), -1, HEADS, HIDDEN // HEADS) for part in each.chunk(2, dim=-1)
        )
        shares = ((query[None] * key).sum(-1) / (HIDDEN // HEADS) ** 0.5).softmax(0)
        message = (shares[..., None] * value).sum(0).flatten(-2)
        x = x + module.projection(message + module.self_term(module.norm(x)))
        wide = module.feed_forward.widen(module.feed_forward.norm(x))
        rows.append(x + module.feed_forward.narrow(F.gelu(wide)))
    return torch.stack(rows)


@pytest.mark.parametrize("is_even", [True, False], ids=["as many edges each", "some more, some less"])
@pytest.mark.parametrize("rows", [8192, 24], ids=["one block", "blocks"])
def test_attention_is_its_formula(is_even: bool, rows: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Values and all gradients, whether it runs in one block or in several."""
    monkeypatch.setattr(blockwise, "_ROWS_CPU", rows)
    module = layer(is_even)
    inputs = [torch.randn(23, 2, HIDDEN), torch.randn(40, 1, HIDDEN), torch.randn(module.edges.num_edges, 1, HIDDEN)]
    inputs = [t.double().requires_grad_() for t in inputs]
    weight, results = torch.randn(40, 2, HIDDEN).double(), []
    for run in (module, lambda *given: by_edge(module, *given)):
        y = run(*inputs)
        parameters = [p for n, p in module.named_parameters() if not n.startswith("edge.")]
        results.append((y, *torch.autograd.grad((y * weight).sum(), [*inputs, *parameters])))
    for a, b in zip(*results, strict=True):
        torch.testing.assert_close(a, b)


def test_large_scores_are_no_trouble() -> None:
    """No bound stands for the maximum: scores of thousands, of both signs, give shares that sum to one."""
    edges = layer(is_even=False).edges
    scores = 5000 * torch.randn(edges.num_edges, 3, HEADS)
    shares = edges.softmax(scores, 0, 40)
    torch.testing.assert_close(edges.total(shares, 0, 40), torch.ones(40, 3, HEADS))
    part = edges.softmax(scores[edges.edge_range(7, 19)[0] : edges.edge_range(7, 19)[1]], 7, 19)
    assert torch.equal(part, shares[edges.edge_range(7, 19)[0] : edges.edge_range(7, 19)[1]])


def test_within_a_set_of_nodes_there_is_one_norm() -> None:
    module = layer(is_even=True, is_within=True)
    assert module.norm is module.sender_norm
    nodes, term = torch.randn(40, 1, HIDDEN).double(), torch.randn(module.edges.num_edges, 1, HIDDEN).double()
    torch.testing.assert_close(module(nodes, nodes, term), by_edge(module, nodes, nodes, term))


def test_the_feed_forward_keeps_one_wide_array() -> None:
    module, x = FeedForward(HIDDEN, 4).double(), torch.randn(9, 2, HIDDEN).double().requires_grad_()
    assert torch.autograd.gradcheck(module, x)
    kept: list[torch.Size] = []
    with torch.autograd.graph.saved_tensors_hooks(lambda t: kept.append(t.shape) or t, lambda t: t):
        module(x)
    assert [s[-1] for s in kept if len(s) == 3].count(4 * HIDDEN) == 1


@pytest.mark.parametrize("rows", [8192, 24], ids=["one block", "blocks"])
def test_bfloat16_is_near(rows: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blockwise, "_ROWS_CPU", rows)
    module = layer(is_even=False).float()
    inputs = [torch.randn(23, 2, HIDDEN), torch.randn(40, 2, HIDDEN), torch.randn(module.edges.num_edges, 1, HIDDEN)]
    inputs = [t.requires_grad_() for t in inputs]
    results = []
    for enabled in (False, True):
        with torch.autocast("cpu", torch.bfloat16, enabled=enabled):
            y = module(*inputs)
        results.append(torch.autograd.grad(y.float().square().sum(), inputs))
    for exact, near in zip(*results, strict=True):
        assert float((near - exact).norm() / exact.norm()) < 0.05
